#include "enclave/sdk/testing/fake_platform.h"

#include <openssl/rand.h>

#include <cstring>
#include <map>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "enclave/sdk/platform.h"
#include "processor/keys.h"

namespace coffer::sdk {
namespace testing {
namespace {

std::optional<sgx::Secs> self;
const processor::KeyVault* vault = nullptr;
int requests = 0;

const processor::KeyVault& platform_number(int number) {
  static std::map<int, std::unique_ptr<processor::KeyVault>> platforms;
  auto& found = platforms[number];
  if (found == nullptr) found = std::make_unique<processor::KeyVault>(std::move(*processor::Fuses::ephemeral()));
  return *found;
}

// What the enclave kernel refuses before it asks the processor (syscalls/coffer.cc).
bool kss_is_needed(const sgx::KeyRequest& request) {
  return (request.key_policy & ~(sgx::key_policy::kMrEnclave | sgx::key_policy::kMrSigner)) != 0 ||
         request.config_svn != 0;
}

}  // namespace

sgx::Secs identity(std::uint8_t mrenclave, std::uint8_t mrsigner, std::uint16_t svn) {
  sgx::Secs secs;
  secs.attributes = {.flags = sgx::attribute::kInit | sgx::attribute::kMode64Bit, .xfrm = sgx::xfrm::kLegacy};
  secs.mrenclave.bytes.fill(mrenclave);
  secs.mrsigner.bytes.fill(mrsigner);
  secs.isv_svn = svn;
  return secs;
}

void become(const sgx::Secs& secs, int platform) {
  self = secs;
  vault = &platform_number(platform);
  requests = 0;
}
void leave() { self.reset(); }
int key_requests() { return requests; }

}  // namespace testing

namespace platform {

using testing::self;
using testing::vault;

Outcome<Key128> get_key(const sgx::KeyRequest& request) {
  if (!self) return EnclaveError::kOutside;
  ++testing::requests;
  if (testing::kss_is_needed(request) && (self->attributes.flags & sgx::attribute::kKss) == 0) {
    return EnclaveError::kInvalid;
  }
  processor::KeyOutcome outcome = vault->derive(*self, request);
  if (outcome.error == sgx::LeafError::kSuccess) return std::move(outcome.key);
  const bool too_high =
      outcome.error == sgx::LeafError::kInvalidIsvSvn || outcome.error == sgx::LeafError::kInvalidCpuSvn;
  return too_high ? EnclaveError::kDowngrade : EnclaveError::kInvalid;
}

Outcome<sgx::Report> make_report(const sgx::TargetInfo& target, const sgx::Bytes<64>& data) {
  if (!self) return EnclaveError::kOutside;
  return vault->report(*self, target, data);
}

bool check_report(const sgx::Report& report) {
  sgx::KeyRequest request;
  request.key_name = static_cast<std::uint16_t>(sgx::KeyName::kReport);
  request.key_id = report.key_id;
  const auto key = get_key(request);
  if (!key) return false;
  std::array<std::byte, 16> mac{};
  processor::cmac_aes128(*key, bytes_of(report.body), mac);
  return equal_in_constant_time(mac, std::as_bytes(std::span(report.mac)));
}

Outcome<sgx::ReportBody> own_identity() {
  const auto made = make_report({}, {});
  if (!made) return made.error();
  return made->body;
}

// The platform of these tests keeps none: processor_test has the counters, host_test enclaves that use them.
Outcome<std::uint64_t> counter(boundary::CounterOperation, std::uint64_t) { return EnclaveError::kOutside; }

bool random(std::span<std::byte> bytes) {
  return RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size())) == 1;
}

}  // namespace platform
}  // namespace coffer::sdk
