// Calls both ways, from inside: serving ECALLs on as many threads as are needed, and calling the host (OCALLs). Link
// Coffer::enclave. Generated code (`coffer edl`) stands on this; programs that want bytes alone can use it as it is.
//
// Everything that comes from the host has been copied in before it is seen here, but for memory that both sides reach:
// SharedBlock and allocate_shared(). What the host wrote there it can change at any time: copy it, once, then look.
#pragma once

#include <coffer/outcome.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace coffer::calls {

// A call from the host. `input` and `output` are the enclave's memory until the function returns.
struct IncomingCall {
  std::uint64_t index = 0;
  std::span<const std::byte> input;
  std::span<std::byte> output;
  std::size_t written = 0;  // to be set: how much of `output` goes to the host, from its beginning
  // The host call that the thread waits in, where the call came meanwhile: a nested one.
  std::optional<std::uint64_t> nested_in;
};
// The status for the host. Must not throw.
using CallFunction = std::int64_t (*)(void* context, IncomingCall& call);

// What a call gets for a status that no function has seen: no memory for what it brought, or for its result.
inline constexpr std::int64_t kNoMemory = -12;    // -ENOMEM
inline constexpr std::int64_t kNotServing = -38;  // -ENOSYS: a nested call, and the program has not begun to serve

// Serves calls on the calling thread, and, whenever all that serve are busy, on one more, up to `most_threads` of them.
// Does not return.
//
//   std::int64_t handle(void*, coffer::calls::IncomingCall& call) { ... }
//   int main() { coffer::calls::serve(handle, nullptr, 8); }
// What `output` holds at first: zeros, so that nothing of earlier calls goes out by mistake, or whatever was there, for
// functions that write all that they say they have written.
enum class OutputMemory : std::uint8_t { kZeroed, kUndefined };
[[noreturn]] void serve(CallFunction function, void* context, std::uint32_t most_threads,
                        OutputMemory output = OutputMemory::kZeroed);

struct HostAnswer {
  std::int64_t status = 0;  // the host's word: any value
  std::size_t written = 0;  // bytes of the output, at most its size
};
// Calls function `index` of the host. Both spans stand in memory that both sides reach; up to 4 GiB each. Calls that
// the host makes meanwhile into this thread are served before it returns. kInvalid: memory that the host cannot reach;
// kOutside.
[[nodiscard]] Outcome<HostAnswer> call_host(std::uint64_t index, std::span<const std::byte> input,
                                            std::span<std::byte> output);

// The same without leaving, where a worker of the host's looks for calls (Enclave::use_switchless); else as
// call_host(). For short functions that are called often: this thread waits by looking. Calls that the host makes
// meanwhile are not nested.
[[nodiscard]] Outcome<HostAnswer> call_host_switchless(std::uint64_t index, std::span<const std::byte> input,
                                                       std::span<std::byte> output);

// Memory that both sides reach, for the time of a call: a stack of this thread's, so the last made must go first.
class SharedBlock {
 public:
  // bytes().empty() where `size` is 0 or there is no memory left.
  explicit SharedBlock(std::size_t size);
  ~SharedBlock();
  SharedBlock(const SharedBlock&) = delete;
  SharedBlock& operator=(const SharedBlock&) = delete;
  [[nodiscard]] std::span<std::byte> bytes() const { return {begin_, size_}; }

 private:
  std::byte* begin_ = nullptr;
  std::size_t size_ = 0;
  bool own_ = false;  // not from the stack
};

// The same for longer, aligned to 16; nullptr where there is none left. Thread-safe.
[[nodiscard]] void* allocate_shared(std::size_t size);
void release_shared(void* memory);

// How many threads the image has, `main` among them: what serve() can be given. 0 outside an enclave.
[[nodiscard]] std::uint32_t image_threads();

// Where memory lies. Of no bytes every range is both; ranges that wrap are neither.
[[nodiscard]] bool within_enclave(const void* memory, std::size_t size);
[[nodiscard]] bool outside_enclave(const void* memory, std::size_t size);
// Outside, and such that the enclave may use it because the host says so: shared memory. Of a debug enclave, from which
// nothing is kept, all that is outside. False outside an enclave.
[[nodiscard]] bool in_shared_memory(const void* memory, std::size_t size);

}  // namespace coffer::calls
