#include "enclave/kernel/syscalls/dispatch.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>

#include "enclave/kernel/core/image.h"
#include "enclave/kernel/core/kernel.h"
#include "enclave/kernel/core/thread.h"
#include "enclave/kernel/signals/delivery.h"
#include "enclave/kernel/syscalls/syscall.h"

namespace coffer::kernel {

namespace {

constexpr std::uint64_t kLinuxNumbers = 512;
constexpr std::uint64_t kCofferFirst = 0xf000;  // our own calls: far above Linux's
constexpr std::uint64_t kCofferNumbers = 16;

std::array<SyscallHandler, kLinuxNumbers> linux_handlers;
std::array<SyscallHandler, kCofferNumbers> coffer_handlers;
std::array<std::atomic<bool>, kLinuxNumbers> complained;
std::uint64_t cpus = 1;

void join(std::span<const SyscallEntry> entries) {
  for (const SyscallEntry& entry : entries) {
    const bool own = entry.number >= kCofferFirst;
    SyscallHandler* slot = own ? &coffer_handlers[entry.number - kCofferFirst] : &linux_handlers[entry.number];
    if (*slot != nullptr) panic("two handlers for one system call");
    *slot = entry.handler;
  }
}

// In debug images, once for each number.
void complain(std::uint64_t number) {
  if (number >= kLinuxNumbers || !is_debug_enclave() || complained[number].exchange(true)) return;
  std::string text = "system call ";
  for (std::uint64_t scale = 100; scale != 0; scale /= 10) text += static_cast<char>('0' + number / scale % 10);
  text += " is not there inside an enclave: ENOSYS";
  debug_log(text);
}

}  // namespace

void init_dispatch(std::uint64_t count) {
  cpus = count;
  join(file_syscalls());
  join(memory_syscalls());
  join(process_syscalls());
  join(time_syscalls());
  join(signal_syscalls());
  join(timer_syscalls());
  join(identity_syscalls());
  join(coffer_syscalls());
  join(call_syscalls());
}

std::uint64_t cpu_count() { return cpus; }

// Serves the call and puts its result into the frame. A call that a signal interrupted leads to the handler instead, or
// goes on where no handler was to run.
extern "C" void coffer_syscall(SyscallFrame* frame) {
  const std::uint64_t number = frame->rax;
  if (++current_thread().system_calls % boundary::kPublishEvery == 0) publish_counters();
  SyscallHandler handler = nullptr;
  if (number < kLinuxNumbers) {
    handler = linux_handlers[number];
  } else if (number - kCofferFirst < kCofferNumbers) {
    handler = coffer_handlers[number - kCofferFirst];
  }
  if (handler == nullptr) {
    complain(number);
    frame->rax = static_cast<std::uint64_t>(-ENOSYS);
    return;
  }
  ThreadControl& thread = current_thread();
  thread.frame = frame;
  const SyscallArguments arguments{{frame->rdi, frame->rsi, frame->rdx, frame->r10, frame->r8, frame->r9}};
  const auto serve = [&] {
    return signals::waits_under_mask(number) ? signals::wait_under_mask(number, arguments, handler)
                                             : handler(arguments);
  };
  std::int64_t result = serve();
  // A host that says EINTR for no reason of ours is believed after a while.
  constexpr int kMostRepeats = 1000;
  for (int i = 0; result == -EINTR && i < kMostRepeats; ++i) {
    if (signals::after_interruption(*frame, number) == signals::Interruption::kDelivered) {
      thread.sleep_deadline = 0;
      return;
    }
    result = serve();
  }
  if (result == -EPIPE) signals::note_broken_pipe(number, arguments);
  if (thread.sleep_deadline != 0) thread.sleep_deadline = 0;
  frame->rax = static_cast<std::uint64_t>(result);
  // A call of the host's is waited for behind this, with the registers of the call that waits.
  if (thread.call_leaves == 0) thread.frame = nullptr;
}

bool user_range(std::uint64_t address, std::uint64_t size, bool write) {
  if (size == 0) return true;
  CheckedRanges& checked = current_thread().checked;
  const std::uint64_t changes = address_space().changes();
  if (checked.hold(address, size, write, changes)) return true;
  const bool accessible = in_program(address, size, write) ||
                          (address_space().owns(address, size) && address_space().prepare_access(address, size, write));
  if (accessible) checked.add(address, size, write, changes);
  return accessible;
}

int user_string(std::uint64_t address, std::size_t limit, std::string_view* text) {
  // Page by page: the string may end just before memory that is not there.
  std::size_t length = 0;
  while (length <= limit) {
    const std::uint64_t at = address + length;
    const std::uint64_t piece = SGX_PAGE_SIZE - at % SGX_PAGE_SIZE;
    if (!user_range(at, piece, false)) return -EFAULT;
    const auto* begin = reinterpret_cast<const char*>(at);
    if (const void* end = std::memchr(begin, 0, piece); end != nullptr) {
      length += static_cast<std::size_t>(static_cast<const char*>(end) - begin);
      if (length > limit) return -ENAMETOOLONG;
      *text = {reinterpret_cast<const char*>(address), length};
      return 0;
    }
    length += piece;
  }
  return -ENAMETOOLONG;
}

}  // namespace coffer::kernel
