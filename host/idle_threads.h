// Which threads of an enclave wait for a call: taken and given back without a lock, for a call costs less than one.
//
// A word holds 63 threads and a mark that somebody waits for one, so that giving a thread back tells whom it concerns
// by one operation, which is also its last access: whoever waits until no thread is out may then destroy the object.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <optional>
#include <vector>

namespace coffer::host {

// Thread-safe.
class IdleThreads {
 public:
  explicit IdleThreads(std::uint32_t count) : words_((count + kThreads - 1) / kThreads) {}

  // The lowest one; nothing where all are busy.
  [[nodiscard]] std::optional<std::uint32_t> take() {
    for (std::uint32_t i = 0; i < words_.size(); ++i) {
      std::uint64_t word = words_[i].load(std::memory_order_relaxed);
      while ((word & ~kWaited) != 0) {
        const auto bit = static_cast<std::uint32_t>(std::countr_zero(word));
        if (words_[i].compare_exchange_weak(word, word & ~(std::uint64_t{1} << bit))) return i * kThreads + bit;
      }
    }
    return std::nullopt;
  }
  // True where somebody said so by announce_waiter(): to be told.
  [[nodiscard]] bool give(std::uint32_t thread) {
    return (words_[thread / kThreads].fetch_or(std::uint64_t{1} << thread % kThreads) & kWaited) != 0;
  }
  // Before a look whether there is one: each give() from then on says that somebody waits.
  void announce_waiter() {
    for (auto& word : words_) word.fetch_or(kWaited);
  }
  void no_waiter() {
    for (auto& word : words_) word.fetch_and(~kWaited);
  }
  [[nodiscard]] std::uint32_t count() const {
    int count = 0;
    for (const auto& word : words_) count += std::popcount(word.load() & ~kWaited);
    return static_cast<std::uint32_t>(count);
  }

 private:
  static constexpr std::uint32_t kThreads = 63;
  static constexpr std::uint64_t kWaited = std::uint64_t{1} << kThreads;
  std::vector<std::atomic<std::uint64_t>> words_;
};

}  // namespace coffer::host
