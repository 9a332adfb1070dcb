// Waiting for what the host holds: sockets and the standard streams. Freestanding; thread-safe.
#pragma once

#include "boundary/network.h"
#include "enclave/kernel/fs/vfs.h"

namespace coffer::kernel::fs {

// Waits until one of `all` has one of its events, or an error or hang-up, and sets revents; events that were not asked
// for never come back. With `ticket`, ends for announce_change() too. How many have revents: 0 when the time is over.
// EINTR when something else ended the wait; EINVAL for more than the exchange area takes.
Expected<std::size_t> wait_for_host(std::span<boundary::HostWait> all, const std::uint64_t* ticket,
                                    std::uint64_t timeout_ns);

// The same for one handle: its revents, 0 when the time is over.
Expected<std::uint32_t> wait_for_handle(std::int32_t handle, std::uint32_t events, std::uint64_t timeout_ns);

}  // namespace coffer::kernel::fs
