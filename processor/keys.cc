#include "processor/keys.h"

#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/bytes.h"
#include "base/file.h"

namespace coffer::processor {

namespace {

constexpr std::array<char, 8> kFuseMagic = {'C', 'O', 'F', 'F', 'U', 'S', 'E', '1'};

struct FuseFile {  // the file's bytes
  std::array<char, 8> magic;
  std::array<std::byte, 32> root_sealing, root_provisioning;
  sgx::Bytes<16> cpu_svn, owner_epoch;
};
static_assert(sizeof(FuseFile) == 104);

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

// SEAL and PROVISION_SEAL keys may choose their identity by policy; the KSS fields want the KSS attribute.
void apply_policy(const sgx::Secs& secs, std::uint16_t policy, KeyDependencies& d) {
  namespace kp = sgx::key_policy;
  d.key_policy = policy;
  if ((policy & kp::kMrEnclave) != 0) d.mrenclave = secs.mrenclave;
  if ((policy & kp::kMrSigner) != 0) d.mrsigner = secs.mrsigner;
  if ((policy & kp::kNoIsvProdId) == 0) d.isv_prod_id = secs.isv_prod_id;
  if ((policy & kp::kConfigId) != 0) {
    d.config_id = secs.config_id;
  }
  // The KSS identities stand in SECS's reserved4, see SoftEnclave::einit.
  if ((policy & kp::kIsvFamilyId) != 0) std::memcpy(d.isv_family_id.data(), secs.reserved4.data(), 16);
  if ((policy & kp::kIsvExtProdId) != 0) std::memcpy(d.isv_ext_prod_id.data(), secs.reserved4.data() + 16, 16);
}

}  // namespace

void cmac_aes128(const Key128& key, std::span<const std::byte> message, std::span<std::byte, 16> mac) {
  std::size_t size = 0;
  require(EVP_Q_mac(nullptr, "CMAC", nullptr, "AES-128-CBC", nullptr, key.bytes().data(), key.bytes().size(),
                    reinterpret_cast<const unsigned char*>(message.data()), message.size(),
                    reinterpret_cast<unsigned char*>(mac.data()), mac.size(), &size) != nullptr &&
          size == 16);
}

Result<Fuses> Fuses::ephemeral() {
  Fuses fuses;
  for (auto bytes : {fuses.root_sealing.bytes(), fuses.root_provisioning.bytes()}) {
    if (RAND_priv_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size())) != 1) {
      return fail(ErrorKind::kSystem, "no random numbers for the platform's fuses");
    }
  }
  fuses.cpu_svn.fill(1);
  return fuses;
}

Result<Fuses> Fuses::load_or_make(const std::filesystem::path& state_directory) {
  const auto path = state_directory / "fuses";
  // Two first launches at once must agree on one set: the lock file orders them.
  FileDescriptor lock(::open((state_directory / "fuses.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock || ::flock(lock.get(), LOCK_EX) != 0) return system_error("cannot lock " + path.string(), errno);
  std::error_code error;
  const bool there = std::filesystem::exists(path, error);
  // A file that cannot be looked at may be the platform's: making another one would lose it.
  if (error) return system_error("cannot look at " + path.string(), error.value());
  if (!there) {
    auto made = ephemeral();
    if (!made) return made;
    FuseFile file{kFuseMagic, {}, {}, made->cpu_svn, made->owner_epoch};
    std::memcpy(file.root_sealing.data(), made->root_sealing.bytes().data(), 32);
    std::memcpy(file.root_provisioning.data(), made->root_provisioning.bytes().data(), 32);
    auto written = write_file_atomically(path, bytes_of(file), 0600);
    wipe(&file, sizeof(file));
    if (!written) return std::unexpected(written.error());
    return made;
  }
  auto content = read_file(path, 4096);
  if (!content) return std::unexpected(content.error());
  FuseFile file;
  if (content->size() != sizeof(file)) {
    return input_error(path.string() + " is damaged; restore it from a backup (a new one cannot open sealed data)");
  }
  std::memcpy(&file, content->data(), sizeof(file));
  wipe(content->data(), content->size());
  if (file.magic != kFuseMagic) return input_error(path.string() + " is not a fuse file of this version");
  Fuses fuses;
  std::memcpy(fuses.root_sealing.bytes().data(), file.root_sealing.data(), 32);
  std::memcpy(fuses.root_provisioning.bytes().data(), file.root_provisioning.data(), 32);
  fuses.cpu_svn = file.cpu_svn;
  fuses.owner_epoch = file.owner_epoch;
  wipe(&file, sizeof(file));
  return fuses;
}

KeyVault::KeyVault(Fuses fuses) : fuses_(std::move(fuses)) {
  require(RAND_bytes(report_key_id_.data(), static_cast<int>(report_key_id_.size())) == 1);
}

KeyOutcome KeyVault::derive(const sgx::Secs& secs, const sgx::KeyRequest& request) const {
  using sgx::LeafError;
  KeyDependencies d;
  d.key_name = request.key_name;
  d.config_svn = 0;
  d.key_id = request.key_id;
  d.cpu_svn = request.cpu_svn;
  // INIT and DEBUG always count, whatever the mask says.
  sgx::Attributes mask = request.attribute_mask;
  mask.flags |= sgx::attribute::kInit | sgx::attribute::kDebug;

  const auto name = static_cast<sgx::KeyName>(request.key_name);
  const bool needs_svn = name != sgx::KeyName::kReport;
  if (needs_svn) {
    if (!svn_allowed(request.cpu_svn, fuses_.cpu_svn)) return {LeafError::kInvalidCpuSvn, {}};
    if (request.isv_svn > secs.isv_svn) return {LeafError::kInvalidIsvSvn, {}};
    d.isv_svn = request.isv_svn;
    d.attributes = masked(secs.attributes, mask);
    d.attribute_mask = mask;
    d.misc_select = secs.misc_select & request.misc_mask;
    d.misc_mask = request.misc_mask;
  }
  switch (name) {
    case sgx::KeyName::kReport:
      d.cpu_svn = fuses_.cpu_svn;
      d.owner_epoch = fuses_.owner_epoch;
      d.mrenclave = secs.mrenclave;
      d.attributes = secs.attributes;
      d.misc_select = secs.misc_select;
      d.config_id = secs.config_id;
      d.config_svn = secs.config_svn;
      return {LeafError::kSuccess, prf(fuses_.root_sealing, d)};
    case sgx::KeyName::kSeal:
      if (request.config_svn > secs.config_svn) return {LeafError::kInvalidIsvSvn, {}};
      d.config_svn = request.config_svn;
      d.owner_epoch = fuses_.owner_epoch;
      apply_policy(secs, request.key_policy, d);
      return {LeafError::kSuccess, prf(fuses_.root_sealing, d)};
    case sgx::KeyName::kProvision:
      if ((secs.attributes.flags & sgx::attribute::kProvisionKey) == 0) return {LeafError::kInvalidAttribute, {}};
      d.key_id = {};
      d.mrsigner = secs.mrsigner;
      d.isv_prod_id = secs.isv_prod_id;
      return {LeafError::kSuccess, prf(fuses_.root_provisioning, d)};
    case sgx::KeyName::kProvisionSeal:
      if ((secs.attributes.flags & sgx::attribute::kProvisionKey) == 0) return {LeafError::kInvalidAttribute, {}};
      d.mrsigner = secs.mrsigner;
      d.isv_prod_id = secs.isv_prod_id;
      return {LeafError::kSuccess, prf(fuses_.root_sealing, d)};
    case sgx::KeyName::kEinitToken:
      if ((secs.attributes.flags & sgx::attribute::kEinitTokenKey) == 0) return {LeafError::kInvalidAttribute, {}};
      d.owner_epoch = fuses_.owner_epoch;
      d.mrsigner = secs.mrsigner;
      d.isv_prod_id = secs.isv_prod_id;
      return {LeafError::kSuccess, prf(fuses_.root_sealing, d)};
  }
  return {LeafError::kInvalidKeyName, {}};
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
