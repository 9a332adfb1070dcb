// Monotonic counters that the platform keeps: how an enclave knows that what it unseals is the newest. Link
// Coffer::enclave.
//
// A counter is its owner's alone: the enclave's (MRENCLAVE), or its signer's enclaves' with the same product id and at
// least the SVN of the one that made it; a debug enclave's are not a production enclave's. An increment is on the disk
// when it returns. What a counter is worth on software rungs: whoever can write the platform's state directory can put
// all of it back to an older state, counters included (docs/design/counters.md). An increment takes milliseconds.
//
// State that cannot be rolled back: store first, with the value that is to come, and count after.
//
//   const auto now = counter.read();
//   store(*coffer::seal(state_with_number(*now + 1)));
//   counter.increment();
//   // When it is read: number == *counter.read(). One more, where the increment was cut off: make up for it.
//   // Anything else is an old state.
//
// Thread-safe.
#pragma once

#include <coffer/outcome.h>

#include <cstdint>

namespace coffer {

enum class CounterOwner : std::uint8_t { kEnclave, kSigner };

class MonotonicCounter {
 public:
  // A new one, at 0. kExhausted: 64 of one owner, 1024 of the platform. kOutside: also where the platform keeps none.
  //
  //   const auto counter = coffer::MonotonicCounter::create(coffer::CounterOwner::kSigner);
  //   store(counter->id());
  [[nodiscard]] static Outcome<MonotonicCounter> create(CounterOwner owner = CounterOwner::kEnclave);
  // One that was made before. Nothing is asked until it is used.
  explicit MonotonicCounter(std::uint64_t id) : id_(id) {}

  // Not secret: others cannot use it.
  [[nodiscard]] std::uint64_t id() const { return id_; }

  // kNotFound: none, destroyed, or not this enclave's. kRefused: the answer was not the platform's. kDamaged.
  [[nodiscard]] Outcome<std::uint64_t> read() const;
  // The new value.
  [[nodiscard]] Outcome<std::uint64_t> increment() const;
  // Its number is never used again.
  [[nodiscard]] Outcome<void> destroy() const;

 private:
  std::uint64_t id_;
};

}  // namespace coffer
