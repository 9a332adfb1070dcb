// Call stacks, each kept once: of every block of the heap who allocated it and who freed it. Freestanding but for
// the memory, which the caller gives. Thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "enclave/sdk/sanitizer/lock.h"

namespace coffer::sanitizer {

// Places in the code, the innermost first, as offsets from where the program or its enclave begins.
struct CallStack {
  static constexpr std::size_t kMost = 24;
  std::array<std::uint32_t, kMost> frames{};
  std::uint32_t count = 0;

  [[nodiscard]] std::span<const std::uint32_t> view() const { return {frames.data(), count}; }
};

class StackDepot {
 public:
  using Id = std::uint32_t;  // 0: none
  constexpr StackDepot() = default;
  // `memory`, zeroed, is used from its beginning as far as it is needed.
  void use(std::span<std::uint32_t> memory) { memory_ = memory; }

  // The same stack has the same id. 0 where there is no room any more, and for an empty stack.
  [[nodiscard]] Id keep(std::span<const std::uint32_t> stack);
  // What was kept, for good.
  [[nodiscard]] std::span<const std::uint32_t> find(Id id) const;

 private:
  static constexpr std::uint32_t kBuckets = 1U << 16;
  // A record: [the next one's id | hash | count | frames].
  static constexpr std::uint32_t kNext = 0, kHash = 1, kCount = 2, kFrames = 3;
  [[nodiscard]] bool same(Id id, std::uint32_t hash, std::span<const std::uint32_t> stack) const;

  mutable Lock lock_;
  std::span<std::uint32_t> memory_;  // kBuckets ids, then records
  std::uint32_t used_ = kBuckets;
};

}  // namespace coffer::sanitizer
