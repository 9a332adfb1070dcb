// The one place where threads wait: for the state of some file inside to change (pipes, event counters, file locks),
// for the host (sockets, standard input), or for both at once. One queue for all of them, because a wake-up too many
// only costs another look. Freestanding; thread-safe.
//
//   for (;;) {
//     const auto ticket = change_ticket();
//     if (condition()) break;
//     if (wait_interrupted()) return error(EINTR);
//     wait_for_change(ticket, boundary::kNoTimeout);
//   }
#pragma once

#include <cstdint>

#include "boundary/calls.h"
#include "enclave/kernel/core/kernel.h"

namespace coffer::kernel::fs {

// How to find the calling thread's TCS index, which kUnpark wants. Without it waiters look again every millisecond.
void use_thread_index(std::uint32_t (*current_thread_index)());

// Whether the calling thread has something more urgent to do than to wait (a signal): waits then return at once, and
// calls that wait answer EINTR. Without it nothing ever is.
void use_interruption(bool (*interrupted)());
bool wait_interrupted();

std::uint64_t change_ticket();
// Returns when announce_change() was called after the ticket was taken, after `timeout_ns`, or for no reason at all.
void wait_for_change(std::uint64_t ticket, std::uint64_t timeout_ns);
// To be called after the change, with no spin lock held.
void announce_change();

// A request that waits in the host. It ends early, with -EINTR, for wake_thread(), and where `ticket` is given for
// announce_change() too. The arguments are in the exchange area before.
Answer waiting_request(const std::uint64_t* ticket, boundary::Request request, std::uint64_t a = 0, std::uint64_t b = 0,
                       std::uint64_t c = 0, std::uint64_t d = 0);

// Ends the wait of thread `index`, wherever it waits in one of the ways above: it looks again. Whoever interrupts says
// so first in what `interrupted` looks at.
void wake_thread(std::uint32_t index);

}  // namespace coffer::kernel::fs
