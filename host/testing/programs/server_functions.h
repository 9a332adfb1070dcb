// The functions of server.cc, as the program inside serves and its test calls them.
#pragma once

#include <cstdint>

namespace coffer::host::testing::server {

enum Function : std::uint64_t {
  kEcho = 0,
  kCount = 1,
  kThrow = 2,
  kExit = 3,
  kTooMuch = 4,
  kLoop = 5,
  kEnd = 6,
  kRoom = 7,
  kArithmetic = 8
};

}  // namespace coffer::host::testing::server
