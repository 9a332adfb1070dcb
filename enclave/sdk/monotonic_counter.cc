#include <coffer/monotonic_counter.h>

#include "enclave/sdk/platform.h"

namespace coffer {

using boundary::CounterOperation;
using sdk::platform::counter;

Outcome<MonotonicCounter> MonotonicCounter::create(CounterOwner owner) {
  const auto id = counter(
      owner == CounterOwner::kSigner ? CounterOperation::kCreateForSigner : CounterOperation::kCreateForEnclave, 0);
  if (!id) return id.error();
  return MonotonicCounter(*id);
}

Outcome<std::uint64_t> MonotonicCounter::read() const { return counter(CounterOperation::kRead, id_); }

Outcome<std::uint64_t> MonotonicCounter::increment() const { return counter(CounterOperation::kIncrement, id_); }

Outcome<void> MonotonicCounter::destroy() const {
  if (const auto done = counter(CounterOperation::kDestroy, id_); !done) return done.error();
  return {};
}

}  // namespace coffer
