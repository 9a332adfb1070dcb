#include "enclave/sdk/sealing_format.h"

#include "base/bytes.h"

namespace coffer::sdk {
namespace {

namespace policy = sgx::key_policy;

constexpr std::uint16_t kKnownPolicy = policy::kMrEnclave | policy::kMrSigner | policy::kNoIsvProdId |
                                       policy::kConfigId | policy::kIsvFamilyId | policy::kIsvExtProdId;

// Attributes that decide over the key. Those left out may differ between versions of one product without making one of
// them weaker; everything else counts, bits that no processor knows yet too. Part of version 1 of the format.
constexpr std::uint64_t kFlagsMask = ~(sgx::attribute::kProvisionKey | sgx::attribute::kEinitTokenKey |
                                       sgx::attribute::kCet | sgx::attribute::kKss | sgx::attribute::kAexNotify);
constexpr std::uint32_t kMiscMask = ~sgx::kMiscExInfo;

bool is_sound(const SealedHeader& header) {
  const bool size_fits = header.is_stream() ? header.secret_size >= kLeastBlock && header.secret_size <= kMostBlock
                                            : header.magic == kBlobMagic && header.secret_size <= kMostSecret;
  return size_fits && header.version == kSealedVersion && header.readable_size <= kMostReadable &&
         (header.key_policy & ~kKnownPolicy) == 0 &&
         (header.key_policy & (policy::kMrEnclave | policy::kMrSigner)) != 0;
}

}  // namespace

Outcome<SealedHeader> parse_header(std::span<const std::byte> bytes) {
  const auto header = ByteReader(bytes).read<SealedHeader>();
  if (!header || !is_sound(*header)) return EnclaveError::kMalformed;
  return *header;
}

Outcome<SealedParts> parse_blob(std::span<const std::byte> blob) {
  const auto header = parse_header(blob);
  if (!header) return header.error();
  if (header->is_stream()) return EnclaveError::kMalformed;
  ByteReader reader(blob.subspan(sizeof(SealedHeader)));
  const auto readable = reader.take(header->readable_size);
  const auto ciphertext = readable ? reader.take(header->secret_size) : std::nullopt;
  const auto tag = ciphertext ? reader.take(kSealedTag) : std::nullopt;
  if (!tag || reader.remaining() != 0) return EnclaveError::kMalformed;
  return SealedParts{.header = *header,
                     .authenticated = blob.first(sizeof(SealedHeader) + header->readable_size),
                     .readable = *readable,
                     .ciphertext = *ciphertext,
                     .tag = *tag};
}

sgx::KeyRequest key_request(const SealedHeader& header) {
  sgx::KeyRequest request;
  request.key_name = static_cast<std::uint16_t>(sgx::KeyName::kSeal);
  request.key_policy = header.key_policy;
  request.isv_svn = header.isv_svn;
  request.config_svn = header.config_svn;
  request.cpu_svn = header.cpu_svn;
  request.attribute_mask = {.flags = kFlagsMask, .xfrm = 0};
  request.misc_mask = kMiscMask;
  request.key_id = header.key_id;
  return request;
}

std::uint16_t key_policy_of(const SealTo& to) {
  unsigned bits = static_cast<unsigned>(to.policy);
  if (to.any_product) bits |= policy::kNoIsvProdId;
  if (to.same_family) bits |= policy::kIsvFamilyId;
  if (to.same_extended_product) bits |= policy::kIsvExtProdId;
  if (to.same_configuration) bits |= policy::kConfigId;
  return static_cast<std::uint16_t>(bits);
}

SealedHeader header_for(const SealTo& to, const sgx::ReportBody& own) {
  SealedHeader header;
  header.key_policy = key_policy_of(to);
  header.isv_svn = to.svn.value_or(own.isv_svn);
  // The processor refuses a CONFIGSVN above the enclave's whatever the policy: a secret that is not tied to the
  // configuration must not be tied to its version either.
  header.config_svn = to.config_svn.value_or(to.same_configuration ? own.config_svn : std::uint16_t{0});
  header.cpu_svn = own.cpu_svn;
  return header;
}

SealTo seal_to_of(const SealedHeader& header) {
  SealTo to;
  const auto has = [&](std::uint16_t bit) { return (header.key_policy & bit) != 0; };
  to.policy = static_cast<SealPolicy>(header.key_policy & (policy::kMrEnclave | policy::kMrSigner));
  to.any_product = has(policy::kNoIsvProdId);
  to.same_family = has(policy::kIsvFamilyId);
  to.same_extended_product = has(policy::kIsvExtProdId);
  to.same_configuration = has(policy::kConfigId);
  to.svn = header.isv_svn;
  to.config_svn = header.config_svn;
  return to;
}

}  // namespace coffer::sdk
