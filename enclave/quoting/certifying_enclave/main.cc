// The certifying enclave: serves CertifierCall (enclave/quoting/messages.h).
#include <coffer/calls.h>

#include "enclave/quoting/certifier.h"
#include "enclave/quoting/serving.h"

namespace {

using namespace coffer::quoting;  // NOLINT(google-build-using-namespace): this program is nothing else

std::int64_t handle(void* /*context*/, coffer::calls::IncomingCall& call) {
  switch (static_cast<CertifierCall>(call.index)) {
    case CertifierCall::kTarget:
      return answer<Nothing, coffer::sgx::TargetInfo>(
          call, [](const Nothing&, coffer::sgx::TargetInfo& target) { return certifier_target(target); });
    case CertifierCall::kPublicKey:
      return answer<KeyOrder, Point>(call, certifier_public_key);
    case CertifierCall::kCertify:
      return answer<CertifyOrder, Signature>(call, certify);
  }
  return static_cast<std::int64_t>(Status::kMalformed);
}

}  // namespace

int main() { coffer::calls::serve(handle, nullptr, 1); }
