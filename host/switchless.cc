#include "host/switchless.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>

#include "host/enclave_order.h"

namespace coffer::host {

using boundary::SlotState;
using boundary::SwitchlessQueue;
using boundary::SwitchlessSlot;

namespace {

// Calls are frequent where so many that find no worker come in so many nanoseconds. The clock costs as much as the rest
// of a call, so it is looked at once for all of them.
constexpr std::uint32_t kMisses = 8;
constexpr std::int64_t kFrequent = 400'000;
constexpr std::uint64_t kMostBytes = 0xffff'ffff;
constexpr std::uint32_t kMostWorkers = 64;

std::int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::uint32_t count_of(std::uint32_t wanted) {
  constexpr std::uint32_t kMostAutomatic = 4;
  if (wanted != Switchless::kAutomatic) return std::min(wanted, kMostWorkers);
  return std::clamp(std::thread::hardware_concurrency() / 4, 1U, kMostAutomatic);
}

std::uint64_t number(const void* memory) { return reinterpret_cast<std::uint64_t>(memory); }

}  // namespace

Workers::Workers(std::uint32_t count, std::function<void()> work) : work_(std::move(work)) {
  for (std::uint32_t i = 0; i < count; ++i) threads_.emplace_back([this] { run(); });
}

Workers::~Workers() { stop(); }

void Workers::run() {
  std::unique_lock guard(lock_);
  while (!stopping_) {
    guard.unlock();
    work_();
    guard.lock();
    ++asleep_;
    wake_.wait(guard, [this] { return stopping_ || wanted_ != 0; });
    --asleep_;
    if (wanted_ != 0) --wanted_;
  }
}

void Workers::missed() {
  if (threads_.empty() || misses_.fetch_add(1, std::memory_order_relaxed) % kMisses != kMisses - 1) return;
  const std::int64_t moment = now();
  if (moment - last_look_.exchange(moment, std::memory_order_relaxed) > kFrequent) return;
  {
    const std::scoped_lock guard(lock_);
    if (asleep_ <= wanted_) return;
    ++wanted_;
  }
  wake_.notify_one();
}

void Workers::stop() {
  {
    const std::scoped_lock guard(lock_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

SwitchlessService::SwitchlessService(std::byte* memory, const Switchless& workers, Links links)
    : links_(std::move(links)),
      ecalls_(new(memory) SwitchlessQueue{}),
      ocalls_(new(memory + sizeof(SwitchlessQueue)) SwitchlessQueue{}),
      looks_(std::max(workers.looks, 1U)) {
  host_workers_.emplace(count_of(workers.host_workers), [this] { serve_ocalls(); });
  enclave_workers_.emplace(count_of(workers.enclave_workers), [this] {
    const boundary::SwitchlessTurn turn{number(ecalls_), looks_};
    if (!stopping_) (void)links_.call(boundary::kSwitchlessServe, std::as_bytes(std::span(&turn, 1)), {});
  });
}

Result<void> SwitchlessService::begin() {
  const std::uint64_t queue = number(ocalls_);
  const auto told = links_.call(boundary::kSwitchlessUse, std::as_bytes(std::span(&queue, 1)), {});
  if (!told) return std::unexpected(told.error());
  if (told->status == 0) return {};
  return input_error("the program in the enclave does not serve switchless calls; it has to serve by <coffer/calls.h>");
}

bool SwitchlessService::somebody_looks() {
  if (ecalls_->awake.load(std::memory_order_relaxed) != 0) return true;
  enclave_workers_->missed();
  return false;
}

std::optional<CallResult> SwitchlessService::call(std::uint64_t index, std::span<const std::byte> input,
                                                  std::span<std::byte> output) {
  if (input.size() > kMostBytes || output.size() > kMostBytes) return std::nullopt;
  before_the_enclave(links_.enclave);
  SwitchlessSlot* slot =
      boundary::post(*ecalls_, index, number(input.data()), input.size() | output.size() << 32, number(output.data()));
  const auto yield = [this] {
    std::this_thread::yield();
    return stopping_.load() || links_.ended();
  };
  if (slot == nullptr || !boundary::await(*slot, yield)) {
    enclave_workers_->missed();
    return std::nullopt;
  }
  after_the_enclave(links_.enclave);
  const CallResult result{slot->status, std::min<std::uint64_t>(slot->written, output.size())};
  slot->state.store(SlotState::kFree, std::memory_order_release);
  return result;
}

void SwitchlessService::ocall_came() {
  // The enclave's count is a hint: what it says costs a wake-up at most.
  const std::uint32_t misses = ocalls_->misses.load(std::memory_order_relaxed);
  if (misses_seen_.exchange(misses, std::memory_order_relaxed) != misses) host_workers_->missed();
}

CallResult SwitchlessService::serve(const SwitchlessSlot& slot) {
  const volatile SwitchlessSlot& shared = slot;
  const std::uint64_t index = shared.index;
  const std::uint64_t input = shared.input;
  const std::uint64_t sizes = shared.sizes;
  const std::uint64_t output = shared.output;
  const std::uint64_t size = sizes & kMostBytes;
  const std::uint64_t room = sizes >> 32;
  if ((size != 0 && !links_.reaches(input, size)) || (room != 0 && !links_.reaches(output, room))) return {-EFAULT, 0};
  try {
    CallResult result = links_.answer(
        {index, {reinterpret_cast<const std::byte*>(input), size}, {reinterpret_cast<std::byte*>(output), room}});
    result.written = std::min<std::uint64_t>(result.written, room);
    return result;
  } catch (...) {  // there is no call() that it could come out of
    return {-ECANCELED, 0};
  }
}

void SwitchlessService::serve_ocalls() {
  ocalls_->awake.fetch_add(1);
  for (std::uint32_t looks = 0; looks < looks_ && !stopping_.load(std::memory_order_relaxed); ++looks) {
    SwitchlessSlot* slot = boundary::take(*ocalls_);
    if (slot == nullptr) {
      __builtin_ia32_pause();
      continue;
    }
    after_the_enclave(links_.enclave);
    const CallResult result = serve(*slot);
    before_the_enclave(links_.enclave);
    slot->status = result.status;
    slot->written = result.written;
    slot->state.store(SlotState::kDone, std::memory_order_release);
    looks = 0;
  }
  ocalls_->awake.fetch_sub(1);
}

void SwitchlessService::stop() {
  stopping_ = true;
  host_workers_->stop();
  enclave_workers_->stop();
}

}  // namespace coffer::host
