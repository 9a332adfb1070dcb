// Threads that wait until some file's state changes: pipes, event counters, file locks, poll(). One queue for all of
// them, because such waits are rare and a wake-up too many only costs another look. Freestanding; thread-safe.
//
//   for (;;) {
//     const auto ticket = change_ticket();
//     if (condition()) break;
//     wait_for_change(ticket, boundary::kNoTimeout);
//   }
#pragma once

#include <cstdint>

namespace coffer::kernel::fs {

// How to find the calling thread's TCS index, which kUnpark wants. Without it waiters look again every millisecond.
void use_thread_index(std::uint32_t (*current_thread_index)());

std::uint64_t change_ticket();
// Returns when announce_change() was called after the ticket was taken, after `timeout_ns`, or for no reason at all.
void wait_for_change(std::uint64_t ticket, std::uint64_t timeout_ns);
// To be called after the change, with no spin lock held.
void announce_change();

}  // namespace coffer::kernel::fs
