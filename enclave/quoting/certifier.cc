#include "enclave/quoting/certifier.h"

#include <cstring>
#include <string_view>

#include "enclave/quoting/p256.h"
#include "enclave/quoting/parts.h"
#include "enclave/sdk/crypto.h"
#include "enclave/sdk/platform.h"

namespace coffer::quoting {
namespace {

constexpr std::string_view kKeyLabel = "coffer provisioning certification key 1";

// The PCK of one generation: the same for every build of this enclave that the platform signs with the same SVN.
Outcome<KeyPair> certification_key(std::uint64_t generation) {
  const auto own = sdk::platform::own_identity();
  if (!own) return own.error();
  sgx::KeyRequest request;
  request.key_name = static_cast<std::uint16_t>(sgx::KeyName::kSeal);
  request.key_policy = sgx::key_policy::kMrSigner;
  request.isv_svn = own->isv_svn;
  request.cpu_svn = own->cpu_svn;
  request.attribute_mask.flags = sgx::attribute::kInit | sgx::attribute::kDebug;  // a debug enclave has another key
  if (!sdk::sha256({sdk::bytes_of_text(kKeyLabel), bytes_of(generation)},
                   std::as_writable_bytes(std::span<std::uint8_t, 32>(request.key_id)))) {
    return EnclaveError::kSystem;
  }
  const auto root = sdk::platform::get_key(request);
  if (!root) return root.error();
  Key256 extracted;
  Key256 low;
  Key256 high;
  SecretArray<40> material;
  if (!sdk::extract_key(sdk::bytes_of_text(kKeyLabel), root->bytes(), extracted.bytes()) ||
      !sdk::expand_key(extracted.bytes(), "first part", {}, low.bytes()) ||
      !sdk::expand_key(extracted.bytes(), "second part", {}, high.bytes())) {
    return EnclaveError::kSystem;
  }
  std::memcpy(material.bytes().data(), low.bytes().data(), 32);
  std::memcpy(material.bytes().data() + 32, high.bytes().data(), 8);
  return KeyPair::derive(material.bytes());
}

}  // namespace

Status certifier_target(sgx::TargetInfo& target) { return own_target(target); }

Status certifier_public_key(const KeyOrder& order, Point& key) {
  const auto pair = certification_key(order.generation);
  if (!pair) return Status::kSystem;
  key = pair->public_key();
  return Status::kDone;
}

Status certify(const CertifyOrder& order, Signature& signature) {
  if (!sdk::platform::check_report(order.report)) return Status::kRefused;
  const auto own = sdk::platform::own_identity();
  if (!own) return Status::kSystem;
  const sgx::ReportBody& body = order.report.body;
  const bool ours = body.mrsigner == own->mrsigner && body.isv_prod_id == kQuotingProduct &&
                    (body.attributes.flags & sgx::attribute::kDebug) == 0;
  if (!ours) return Status::kIdentity;
  const auto pair = certification_key(order.generation);
  if (!pair) return Status::kSystem;
  const auto made = pair->sign(bytes_of(body));
  if (!made) return Status::kSystem;
  signature = *made;
  return Status::kDone;
}

}  // namespace coffer::quoting
