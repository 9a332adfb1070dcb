// Serving calls of the host and calling it. One thread waits; when it takes a call and no other waits, one more begins.
#include <coffer/calls.h>
#include <coffer/enclave.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <system_error>
#include <thread>

#include "enclave/sdk/calls/call_frames.h"
#include "enclave/sdk/calls/ranges.h"
#include "enclave/sdk/calls/switchless.h"

namespace coffer::calls {

namespace {

using detail::NextCall;
using detail::PreviousCall;

struct HostCall {  // enclave/kernel/syscalls/calls.cc
  std::uint64_t index, input, input_size, output, output_room;
  std::int64_t status;
  std::uint64_t written;
  std::uint64_t nested_input, nested_room;
  std::uint64_t kept_result, kept_room;
};

constexpr std::size_t kFirstRoom = 4096;                 // of an argument that comes with the call
constexpr std::size_t kMostKept = std::size_t{4} << 20;  // bytes of a buffer that stay for the next call
// As buffers in blocks have it: a copy whose ends lie 16 bytes apart in their pages takes twice as long.
constexpr std::size_t kAlignment = 64;
constexpr long kNested = 1;

std::uint64_t number(const void* memory) { return reinterpret_cast<std::uint64_t>(memory); }

// Memory for arguments or results: grows to what a call needs, and shrinks again after the unusual ones.
class Buffer {
 public:
  // nullptr where there is no memory. What it held is gone.
  std::byte* at_least(std::size_t size) {
    if (size <= size_) return memory_.get();
    size = (size + kAlignment - 1) & ~(kAlignment - 1);
    memory_.reset(size == 0 ? nullptr : static_cast<std::byte*>(std::aligned_alloc(kAlignment, size)));
    size_ = memory_ == nullptr ? 0 : size;
    return memory_.get();
  }
  void shrink() {
    if (size_ <= kMostKept) return;
    memory_.reset();
    size_ = 0;
  }
  [[nodiscard]] std::byte* data() const { return memory_.get(); }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  std::size_t size_ = 0;
};

struct Server {
  CallFunction function = nullptr;
  void* context = nullptr;
  std::uint32_t most_threads = 1;
  OutputMemory output = OutputMemory::kZeroed;
  std::atomic<std::uint32_t> threads{1}, waiting{0};
};
Server server;

// The host calls that this thread waits in, the innermost first.
struct Waiting {
  std::uint64_t index;
  const Waiting* outer;
};
thread_local const Waiting* innermost = nullptr;

// One place on the thread's stack that serves calls: its main loop, or a host call.
class Desk {
 public:
  // Nothing to say yet. Where there is no memory for arguments that come with a call, they are fetched.
  [[nodiscard]] PreviousCall begin() {
    (void)input_.at_least(kFirstRoom);
    return {0, 0, 0, number(input_.data()), input_.size()};
  }
  // Serves what the kernel has brought: `got` is what it answered, 0 or -E2BIG where the argument is still to be
  // fetched. What is to be said of it next.
  [[nodiscard]] PreviousCall serve(long got, const NextCall& next) {
    std::int64_t status = kNoMemory;
    IncomingCall call{.index = next.index, .input = {}, .output = {}};
    if (innermost != nullptr) call.nested_in = innermost->index;
    output_.shrink();
    if (server.function == nullptr) {
      status = kNotServing;
    } else if (fetch(got, next, call) && make_room(next, call)) {
      if (!serve_switchless(server.function, server.context, call, &status)) {
        serve_in_frame([&] { status = server.function(server.context, call); });
      }
    }
    input_.shrink();
    PreviousCall answer = begin();
    answer.status = status;
    answer.output = number(call.output.data());
    answer.written = call.written < call.output.size() ? call.written : call.output.size();
    return answer;
  }

 private:
  bool fetch(long got, const NextCall& next, IncomingCall& call) {
    if (got == -E2BIG) {
      std::byte* place = input_.at_least(next.input_size);
      if (place == nullptr) return false;
      got = detail::enclave_call(detail::kCallInput, 0, detail::address(place), static_cast<long>(next.input_size));
    }
    if (got != 0) return false;
    call.input = {input_.data(), static_cast<std::size_t>(next.input_size)};
    return true;
  }
  bool make_room(const NextCall& next, IncomingCall& call) {
    const auto room = static_cast<std::size_t>(next.output_room);
    if (room == 0) return true;
    std::byte* place = output_.at_least(room);
    if (place == nullptr) return false;
    if (server.output == OutputMemory::kZeroed) std::memset(place, 0, room);
    call.output = {place, room};
    return true;
  }
  Buffer input_, output_;
};

void start_one_more();

[[noreturn]] void serve_here() {
  Desk desk;
  PreviousCall previous = desk.begin();
  while (true) {
    NextCall next{};
    server.waiting.fetch_add(1);
    const long got = detail::next_call(detail::address(&previous), detail::address(&next));
    if (server.waiting.fetch_sub(1) == 1) start_one_more();
    previous = desk.serve(got, next);
  }
}

void start_one_more() {
  if (server.threads.load(std::memory_order_relaxed) >= server.most_threads) return;
  if (server.threads.fetch_add(1) >= server.most_threads) {
    server.threads.fetch_sub(1);
    return;
  }
  try {
    std::thread(serve_here).detach();
  } catch (const std::system_error&) {
    server.threads.fetch_sub(1);  // the TCSes are taken: those that serve go on alone
  }
}

// Leaves with the call, and serves those that come meanwhile. What the kernel says of its end.
long leave(HostCall& call) {
  NextCall next{};
  long got = detail::enclave_call(detail::kHostCall, detail::address(&call), detail::address(&next));
  if (got != kNested && got != -E2BIG) return got;
  const Waiting here{call.index, innermost};
  innermost = &here;
  Desk desk;
  while (got == kNested || got == -E2BIG) {
    const PreviousCall previous = desk.serve(got == kNested ? 0 : got, next);
    got = detail::enclave_call(detail::kNestedReturn, detail::address(&previous), detail::address(&call),
                               detail::address(&next));
  }
  innermost = here.outer;
  return got;
}

}  // namespace

void serve(CallFunction function, void* context, std::uint32_t most_threads, OutputMemory output) {
  server.output = output;
  server.function = function;
  server.context = context;
  server.most_threads = most_threads;
  serve_here();
}

Outcome<HostAnswer> call_host(std::uint64_t index, std::span<const std::byte> input, std::span<std::byte> output) {
  if (memory_ranges().size == 0) return EnclaveError::kOutside;
  HostCall call{.index = index,
                .input = number(input.data()),
                .input_size = input.size(),
                .output = number(output.data()),
                .output_room = output.size(),
                .status = 0,
                .written = 0,
                .nested_input = 0,
                .nested_room = 0,
                .kept_result = 0,
                .kept_room = 0};
  long got = 0;
  leave_in_frame([&] { got = leave(call); });
  if (got != 0) return EnclaveError::kInvalid;
  return HostAnswer{call.status, static_cast<std::size_t>(call.written)};
}

}  // namespace coffer::calls
