// The quoting enclave: serves QuotingCall (enclave/quoting/messages.h).
#include <coffer/calls.h>

#include <new>
#include <vector>

#include "enclave/quoting/quoter.h"
#include "enclave/quoting/serving.h"

namespace {

using namespace coffer::quoting;  // NOLINT(google-build-using-namespace): this program is nothing else

std::int64_t quote(coffer::calls::IncomingCall& call) {
  std::vector<std::byte> made;
  const Status status = make_quote(call.input, made);
  if (status != Status::kDone) return static_cast<std::int64_t>(status);
  if (made.size() > call.output.size()) return static_cast<std::int64_t>(Status::kMalformed);
  std::memcpy(call.output.data(), made.data(), made.size());
  call.written = made.size();
  return 0;
}

std::int64_t handle(void* /*context*/, coffer::calls::IncomingCall& call) {
  try {
    switch (static_cast<QuotingCall>(call.index)) {
      case QuotingCall::kTarget:
        return answer<Nothing, coffer::sgx::TargetInfo>(
            call, [](const Nothing&, coffer::sgx::TargetInfo& target) { return quoting_target(target); });
      case QuotingCall::kMakeKey:
        return answer<coffer::sgx::TargetInfo, MadeKey>(call, make_key);
      case QuotingCall::kQuote:
        return quote(call);
    }
  } catch (const std::bad_alloc&) {
    return static_cast<std::int64_t>(Status::kSystem);
  }
  return static_cast<std::int64_t>(Status::kMalformed);
}

}  // namespace

int main() { coffer::calls::serve(handle, nullptr, 1); }
