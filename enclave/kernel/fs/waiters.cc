#include "enclave/kernel/fs/waiters.h"

#include <algorithm>
#include <array>
#include <atomic>

#include "enclave/kernel/core/kernel.h"
#include "enclave/kernel/core/locks.h"

namespace coffer::kernel::fs {

namespace {

using boundary::Request;

// Threads above this number look again every millisecond, as all do where their numbers are not known.
constexpr std::size_t kMaxSleepers = 1024;
constexpr std::uint64_t kLookAgain = 1'000'000;

constinit std::atomic<std::uint32_t (*)()> thread_index{nullptr};
constinit std::atomic<std::uint64_t> changes{0};
constinit std::atomic<std::uint32_t> sleeper_count{0};
constinit std::array<std::atomic<bool>, kMaxSleepers> sleeping{};

}  // namespace

void use_thread_index(std::uint32_t (*current_thread_index)()) { thread_index.store(current_thread_index); }

std::uint64_t change_ticket() { return changes.load(); }

void wait_for_change(std::uint64_t ticket, std::uint64_t timeout_ns) {
  const auto index_of_current = thread_index.load();
  const std::size_t index = index_of_current != nullptr ? index_of_current() : kMaxSleepers;
  if (index >= kMaxSleepers) {
    if (changes.load() == ticket) call_host(Request::kPark, std::min(timeout_ns, kLookAgain));
    return;
  }
  // The order matters (all sequentially consistent): first be seen, then look; announce_change() first changes, then
  // looks for sleepers. One of the two sees the other.
  sleeping[index].store(true);
  sleeper_count.fetch_add(1);
  if (changes.load() == ticket) call_host(Request::kPark, timeout_ns);
  sleeping[index].store(false);
  sleeper_count.fetch_sub(1);
}

void announce_change() {
  changes.fetch_add(1);
  if (sleeper_count.load() == 0) return;
  for (std::size_t index = 0; index < kMaxSleepers; ++index) {
    if (sleeping[index].load()) call_host(Request::kUnpark, index);
  }
}

}  // namespace coffer::kernel::fs
