// The functions of trusted.cc, as the program inside serves and its test calls them.
#pragma once

#include <cstdint>

namespace coffer::host::testing::trusted {

enum Function : std::uint64_t {
  kSeal = 0,
  kUnseal = 1,
  kCreateCounter = 2,
  kReadCounter = 3,
  kIncrementCounter = 4,
  kDestroyCounter = 5,
  kStart = 6,
  kRespond = 7,
  kFinishInitiator = 8,
  kFinishResponder = 9,
  kSend = 10,
  kReceive = 11,
  kIdentity = 12,
};

}  // namespace coffer::host::testing::trusted
