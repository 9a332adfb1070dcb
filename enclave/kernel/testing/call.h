// System calls of an application for hosted tests: pointers and numbers alike, RAX comes back.
#pragma once

#include <cerrno>
#include <cstdint>
#include <map>

#include "enclave/kernel/syscalls/syscall.h"

namespace coffer::kernel::testing {

template <class... Arguments>
std::int64_t call(long number, Arguments... arguments) {
  static const auto table = [] {
    std::map<long, SyscallHandler> handlers;
    for (const SyscallEntry& entry : file_syscalls()) handlers[entry.number] = entry.handler;
    return handlers;
  }();
  const auto found = table.find(number);
  if (found == table.end()) return -ENOSYS;
  SyscallArguments all{};
  std::size_t next = 0;
  ((all.a[next++] = (std::uint64_t)arguments), ...);
  return found->second(all);
}

}  // namespace coffer::kernel::testing
