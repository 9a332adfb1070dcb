// The table of file system calls, joined from the topics in files_*.cc.
#include <algorithm>
#include <array>

#include "enclave/kernel/syscalls/files_support.h"

namespace coffer::kernel {

std::span<const SyscallEntry> file_syscalls() {
  // Joined once, by the thread that starts the enclave, before any other exists.
  static constinit std::array<SyscallEntry, 200> table{};
  static constinit std::size_t count = 0;
  if (count == 0) {
    for (const auto& topic :
         {file_calls::transfer_syscalls(), file_calls::splice_syscalls(), file_calls::descriptor_syscalls(),
          file_calls::path_syscalls(), file_calls::status_syscalls(), file_calls::control_syscalls(),
          file_calls::poll_syscalls(), file_calls::socket_syscalls(), file_calls::message_syscalls()}) {
      for (const SyscallEntry& entry : topic) {
        if (count < table.size()) table[count++] = entry;
      }
    }
  }
  return std::span(table).first(count);
}

}  // namespace coffer::kernel
