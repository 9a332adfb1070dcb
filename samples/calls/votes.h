// What the two sides say to each other.
#pragma once

#include <cstddef>
#include <cstdint>

enum Function : std::uint64_t { kVote = 0, kResult = 1 };  // one byte, the choice; kChoices sums of 8 bytes
enum Status : long { kDone = 0, kRefused = 1 };
inline constexpr std::size_t kChoices = 3;
inline constexpr std::uint64_t kEnough = 10;
