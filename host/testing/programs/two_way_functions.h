// What the program two_way and its tests say to each other.
#pragma once

#include <cstddef>
#include <cstdint>

namespace coffer::host::testing::two_way {

// ECALLs.
enum Function : std::uint64_t {
  kForward,     // gives its input to kEcho and what came back to the caller; status: kEcho's
  kDescend,     // an 8-byte number n: 0 ends, else kDescendOutside with n - 1 and one more than what came of that
  kFromThread,  // as kForward, from a thread that it starts
  kShare,       // memory of the input's size, filled with kFill; kLook has its address; status: kLook's
  kRanges,      // status: 0, or which look at where memory lies was wrong
  kLost,        // a host call without memory that the host reaches; status: 0 where it was refused
  kLeak,        // says that it wrote all of its output, and wrote nothing
  kNest,        // status: the host call that it is nested in, or -1
  kSwitchless,  // an 8-byte number: so many times kAdd, without leaving; status: their sum, or -1
  kDepthFirst,  // takes blocks in the order of a stack around host calls; status: 0
};
// OCALLs.
enum HostFunction : std::uint64_t { kEcho = 100, kDescendOutside, kLook, kThrow, kAskNest, kAdd };

inline constexpr std::byte kFill{0x3c};
inline constexpr std::byte kMask{0xa5};  // kEcho changes every byte by it

}  // namespace coffer::host::testing::two_way
