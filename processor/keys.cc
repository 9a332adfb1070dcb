#include "processor/keys.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <cstdlib>
#include <cstring>

#include "base/bytes.h"

namespace coffer::processor {

namespace {

// The processor has no way to go on without its cryptography, as silicon has none with a broken AES unit.
void require(bool worked) {
  if (!worked) std::abort();
}

// KEYDEPENDENCIES of the SDM: every input that a key depends on, in one fixed form; fields that a key name does not use
// stay zero, so that two different keys never share an input.
struct KeyDependencies {
  std::uint16_t key_name = 0;
  std::uint16_t key_policy = 0;
  std::uint16_t isv_prod_id = 0;
  std::uint16_t isv_svn = 0;
  std::uint16_t config_svn = 0;
  std::uint16_t padding = 0;
  std::uint32_t misc_select = 0;
  std::uint32_t misc_mask = 0;
  std::uint32_t padding2 = 0;
  sgx::Bytes<16> owner_epoch{};
  sgx::Attributes attributes, attribute_mask;
  sgx::MrEnclave mrenclave;
  sgx::MrSigner mrsigner;
  sgx::Bytes<32> key_id{};
  sgx::Bytes<16> cpu_svn{};
  sgx::Bytes<64> config_id{};
  sgx::Bytes<16> isv_family_id{}, isv_ext_prod_id{};
};
static_assert(std::has_unique_object_representations_v<KeyDependencies>);

// HMAC-SHA-256(root, dependencies), truncated: one PRF call under a 256-bit key.
Key128 prf(const Key256& root, const KeyDependencies& dependencies) {
  std::array<std::byte, 32> digest;
  std::size_t size = 0;
  auto input = bytes_of(dependencies);
  require(EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, root.bytes().data(), root.bytes().size(),
                    reinterpret_cast<const unsigned char*>(input.data()), input.size(),
                    reinterpret_cast<unsigned char*>(digest.data()), digest.size(), &size) != nullptr);
  Key128 key;
  std::memcpy(key.bytes().data(), digest.data(), 16);
  wipe(digest.data(), digest.size());
  return key;
}

// A requested CPUSVN may not be above the platform's in any component.
bool svn_allowed(const sgx::Bytes<16>& requested, const sgx::Bytes<16>& current) {
  for (std::size_t i = 0; i < requested.size(); ++i) {
    if (requested[i] > current[i]) return false;
  }
  return true;
}

sgx::Attributes masked(const sgx::Attributes& attributes, const sgx::Attributes& mask) {
  return {attributes.flags & mask.flags, attributes.xfrm & mask.xfrm};
}

// What KEYPOLICY chooses for SEAL and PROVISION_SEAL keys. MRENCLAVE and MRSIGNER are the caller's: PROVISION_SEAL is
// always the signer's.
void apply_policy(const sgx::Secs& secs, const sgx::KeyRequest& request, KeyDependencies& d) {
  namespace kp = sgx::key_policy;
  const std::uint16_t policy = request.key_policy;
  d.key_policy = policy;
  if ((policy & kp::kNoIsvProdId) == 0) d.isv_prod_id = secs.isv_prod_id;
  if ((policy & kp::kConfigId) != 0) {
    d.config_id = secs.config_id;
    d.config_svn = request.config_svn;
  }
  // The KSS identities stand in SECS's reserved4, see SoftEnclave::einit.
  if ((policy & kp::kIsvFamilyId) != 0) std::memcpy(d.isv_family_id.data(), secs.reserved4.data(), 16);
  if ((policy & kp::kIsvExtProdId) != 0) std::memcpy(d.isv_ext_prod_id.data(), secs.reserved4.data() + 16, 16);
}

// The ATTRIBUTES flag that a key is kept for; none for the keys of every enclave.
std::uint64_t attribute_for(sgx::KeyName name) {
  switch (name) {
    case sgx::KeyName::kProvision:
    case sgx::KeyName::kProvisionSeal:
      return sgx::attribute::kProvisionKey;
    case sgx::KeyName::kEinitToken:
      return sgx::attribute::kEinitTokenKey;
    default:
      return 0;
  }
}

}  // namespace

void cmac_aes128(const Key128& key, std::span<const std::byte> message, std::span<std::byte, 16> mac) {
  std::size_t size = 0;
  require(EVP_Q_mac(nullptr, "CMAC", nullptr, "AES-128-CBC", nullptr, key.bytes().data(), key.bytes().size(),
                    reinterpret_cast<const unsigned char*>(message.data()), message.size(),
                    reinterpret_cast<unsigned char*>(mac.data()), mac.size(), &size) != nullptr &&
          size == 16);
}

KeyVault::KeyVault(Fuses fuses) : fuses_(std::move(fuses)) {
  require(RAND_bytes(report_key_id_.data(), static_cast<int>(report_key_id_.size())) == 1);
}

// The checks in the order of the manual's operation: the name, the right to it, CPUSVN, ISVSVN, CONFIGSVN.
sgx::LeafError KeyVault::check(const sgx::Secs& secs, const sgx::KeyRequest& request) const {
  using sgx::LeafError;
  const auto name = static_cast<sgx::KeyName>(request.key_name);
  if (request.key_name > static_cast<std::uint16_t>(sgx::KeyName::kSeal)) return LeafError::kInvalidKeyName;
  if (name == sgx::KeyName::kReport) return LeafError::kSuccess;  // its SVNs are the platform's own
  const std::uint64_t attribute = attribute_for(name);
  if ((secs.attributes.flags & attribute) != attribute) return LeafError::kInvalidAttribute;
  if (!svn_allowed(request.cpu_svn, fuses_.cpu_svn)) return LeafError::kInvalidCpuSvn;
  if (request.isv_svn > secs.isv_svn) return LeafError::kInvalidIsvSvn;
  const bool takes_config = name == sgx::KeyName::kSeal || name == sgx::KeyName::kProvisionSeal;
  if (takes_config && request.config_svn > secs.config_svn) return LeafError::kInvalidIsvSvn;
  return LeafError::kSuccess;
}

KeyOutcome KeyVault::derive(const sgx::Secs& secs, const sgx::KeyRequest& request) const {
  using sgx::LeafError;
  if (const LeafError error = check(secs, request); error != LeafError::kSuccess) return {error, {}};
  KeyDependencies d;
  d.key_name = request.key_name;
  d.cpu_svn = request.cpu_svn;
  d.isv_svn = request.isv_svn;
  // INIT and DEBUG always count, whatever the mask says; the mask itself counts as it is.
  sgx::Attributes mask = request.attribute_mask;
  mask.flags |= sgx::attribute::kInit | sgx::attribute::kDebug;
  d.attributes = masked(secs.attributes, mask);
  d.attribute_mask = request.attribute_mask;
  d.misc_select = secs.misc_select & request.misc_mask;
  d.misc_mask = request.misc_mask;
  const auto name = static_cast<sgx::KeyName>(request.key_name);
  namespace kp = sgx::key_policy;
  switch (name) {
    case sgx::KeyName::kReport:
      d = {};
      d.key_name = request.key_name;
      d.key_id = request.key_id;
      d.cpu_svn = fuses_.cpu_svn;
      d.owner_epoch = fuses_.owner_epoch;
      d.mrenclave = secs.mrenclave;
      d.attributes = secs.attributes;
      d.misc_select = secs.misc_select;
      d.config_id = secs.config_id;
      d.config_svn = secs.config_svn;
      break;
    case sgx::KeyName::kSeal:
      d.key_id = request.key_id;
      d.owner_epoch = fuses_.owner_epoch;
      if ((request.key_policy & kp::kMrEnclave) != 0) d.mrenclave = secs.mrenclave;
      if ((request.key_policy & kp::kMrSigner) != 0) d.mrsigner = secs.mrsigner;
      apply_policy(secs, request, d);
      break;
    case sgx::KeyName::kProvision:
      d.mrsigner = secs.mrsigner;
      d.isv_prod_id = secs.isv_prod_id;
      return {LeafError::kSuccess, prf(fuses_.root_provisioning, d)};
    case sgx::KeyName::kProvisionSeal:
      d.mrsigner = secs.mrsigner;
      apply_policy(secs, request, d);
      break;
    case sgx::KeyName::kEinitToken:
      d.key_id = request.key_id;
      d.owner_epoch = fuses_.owner_epoch;
      d.mrsigner = secs.mrsigner;
      d.isv_prod_id = secs.isv_prod_id;
      d.attribute_mask = {};
      d.misc_mask = 0;
      break;
  }
  return {LeafError::kSuccess, prf(fuses_.root_sealing, d)};
}

boundary::CounterAnswer KeySource::counter(const sgx::Secs&, const boundary::CounterQuestion&) const {
  return {.result = -ENOSYS, .value = 0, .mac = {}};
}

Result<void> KeyVault::keep_counters(const std::filesystem::path& state_directory) {
  // As sealing keys are, counters are the owner epoch's.
  struct Input {
    std::array<char, 32> label = {"coffer monotonic counter file 1"};
    sgx::Bytes<16> owner_epoch;
  } const input{.owner_epoch = fuses_.owner_epoch};
  Key256 key;
  std::size_t size = 0;
  require(EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, fuses_.root_sealing.bytes().data(),
                    fuses_.root_sealing.bytes().size(), reinterpret_cast<const unsigned char*>(&input), sizeof(input),
                    reinterpret_cast<unsigned char*>(key.bytes().data()), key.bytes().size(), &size) != nullptr);
  auto file = CounterFile::open(state_directory, std::move(key));
  if (!file) return std::unexpected(file.error());
  counters_ = std::move(*file);
  return {};
}

boundary::CounterAnswer KeyVault::counter(const sgx::Secs& secs, const boundary::CounterQuestion& question) const {
  if (counters_ == nullptr) return KeySource::counter(secs, question);
  const CounterFile::Outcome outcome = counters_->apply(secs, question.operation, question.id);
  boundary::CounterStatement statement;
  statement.question = question;
  statement.result = outcome.result;
  statement.value = outcome.value;
  sgx::KeyRequest request;
  request.key_name = static_cast<std::uint16_t>(sgx::KeyName::kReport);
  request.key_id = boundary::kCounterKeyId;
  const KeyOutcome key = derive(secs, request);
  boundary::CounterAnswer answer{.result = outcome.result, .value = outcome.value, .mac = {}};
  cmac_aes128(key.key, bytes_of(statement), std::as_writable_bytes(std::span(answer.mac)).first<16>());
  return answer;
}

sgx::Report KeyVault::report(const sgx::Secs& secs, const sgx::TargetInfo& target, const sgx::Bytes<64>& data) const {
  sgx::Report report;
  report.body.misc_select = secs.misc_select;
  report.body.attributes = secs.attributes;
  report.body.mrenclave = secs.mrenclave;
  report.body.mrsigner = secs.mrsigner;
  report.body.isv_prod_id = secs.isv_prod_id;
  report.body.isv_svn = secs.isv_svn;
  if ((secs.attributes.flags & sgx::attribute::kKss) != 0) {
    report.body.config_id = secs.config_id;
    report.body.config_svn = secs.config_svn;
    std::memcpy(report.body.isv_family_id.data(), secs.reserved4.data(), 16);
    std::memcpy(report.body.isv_ext_prod_id.data(), secs.reserved4.data() + 16, 16);
  }
  report.body.report_data = data;
  seal_report(target, report);
  return report;
}

void KeyVault::seal_report(const sgx::TargetInfo& target, sgx::Report& report) const {
  report.body.cpu_svn = fuses_.cpu_svn;
  report.key_id = report_key_id_;
  sgx::Secs as_target;
  as_target.mrenclave = target.mrenclave;
  as_target.attributes = target.attributes;
  as_target.misc_select = target.misc_select;
  as_target.config_id = target.config_id;
  as_target.config_svn = target.config_svn;
  sgx::KeyRequest request;
  request.key_name = static_cast<std::uint16_t>(sgx::KeyName::kReport);
  request.key_id = report_key_id_;
  KeyOutcome outcome = derive(as_target, request);
  cmac_aes128(outcome.key, bytes_of(report.body), std::as_writable_bytes(std::span<std::uint8_t, 16>(report.mac)));
}

}  // namespace coffer::processor
