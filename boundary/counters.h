// What runs an enclave counts for the people who operate it (freestanding). Each block has one writer and stands on
// cache lines of its own, so that counting costs a load and a store of the writer's own line. All are counts since the
// start and only grow.
//
// The host reads them and believes nothing: a wrong count is a wrong number on a screen.
#pragma once

#include <atomic>
#include <cstdint>

namespace coffer::boundary {

// Written by whoever performs EENTER for one thread; in the arena on the rung `process`.
struct alignas(64) CarrierCounters {
  std::atomic<std::uint64_t> entries;               // EENTER and ERESUME
  std::atomic<std::uint64_t> exceptions;            // asynchronous exits because of a fault or a trapped system call
  std::atomic<std::uint64_t> interrupts;            // asynchronous exits for no reason of the enclave's
  std::atomic<std::uint64_t> trapped_system_calls;  // of the exceptions, those that a `syscall` instruction raised
  std::atomic<std::uint64_t> local_requests;        // requests that the carrier served itself
};
static_assert(sizeof(CarrierCounters) == 64);

// Written by the enclave kernel for one thread, behind its exchange area: only when the thread leaves the enclave
// anyway, and every kPublishEvery-th system call, so that a host that watches the line learns no more than rates.
struct alignas(64) KernelCounters {
  std::atomic<std::uint64_t> system_calls;  // served, trapped or not
};
inline constexpr std::uint64_t kPublishEvery = 1024;

// The protected memory of one enclave. Pages of 4096 bytes.
struct EpcCounters {
  std::uint64_t total_pages;        // what the enclave may hold at once
  std::uint64_t used_pages;         // that hold something now
  std::uint64_t added_later_pages;  // EAUG, since the start
  std::uint64_t outside_pages;      // written out and encrypted now
  std::uint64_t evictions;          // EWB, since the start
  std::uint64_t reloads;            // ELDU and ELDB, since the start
};

// For the one writer of a counter.
inline void count(std::atomic<std::uint64_t>& counter, std::uint64_t more = 1) {
  counter.store(counter.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
}

}  // namespace coffer::boundary
