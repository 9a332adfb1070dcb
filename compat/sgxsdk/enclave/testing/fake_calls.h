// <coffer/calls.h> without an enclave, for tests: shared memory is malloc()'s, and the host is a function of the
// test's.
#pragma once

#include <coffer/calls.h>

#include <functional>

namespace coffer::sgxsdk::testing {

// What answers OCALLs. Not thread-safe, like the rest here.
extern std::function<calls::HostAnswer(std::uint64_t index, std::span<const std::byte> input, std::span<std::byte>)>
    host;

// Pieces of shared memory that were given out and not released; and whether there is any left to give.
extern int shared_pieces;
extern bool shared_memory_left;

}  // namespace coffer::sgxsdk::testing
