// What the enclave kernel's parts need of its core: leaving the enclave, panics, the current thread.
// Freestanding. Hosted unit tests link enclave/kernel/testing/ instead of the core.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "boundary/calls.h"

namespace coffer::kernel {

// The answer to a request, straight from registers: untrusted.
struct Answer {
  std::int64_t result;     // RSI
  std::uint64_t extra[3];  // RDX, R8, R9
};

// Leaves the enclave with `request` and returns with the host's answer. Vector registers are saved, cleared and
// restored around it. May block; must not be called with a kernel spin lock held
// (only kRestrictPages, kTrimPages and kRemovePages are: pages and their bookkeeping change together).
Answer call_host(boundary::Request request, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0,
                 std::uint64_t d = 0);

// As call_host(), for requests that the host may answer with a call: true where it did (EnterCommand::kCall), the
// registers of which are in *answer then.
[[nodiscard]] bool call_host_or_be_called(boundary::Request request, std::uint64_t a, std::uint64_t b, std::uint64_t c,
                                          std::uint64_t d, Answer* answer);

// Panics where the host answered a request with anything but the command kReturn.
void check_return(std::uint64_t command);

// The current thread's exchange area (kExchangeSize bytes of untrusted memory that the host can change at any time):
// write arguments before call_host, copy results out once after it.
std::span<std::byte> exchange_area();

// Shows the host how many system calls this thread has made (boundary/counters.h says when).
void publish_counters();

// Ends the enclave: something that cannot be gone on with (corrupt state, a host that broke the protocol where no
// errno can say so, out of kernel memory). Prints `why` on the host's log first.
[[noreturn]] void panic(std::string_view why);

// One line on the host's log from any image. For what a user must know to go on; never a secret.
void log_always(std::string_view text);

// Logs one line through the host in debug images. Never put secrets in.
void debug_log(std::string_view text);
bool is_debug_enclave();

}  // namespace coffer::kernel
