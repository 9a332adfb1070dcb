// Monotonic counters of the platform, as the enclave kernel asks for them (Request::kCounter) and the vault answers.
// Freestanding; both sides include it.
//
// Question and answer travel in registers through whoever carries the enclave. The answer is authenticated: a CMAC
// under the asking enclave's report key with the key id below, which only the enclave and the platform can derive, over
// the question, a nonce of the enclave's, and the result. So a carrier can lose an answer, not make or repeat one.
#pragma once

#include <array>
#include <cstdint>

#include "sgx/arch.h"

namespace coffer::boundary {

enum class CounterOperation : std::uint64_t {
  kCreateForEnclave = 1,  // result value: the new counter's id. For this MRENCLAVE alone.
  kCreateForSigner = 2,   // ... for every enclave of this MRSIGNER and product, of this SVN or a higher one.
  kRead = 3,              // result value: the counter's
  kIncrement = 4,         // result value: the counter's, one higher than before, and on the disk
  kDestroy = 5,
};

struct CounterQuestion {
  CounterOperation operation = CounterOperation::kRead;
  std::uint64_t id = 0;  // 0 for creating
  std::array<std::uint64_t, 2> nonce{};
};

struct CounterAnswer {
  std::int64_t result = 0;  // 0, or a negative errno: ENOENT (none, or another's), ENOSPC, EOVERFLOW, EUCLEAN, EIO
  std::uint64_t value = 0;
  std::array<std::uint64_t, 2> mac{};
};

// What the MAC covers.
struct CounterStatement {
  std::array<char, 16> label = {'c', 'o', 'f', 'f', 'e', 'r', ' ', 'c', 'o', 'u', 'n', 't', 'e', 'r', ' ', '1'};
  CounterQuestion question;
  std::int64_t result = 0;
  std::uint64_t value = 0;
};
static_assert(sizeof(CounterStatement) == 64);

// The report key's id for answers: no report is ever made under it, since EREPORT takes a random one.
inline constexpr sgx::Bytes<32> kCounterKeyId = {'c', 'o', 'f', 'f', 'e', 'r', ' ', 'c', 'o', 'u', 'n',
                                                 't', 'e', 'r', ' ', 'a', 'n', 's', 'w', 'e', 'r', 's'};

}  // namespace coffer::boundary
