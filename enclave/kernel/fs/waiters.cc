#include "enclave/kernel/fs/waiters.h"

#include <errno.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "enclave/kernel/core/kernel.h"

namespace coffer::kernel::fs {

namespace {

using boundary::Request;

// Threads above this number look again every millisecond, as all do where their numbers are not known.
constexpr std::size_t kMaxSleepers = 1024;
constexpr std::uint64_t kLookAgain = 1'000'000;

enum class Waiting : std::uint8_t {
  kNot,
  kParked,         // for a change
  kInHost,         // for the host alone
  kInHostOrChange  // for either
};

constinit std::atomic<std::uint32_t (*)()> thread_index{nullptr};
constinit std::atomic<bool (*)()> interruption{nullptr};
constinit std::atomic<std::uint64_t> changes{0};
constinit std::atomic<std::uint32_t> sleeper_count{0};  // of those that wait for changes
constinit std::array<std::atomic<Waiting>, kMaxSleepers> waiting{};

std::size_t current_index() {
  const auto index_of_current = thread_index.load();
  return index_of_current != nullptr ? index_of_current() : kMaxSleepers;
}

// Being seen as a waiter, from before the last look to after the wait. The order matters (all sequentially consistent):
// first be seen, then look; announce_change() first changes, then looks for waiters. One of the two sees the other.
class Seen {
 public:
  Seen(std::size_t index, Waiting how) : index_(index), for_change_(how != Waiting::kInHost) {
    waiting[index_].store(how);
    if (for_change_) sleeper_count.fetch_add(1);
  }
  ~Seen() {
    waiting[index_].store(Waiting::kNot);
    if (for_change_) sleeper_count.fetch_sub(1);
  }
  Seen(const Seen&) = delete;
  Seen& operator=(const Seen&) = delete;

 private:
  const std::size_t index_;
  const bool for_change_;
};

void wake(std::size_t index, Waiting how) {
  call_host(how == Waiting::kParked ? Request::kUnpark : Request::kWake, index);
}

}  // namespace

void use_thread_index(std::uint32_t (*current_thread_index)()) { thread_index.store(current_thread_index); }

void use_interruption(bool (*interrupted)()) { interruption.store(interrupted); }

bool wait_interrupted() {
  const auto interrupted = interruption.load();
  return interrupted != nullptr && interrupted();
}

std::uint64_t change_ticket() { return changes.load(); }

void wait_for_change(std::uint64_t ticket, std::uint64_t timeout_ns) {
  const std::size_t index = current_index();
  if (index >= kMaxSleepers) {
    if (changes.load() == ticket) call_host(Request::kPark, std::min(timeout_ns, kLookAgain));
    return;
  }
  const Seen seen(index, Waiting::kParked);
  if (changes.load() == ticket && !wait_interrupted()) call_host(Request::kPark, timeout_ns);
}

Answer waiting_request(const std::uint64_t* ticket, Request request, std::uint64_t a, std::uint64_t b, std::uint64_t c,
                       std::uint64_t d) {
  const std::size_t index = current_index();
  if (index >= kMaxSleepers) return call_host(request, a, b, c, d);
  const Seen seen(index, ticket != nullptr ? Waiting::kInHostOrChange : Waiting::kInHost);
  if ((ticket != nullptr && changes.load() != *ticket) || wait_interrupted()) return {-EINTR, {}};
  return call_host(request, a, b, c, d);
}

void announce_change() {
  changes.fetch_add(1);
  if (sleeper_count.load() == 0) return;
  for (std::size_t index = 0; index < kMaxSleepers; ++index) {
    const Waiting how = waiting[index].load();
    if (how == Waiting::kParked || how == Waiting::kInHostOrChange) wake(index, how);
  }
}

void wake_thread(std::uint32_t index) {
  if (index >= kMaxSleepers) return;
  if (const Waiting how = waiting[index].load(); how != Waiting::kNot) wake(index, how);
}

}  // namespace coffer::kernel::fs
