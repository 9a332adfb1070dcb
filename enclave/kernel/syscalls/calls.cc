// Calls between the enclave and its host, both ways (docs/design/sdk.md). include/coffer/enclave.h is their face.
//
// Whatever the host names is checked when it is named, to lie in host memory, and copied once.
#include <cerrno>
#include <cstring>

#include "base/bytes.h"
#include "boundary/call_frames.h"
#include "enclave/kernel/core/image.h"
#include "enclave/kernel/core/kernel.h"
#include "enclave/kernel/core/thread.h"
#include "enclave/kernel/signals/pending.h"
#include "enclave/kernel/syscalls/syscall.h"

namespace coffer::kernel {

namespace {

using Arguments = SyscallArguments;
using boundary::Request;

// The structures of include/coffer/enclave.h.
struct PreviousCall {
  std::int64_t status;
  std::uint64_t output, written, input, room;
};
struct NextCall {
  std::uint64_t index, input_size, output_room;
};
struct HostCall {
  std::uint64_t index, input, input_size, output, output_room;
  std::int64_t status;
  std::uint64_t written;
  std::uint64_t nested_input, nested_room;
  std::uint64_t kept_result, kept_room;  // of the call that this one is made in, while a nested one is served
};
struct Ranges {
  std::uint64_t base, size, arena_base, arena_size, debug, threads;
};

constexpr std::uint64_t kNested = 1;
constexpr std::uint64_t kMostBytes = 0xffff'ffff;

// A call as the host gave it, in the registers of an answer to kNextCall.
struct OfferedCall {
  std::uint64_t index, argument, sizes, result;
};

// Checks the call and copies its argument to where the program wants it.
std::int64_t take_call(const OfferedCall& offered, std::uint64_t input, std::uint64_t input_room, std::uint64_t next) {
  ThreadControl& thread = current_thread();
  const std::uint64_t size = offered.sizes & kMostBytes;
  const std::uint64_t room = offered.sizes >> 32;
  if (!in_host_memory(offered.argument, size) || !in_host_memory(offered.result, room)) {
    panic("the host gave a call a buffer outside the arena");
  }
  thread.call_argument = offered.argument;
  thread.call_size = size;
  thread.call_result = offered.result;
  thread.call_room = room;
  if (!put_user(next, NextCall{offered.index, size, room})) return -EFAULT;
  if (size > input_room) return -E2BIG;
  if (size == 0) return 0;
  const UserBytes place = user_bytes(input, size, true);
  if (!place.ok) return -EFAULT;
  std::memcpy(place.bytes.data(), reinterpret_cast<const void*>(offered.argument), size);
  return 0;
}

// Copies the result of the call being served out to where the host said, once: how much, or -EFAULT.
std::int64_t give_result(const PreviousCall& previous) {
  const ThreadControl& thread = current_thread();
  const std::uint64_t written = previous.written < thread.call_room ? previous.written : thread.call_room;
  if (written == 0) return 0;
  const UserBytes result = user_bytes(previous.output, written, false);
  if (!result.ok) return -EFAULT;
  std::memcpy(reinterpret_cast<void*>(thread.call_result), result.bytes.data(), written);
  return static_cast<std::int64_t>(written);
}

// Answers the previous call and waits for the next. The wait itself is entry.S's, between this and coffer_take_call().
std::int64_t sys_next_call(const Arguments& c) {
  // Handlers run before the wait, which no signal ends; then the call is made again.
  if (signals::interrupted()) return -EINTR;
  PreviousCall previous;
  if (!get_user(c.a[0], &previous)) return -EFAULT;
  const std::int64_t written = give_result(previous);
  if (written < 0) return written;
  ThreadControl& thread = current_thread();
  thread.call_input = previous.input;
  thread.call_input_room = previous.room;
  thread.call_room = 0;
  thread.call_size = 0;
  thread.call_status = static_cast<std::uint64_t>(previous.status);
  thread.call_written = static_cast<std::uint64_t>(written);
  thread.call_leaves = 1;
  thread.serves_calls.store(true, std::memory_order_relaxed);
  return 0;
}

// The host's answer to a call out: its end, or a call that comes in meanwhile.
std::int64_t settle(bool called, const Answer& answer, std::uint64_t at, HostCall& call, std::uint64_t next) {
  ThreadControl& thread = current_thread();
  if (called) {
    call.kept_result = thread.call_result;
    call.kept_room = thread.call_room;
    if (!put_user(at, call)) return -EFAULT;
    const OfferedCall offered{static_cast<std::uint64_t>(answer.result), answer.extra[0], answer.extra[1],
                              answer.extra[2]};
    const std::int64_t taken = take_call(offered, call.nested_input, call.nested_room, next);
    return taken == 0 ? static_cast<std::int64_t>(kNested) : taken;
  }
  if (answer.extra[0] > call.output_room) panic("the host says that it wrote more than it was given room for");
  call.status = answer.result;
  call.written = answer.extra[0];
  return put_user(at, call) ? 0 : -EFAULT;
}

std::int64_t sys_host_call(const Arguments& c) {
  HostCall call;
  if (!get_user(c.a[0], &call)) return -EFAULT;
  if (call.input_size > kMostBytes || call.output_room > kMostBytes) return -EINVAL;
  if (!in_host_memory(call.input, call.input_size) || !in_host_memory(call.output, call.output_room)) return -EFAULT;
  Answer answer{};
  const bool called = call_host_or_be_called(Request::kHostCall, call.index, call.input,
                                             call.input_size | call.output_room << 32, call.output, &answer);
  return settle(called, answer, c.a[0], call, c.a[1]);
}

std::int64_t sys_nested_return(const Arguments& c) {
  PreviousCall previous;
  HostCall call;
  if (!get_user(c.a[0], &previous) || !get_user(c.a[1], &call)) return -EFAULT;
  if (!in_host_memory(call.kept_result, call.kept_room)) return -EFAULT;
  const std::int64_t written = give_result(previous);
  if (written < 0) return written;
  ThreadControl& thread = current_thread();
  thread.call_result = call.kept_result;
  thread.call_room = call.kept_room;
  thread.call_size = 0;
  Answer answer{};
  const bool called = call_host_or_be_called(Request::kNestedReturn, static_cast<std::uint64_t>(previous.status),
                                             static_cast<std::uint64_t>(written), 0, 0, &answer);
  return settle(called, answer, c.a[1], call, c.a[2]);
}

// More of the argument of the call that came last: of what next_call had no room for.
std::int64_t sys_call_input(const Arguments& c) {
  const ThreadControl& thread = current_thread();
  if (!range_fits(c.a[0], c.a[2], thread.call_size)) return -EINVAL;
  const UserBytes place = user_bytes(c.a[1], c.a[2], true);
  if (!place.ok) return -EFAULT;
  if (c.a[2] != 0) {
    std::memcpy(place.bytes.data(), reinterpret_cast<const void*>(thread.call_argument + c.a[0]), c.a[2]);
  }
  return 0;
}

std::int64_t sys_shared_memory(const Arguments& c) {
  constexpr std::uint64_t kRelease = 1;
  constexpr std::uint64_t kAlignment = 16;
  if (c.a[0] == kRelease) {
    call_host(Request::kUnshareMemory, c.a[1]);
    return 0;
  }
  if (c.a[0] != 0 || c.a[1] == 0 || c.a[1] > kMostBytes) return -EINVAL;
  const Answer answer = call_host(Request::kShareMemory, c.a[1]);
  if (answer.result != 0) return -ENOMEM;
  const std::uint64_t address = answer.extra[0];
  if (address == 0 || address % kAlignment != 0 || !in_host_memory(address, c.a[1])) {
    panic("the host gave memory that it cannot share");
  }
  return put_user(c.a[2], address) ? 0 : -EFAULT;
}

std::int64_t sys_ranges(const Arguments& c) {
  const Ranges ranges{enclave_base(),
                      layout().size,
                      arena().base,
                      arena().size,
                      is_debug_enclave() ? 1U : 0U,
                      layout().thread_count - boundary::kServiceThreads};
  return put_user(c.a[0], ranges) ? 0 : -EFAULT;
}

// Where the thread says what a debugger of the host's process is to see of its calls: nothing is kept from that of a
// DEBUG enclave. 0 for any other.
std::int64_t sys_debugger_frames(const Arguments& c) {
  boundary::ExchangeArea* area = is_debug_enclave() ? current_thread().exchange : nullptr;
  const std::uint64_t address = area == nullptr ? 0 : reinterpret_cast<std::uint64_t>(boundary::debugger_frames(area));
  return put_user(c.a[0], address) ? 0 : -EFAULT;
}

// What the threads of a DEBUG enclave have in their registers, for whoever looks for pointers (enclave/sdk/sanitizer/).
struct ThreadRegisters {
  std::uint64_t thread_id, rsp;  // rsp 0: the thread is not in a system call, and its registers are its own
  std::uint64_t kept[6];         // RBX, RBP, R12 to R15
};

std::int64_t sys_threads(const Arguments& c) {
  if (!is_debug_enclave()) return -EPERM;
  std::uint64_t count = 0;
  for (std::uint32_t i = 0; i + boundary::kServiceThreads < layout().thread_count; ++i) {
    const ThreadControl& thread = thread_block(i);
    if (thread.state.load() == ThreadState::kFree || &thread == &current_thread()) continue;
    ThreadRegisters registers{.thread_id = thread.thread_id, .rsp = 0, .kept = {}};
    // The frame stands on a kernel stack, which is there for good; what it holds may be over while it is read, so
    // whoever asks takes it for a hint.
    const SyscallFrame* frame = __atomic_load_n(&thread.frame, __ATOMIC_ACQUIRE);
    if (frame != nullptr) {
      registers = {
          thread.thread_id, frame->rsp, {frame->rbx, frame->rbp, frame->r12, frame->r13, frame->r14, frame->r15}};
    }
    if (count < c.a[1] && !put_user(c.a[0] + count * sizeof(registers), registers)) return -EFAULT;
    ++count;
  }
  return static_cast<std::int64_t>(count);
}

constexpr SyscallEntry kTable[] = {
    {0xf003, "coffer_next_call", "previous, next", sys_next_call,
     "index: any; buffers: must lie in host memory; size: bounded by the caller's room"},
    {0xf007, "coffer_host_call", "call, next", sys_host_call,
     "status: any; length: bounded by the room; or a nested call, checked as coffer_next_call's"},
    {0xf008, "coffer_nested_return", "previous, call, next", sys_nested_return, "as coffer_host_call"},
    {0xf009, "coffer_call_input", "offset, destination, size", sys_call_input,
     "the bytes of the argument, from the place that was checked when it came"},
    {0xf00a, "coffer_shared_memory", "operation, address_or_size, place", sys_shared_memory,
     "address: must lie in host memory, with the whole size; or an error"},
    {0xf00b, "coffer_ranges", "ranges", sys_ranges, ""},
    {0xf00c, "coffer_debugger_frames", "address", sys_debugger_frames, ""},
    {0xf00d, "coffer_threads", "registers, count", sys_threads, ""},
};

}  // namespace

// From entry.S: the host has entered with a call. What it says is in the registers: once read, once checked.
extern "C" std::int64_t coffer_take_call(const SyscallFrame* frame, std::uint64_t index, std::uint64_t argument,
                                         std::uint64_t sizes, std::uint64_t result, std::uint64_t command) {
  check_return(command);
  ThreadControl& thread = current_thread();
  thread.serves_calls.store(false, std::memory_order_relaxed);
  return take_call({index, argument, sizes, result}, thread.call_input, thread.call_input_room, frame->rsi);
}

std::span<const SyscallEntry> call_syscalls() { return kTable; }

}  // namespace coffer::kernel
