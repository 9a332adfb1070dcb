// Evidence for enclaves on this platform: a report for the verifier that binds the caller's claims.
//
// Evidence, little-endian: with OE_EVIDENCE_FLAGS_EMBED_FORMAT_ID 16 bytes of format first; then the SGX REPORT, 432
// bytes, and the claims as the caller gave them. The report's data: SHA-256 of the format and the claims, then zeros.
#include <openenclave/attestation/attester.h>
#include <openenclave/attestation/sgx/evidence.h>
#include <openenclave/attestation/verifier.h>
#include <openenclave/bits/sgx/sgxtypes.h>
#include <openenclave/enclave.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "base/secret.h"
#include "enclave/sdk/crypto.h"
#include "enclave/sdk/platform.h"

namespace {

constexpr oe_uuid_t kLocal = {OE_FORMAT_UUID_SGX_LOCAL_ATTESTATION};
constexpr std::size_t kMostClaimBytes = std::size_t{16} << 20;

namespace platform = coffer::sdk::platform;
using ReportData = coffer::sgx::Bytes<64>;

bool is_local(const oe_uuid_t& format) { return std::memcmp(&format, &kLocal, sizeof(format)) == 0; }
std::span<const std::byte> bytes(const void* memory, std::size_t size) {
  return {static_cast<const std::byte*>(memory), size};
}

bool bind(std::span<const std::byte> claims, ReportData& data) {
  data = {};
  return coffer::sdk::sha256({bytes(&kLocal, sizeof(kLocal)), claims},
                             std::as_writable_bytes(std::span(data)).first<32>());
}

// A list of claims that grows; freed unless it is given away.
class Claims {
 public:
  Claims() = default;
  ~Claims() { oe_free_claims(claims_, count_); }
  Claims(const Claims&) = delete;
  Claims& operator=(const Claims&) = delete;

  bool add(const char* name, const void* value, std::size_t size) {
    auto* longer = static_cast<oe_claim_t*>(std::realloc(claims_, (count_ + 1) * sizeof(oe_claim_t)));
    if (longer == nullptr) return false;
    claims_ = longer;
    char* name_copy = ::strdup(name);
    auto* value_copy = static_cast<std::uint8_t*>(std::malloc(size == 0 ? 1 : size));
    if (name_copy == nullptr || value_copy == nullptr) {
      std::free(name_copy);
      std::free(value_copy);
      return false;
    }
    if (size != 0) std::memcpy(value_copy, value, size);
    claims_[count_++] = {name_copy, value_copy, size};
    return true;
  }
  template <class T>
  bool add(const char* name, const T& value) {
    return add(name, &value, sizeof(value));
  }
  void give(oe_claim_t** claims, std::size_t* count) {
    *claims = std::exchange(claims_, nullptr);
    *count = std::exchange(count_, 0);
  }

 private:
  oe_claim_t* claims_ = nullptr;
  std::size_t count_ = 0;
};

bool describe(const sgx_report_body_t& body, std::span<const std::byte> custom, Claims& claims) {
  const std::uint32_t id_version = 1, security_version = body.isvsvn;
  const std::uint64_t flags = body.attributes.flags;
  const std::uint64_t attributes = (flags & SGX_FLAGS_DEBUG) != 0 ? OE_EVIDENCE_ATTRIBUTES_SGX_DEBUG : 0;
  std::array<std::uint8_t, OE_PRODUCT_ID_SIZE> product = {static_cast<std::uint8_t>(body.isvprodid),
                                                          static_cast<std::uint8_t>(body.isvprodid >> 8)};
  const auto flag = [&claims](const char* name, bool value) {
    return claims.add(name, static_cast<std::uint8_t>(value ? 1 : 0));
  };
  return claims.add(OE_CLAIM_ID_VERSION, id_version) && claims.add(OE_CLAIM_SECURITY_VERSION, security_version) &&
         claims.add(OE_CLAIM_ATTRIBUTES, attributes) && claims.add(OE_CLAIM_UNIQUE_ID, body.mrenclave) &&
         claims.add(OE_CLAIM_SIGNER_ID, body.mrsigner) && claims.add(OE_CLAIM_PRODUCT_ID, product) &&
         claims.add(OE_CLAIM_FORMAT_UUID, kLocal) &&
         flag(OE_CLAIM_SGX_PF_GP_EXINFO_ENABLED, (body.miscselect & SGX_MISC_FLAGS_PF_GP_EXIT_INFO) != 0) &&
         claims.add(OE_CLAIM_SGX_ISV_EXTENDED_PRODUCT_ID, body.isvextprodid) &&
         flag(OE_CLAIM_SGX_IS_MODE64BIT, (flags & SGX_FLAGS_MODE64BIT) != 0) &&
         flag(OE_CLAIM_SGX_HAS_PROVISION_KEY, (flags & SGX_FLAGS_PROVISION_KEY) != 0) &&
         flag(OE_CLAIM_SGX_HAS_EINITTOKEN_KEY, (flags & SGX_FLAGS_EINITTOKEN_KEY) != 0) &&
         flag(OE_CLAIM_SGX_USES_KSS, (flags & SGX_FLAGS_KSS) != 0) &&
         claims.add(OE_CLAIM_SGX_CONFIG_ID, body.configid) && claims.add(OE_CLAIM_SGX_CONFIG_SVN, body.configsvn) &&
         claims.add(OE_CLAIM_SGX_ISV_FAMILY_ID, body.isvfamilyid) && claims.add(OE_CLAIM_SGX_CPU_SVN, body.cpusvn) &&
         claims.add(OE_CLAIM_CUSTOM_CLAIMS_BUFFER, custom.data(), custom.size());
}

oe_result_t verify(std::span<const std::byte> evidence, Claims& claims) {
  coffer::sgx::Report report;
  if (evidence.size() < sizeof(report)) return OE_INVALID_PARAMETER;
  std::memcpy(&report, evidence.data(), sizeof(report));
  const auto custom = evidence.subspan(sizeof(report));
  if (!platform::check_report(report)) return OE_VERIFY_FAILED_AES_CMAC_MISMATCH;
  sgx_report_body_t body;
  static_assert(sizeof(body) == sizeof(report.body));
  std::memcpy(&body, &report.body, sizeof(body));
  ReportData data;
  if (!bind(custom, data)) return OE_CRYPTO_ERROR;
  if (!coffer::equal_in_constant_time(std::as_bytes(std::span(data)),
                                      bytes(&body.report_data, sizeof(body.report_data)))) {
    return OE_QUOTE_HASH_MISMATCH;
  }
  return describe(body, custom, claims) ? OE_OK : OE_OUT_OF_MEMORY;
}

oe_result_t copy_out(std::span<const std::byte> from, std::uint8_t** to, std::size_t* size) {
  auto* copy = static_cast<std::uint8_t*>(std::malloc(from.size()));
  if (copy == nullptr) return OE_OUT_OF_MEMORY;
  std::memcpy(copy, from.data(), from.size());
  *to = copy;
  *size = from.size();
  return OE_OK;
}

}  // namespace

extern "C" {

oe_result_t oe_attester_initialize(void) { return OE_OK; }
oe_result_t oe_attester_shutdown(void) { return OE_OK; }
oe_result_t oe_verifier_initialize(void) { return OE_OK; }
oe_result_t oe_verifier_shutdown(void) { return OE_OK; }

oe_result_t oe_attester_select_format(const oe_uuid_t* format_ids, size_t format_ids_length,
                                      oe_uuid_t* selected_format_id) {
  if (format_ids == nullptr || selected_format_id == nullptr) return OE_INVALID_PARAMETER;
  for (std::size_t i = 0; i < format_ids_length; ++i) {
    if (!is_local(format_ids[i])) continue;
    *selected_format_id = format_ids[i];
    return OE_OK;
  }
  return OE_NOT_FOUND;
}

oe_result_t oe_get_evidence(const oe_uuid_t* format_id, uint32_t flags, const void* custom_claims_buffer,
                            size_t custom_claims_buffer_size, const void* optional_parameters,
                            size_t optional_parameters_size, uint8_t** evidence_buffer, size_t* evidence_buffer_size,
                            uint8_t** endorsements_buffer, size_t* endorsements_buffer_size) {
  if (format_id == nullptr || evidence_buffer == nullptr || evidence_buffer_size == nullptr ||
      (custom_claims_buffer == nullptr && custom_claims_buffer_size != 0) ||
      custom_claims_buffer_size > kMostClaimBytes || (flags & ~OE_EVIDENCE_FLAGS_EMBED_FORMAT_ID) != 0 ||
      (endorsements_buffer == nullptr) != (endorsements_buffer_size == nullptr)) {
    return OE_INVALID_PARAMETER;
  }
  *evidence_buffer = nullptr;
  *evidence_buffer_size = 0;
  if (endorsements_buffer != nullptr) {
    *endorsements_buffer = nullptr;
    *endorsements_buffer_size = 0;
  }
  if (!is_local(*format_id)) return OE_NOT_FOUND;
  coffer::sgx::TargetInfo target{};
  if (optional_parameters == nullptr || optional_parameters_size != sizeof(target)) return OE_INVALID_PARAMETER;
  std::memcpy(&target, optional_parameters, sizeof(target));
  const auto claims = bytes(custom_claims_buffer, custom_claims_buffer_size);
  ReportData data;
  if (!bind(claims, data)) return OE_CRYPTO_ERROR;
  const auto report = platform::make_report(target, data);
  if (!report) return OE_PLATFORM_ERROR;
  std::vector<std::byte> evidence;
  if (flags != 0) {
    const auto format = bytes(format_id, sizeof(*format_id));
    evidence.assign(format.begin(), format.end());
  }
  const auto made = bytes(&*report, sizeof(*report));
  evidence.insert(evidence.end(), made.begin(), made.end());
  evidence.insert(evidence.end(), claims.begin(), claims.end());
  return copy_out(evidence, evidence_buffer, evidence_buffer_size);
}

oe_result_t oe_free_evidence(uint8_t* evidence_buffer) {
  std::free(evidence_buffer);
  return OE_OK;
}
oe_result_t oe_free_endorsements(uint8_t* endorsements_buffer) {
  std::free(endorsements_buffer);
  return OE_OK;
}

oe_result_t oe_verifier_get_formats(oe_uuid_t** format_ids, size_t* format_ids_length) {
  if (format_ids == nullptr || format_ids_length == nullptr) return OE_INVALID_PARAMETER;
  auto* formats = static_cast<oe_uuid_t*>(std::malloc(sizeof(oe_uuid_t)));
  if (formats == nullptr) return OE_OUT_OF_MEMORY;
  *formats = kLocal;
  *format_ids = formats;
  *format_ids_length = 1;
  return OE_OK;
}
oe_result_t oe_verifier_free_formats(oe_uuid_t* format_ids) {
  std::free(format_ids);
  return OE_OK;
}

oe_result_t oe_verifier_get_format_settings(const oe_uuid_t* format_id, uint8_t** settings, size_t* settings_size) {
  if (format_id == nullptr || settings == nullptr || settings_size == nullptr) return OE_INVALID_PARAMETER;
  if (!is_local(*format_id)) return OE_NOT_FOUND;
  const auto own = platform::own_identity();
  if (!own) return OE_PLATFORM_ERROR;
  const coffer::sgx::TargetInfo target = platform::target_of(*own);
  return copy_out(bytes(&target, sizeof(target)), settings, settings_size);
}
oe_result_t oe_verifier_free_format_settings(uint8_t* settings) {
  std::free(settings);
  return OE_OK;
}

oe_result_t oe_verify_evidence(const oe_uuid_t* format_id, const uint8_t* evidence_buffer, size_t evidence_buffer_size,
                               const uint8_t* endorsements_buffer, size_t endorsements_buffer_size,
                               const oe_policy_t* policies, size_t policies_size, oe_claim_t** claims,
                               size_t* claims_length) {
  if (evidence_buffer == nullptr || (claims == nullptr) != (claims_length == nullptr) ||
      (policies == nullptr && policies_size != 0)) {
    return OE_INVALID_PARAMETER;
  }
  // Local evidence has no endorsements, and policies speak of endorsements alone.
  if (endorsements_buffer != nullptr || endorsements_buffer_size != 0 || policies_size != 0) {
    return OE_INVALID_PARAMETER;
  }
  auto evidence = bytes(evidence_buffer, evidence_buffer_size);
  oe_uuid_t format;
  if (format_id != nullptr) {
    format = *format_id;
  } else {
    if (evidence.size() < sizeof(format)) return OE_INVALID_PARAMETER;
    std::memcpy(&format, evidence.data(), sizeof(format));
    evidence = evidence.subspan(sizeof(format));
  }
  if (!is_local(format)) return OE_NOT_FOUND;
  Claims found;
  const oe_result_t result = verify(evidence, found);
  if (result == OE_OK && claims != nullptr) found.give(claims, claims_length);
  return result;
}

}  // extern "C"
