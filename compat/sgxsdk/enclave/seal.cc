// <sgx_tseal.h>: AES-128-GCM under a key of EGETKEY, in the SDK's layout. Each blob has a key of its own, by a random
// KEYID, so the nonce is zero.
#include <algorithm>
#include <cstring>

#include "base/secret.h"
#include "compat/sgxsdk/include/sgx_trts.h"
#include "compat/sgxsdk/include/sgx_tseal.h"
#include "compat/sgxsdk/include/sgx_utils.h"

namespace coffer::sgxsdk {
namespace {

constexpr std::uint64_t kNeededFlags = SGX_FLAGS_INITTED | SGX_FLAGS_DEBUG;
constexpr std::uint64_t kUsualFlags = 0xff0000000000000bULL;
constexpr std::uint32_t kUsualMisc = 0xf0000000;
constexpr std::uint16_t kKssPolicy = SGX_KEYPOLICY_CONFIGID | SGX_KEYPOLICY_ISVFAMILYID | SGX_KEYPOLICY_ISVEXTPRODID;
constexpr std::uint16_t kPolicies =
    SGX_KEYPOLICY_MRENCLAVE | SGX_KEYPOLICY_MRSIGNER | SGX_KEYPOLICY_NOISVPRODID | kKssPolicy;
constexpr std::uint8_t kNonce[SGX_SEAL_IV_SIZE] = {};

struct Key {
  Key() = default;
  ~Key() { wipe(&value, sizeof(value)); }
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;
  sgx_key_128bit_t value{};
};

bool inside(const void* bytes, std::uint32_t size) {
  return size == 0 || (bytes != nullptr && sgx_is_within_enclave(bytes, size) != 0);
}

bool has_kss() { return (sgx_self_report()->body.attributes.flags & SGX_FLAGS_KSS) != 0; }

std::uint16_t usual_policy() {
  return static_cast<std::uint16_t>(SGX_KEYPOLICY_MRSIGNER | (has_kss() ? kKssPolicy : 0));
}

struct Secrets {
  const std::uint8_t* text;
  std::uint32_t text_size;
  const std::uint8_t* along;
  std::uint32_t along_size;
};

sgx_status_t seal(std::uint16_t policy, const sgx_attributes_t& attributes, std::uint32_t misc, const Secrets& secrets,
                  std::uint32_t size, sgx_sealed_data_t* blob) {
  const std::uint32_t needed = sgx_calc_sealed_data_size(secrets.along_size, secrets.text_size);
  const bool policy_known =
      (policy & (SGX_KEYPOLICY_MRENCLAVE | SGX_KEYPOLICY_MRSIGNER)) != 0 && (policy & ~kPolicies) == 0;
  if (needed == UINT32_MAX || size != needed || blob == nullptr || !inside(blob, size) ||
      !inside(secrets.text, secrets.text_size) || !inside(secrets.along, secrets.along_size) || !policy_known ||
      (attributes.flags & kNeededFlags) != kNeededFlags) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  const sgx_report_body_t& own = sgx_self_report()->body;
  sgx_key_request_t request{};
  request.key_name = SGX_KEYSELECT_SEAL;
  request.key_policy = policy;
  request.cpu_svn = own.cpu_svn;
  request.isv_svn = own.isv_svn;
  request.config_svn = (policy & SGX_KEYPOLICY_CONFIGID) != 0 ? own.config_svn : static_cast<std::uint16_t>(0);
  request.attribute_mask = attributes;
  request.misc_mask = misc;
  Key key;
  if (sgx_read_rand(request.key_id.id, sizeof(request.key_id.id)) != SGX_SUCCESS) return SGX_ERROR_UNEXPECTED;
  if (const sgx_status_t got = sgx_get_key(&request, &key.value); got != SGX_SUCCESS) return got;

  std::memset(blob, 0, sizeof(*blob));
  const sgx_status_t sealed = sgx_rijndael128GCM_encrypt(
      &key.value, secrets.text, secrets.text_size, secrets.text_size != 0 ? blob->aes_data.payload : nullptr, kNonce,
      sizeof(kNonce), secrets.along, secrets.along_size, &blob->aes_data.payload_tag);
  if (sealed != SGX_SUCCESS) return sealed;
  if (secrets.along_size != 0) {
    std::memcpy(blob->aes_data.payload + secrets.text_size, secrets.along, secrets.along_size);
  }
  blob->key_request = request;
  blob->plain_text_offset = secrets.text_size;
  blob->aes_data.payload_size = secrets.text_size + secrets.along_size;
  return SGX_SUCCESS;
}

struct Places {
  std::uint8_t* text;
  std::uint32_t* text_size;
  std::uint8_t* along;
  std::uint32_t* along_size;
};

// Every number of the blob's is read once and is bounded by the room that the caller gives.
sgx_status_t unseal(const sgx_sealed_data_t* blob, const Places& to) {
  if (blob == nullptr || !inside(blob, sizeof(*blob))) return SGX_ERROR_INVALID_PARAMETER;
  const std::uint32_t text_size = sgx_get_encrypt_txt_len(blob);
  const std::uint32_t along_size = sgx_get_add_mac_txt_len(blob);
  if (text_size == UINT32_MAX || along_size == UINT32_MAX) return SGX_ERROR_MAC_MISMATCH;
  const std::uint32_t size = sgx_calc_sealed_data_size(along_size, text_size);
  if (size == UINT32_MAX || !inside(blob, size)) return SGX_ERROR_INVALID_PARAMETER;
  const bool text_fits = text_size == 0 || (to.text != nullptr && *to.text_size >= text_size);
  const bool along_fits =
      along_size == 0 || to.along == nullptr || (to.along_size != nullptr && *to.along_size >= along_size);
  if (!text_fits || !along_fits || !inside(to.text, text_size) ||
      (to.along != nullptr && !inside(to.along, along_size))) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  Key key;
  const sgx_status_t got = sgx_get_key(&blob->key_request, &key.value);
  // A higher version's, another platform's: whatever the reason, it is not this enclave's.
  if (got == SGX_ERROR_INVALID_ISVSVN || got == SGX_ERROR_INVALID_CPUSVN) return got;
  if (got != SGX_SUCCESS) return SGX_ERROR_MAC_MISMATCH;
  const std::uint8_t* payload = blob->aes_data.payload;
  const sgx_status_t opened =
      sgx_rijndael128GCM_decrypt(&key.value, payload, text_size, to.text, kNonce, sizeof(kNonce), payload + text_size,
                                 along_size, &blob->aes_data.payload_tag);
  if (opened != SGX_SUCCESS) return opened;
  if (to.along != nullptr && along_size != 0) std::memcpy(to.along, payload + text_size, along_size);
  if (to.text_size != nullptr) *to.text_size = text_size;
  if (to.along_size != nullptr) *to.along_size = along_size;
  return SGX_SUCCESS;
}

}  // namespace
}  // namespace coffer::sgxsdk

using namespace coffer::sgxsdk;

extern "C" {

uint32_t sgx_calc_sealed_data_size(const uint32_t add_mac_txt_size, const uint32_t txt_encrypt_size) {
  const std::uint64_t size = std::uint64_t{add_mac_txt_size} + txt_encrypt_size + sizeof(sgx_sealed_data_t);
  return size >= UINT32_MAX ? UINT32_MAX : static_cast<std::uint32_t>(size);
}

uint32_t sgx_get_add_mac_txt_len(const sgx_sealed_data_t* p_sealed_data) {
  if (p_sealed_data == nullptr || p_sealed_data->plain_text_offset > p_sealed_data->aes_data.payload_size) {
    return UINT32_MAX;
  }
  return p_sealed_data->aes_data.payload_size - p_sealed_data->plain_text_offset;
}
uint32_t sgx_get_encrypt_txt_len(const sgx_sealed_data_t* p_sealed_data) {
  if (p_sealed_data == nullptr || p_sealed_data->plain_text_offset > p_sealed_data->aes_data.payload_size) {
    return UINT32_MAX;
  }
  return p_sealed_data->plain_text_offset;
}

sgx_status_t sgx_seal_data(const uint32_t along_size, const uint8_t* along, const uint32_t text_size,
                           const uint8_t* text, const uint32_t sealed_data_size, sgx_sealed_data_t* p_sealed_data) {
  return sgx_seal_data_ex(usual_policy(), {kUsualFlags, 0}, kUsualMisc, along_size, along, text_size, text,
                          sealed_data_size, p_sealed_data);
}
sgx_status_t sgx_seal_data_ex(const uint16_t key_policy, const sgx_attributes_t attribute_mask,
                              const sgx_misc_select_t misc_mask, const uint32_t along_size, const uint8_t* along,
                              const uint32_t text_size, const uint8_t* text, const uint32_t sealed_data_size,
                              sgx_sealed_data_t* p_sealed_data) {
  if (text == nullptr || text_size == 0) return SGX_ERROR_INVALID_PARAMETER;
  return seal(key_policy, attribute_mask, misc_mask, {text, text_size, along, along_size}, sealed_data_size,
              p_sealed_data);
}
sgx_status_t sgx_unseal_data(const sgx_sealed_data_t* p_sealed_data, uint8_t* along, uint32_t* along_size,
                             uint8_t* text, uint32_t* text_size) {
  if (text == nullptr || text_size == nullptr) return SGX_ERROR_INVALID_PARAMETER;
  return unseal(p_sealed_data, {text, text_size, along, along_size});
}

sgx_status_t sgx_mac_aadata(const uint32_t along_size, const uint8_t* along, const uint32_t sealed_data_size,
                            sgx_sealed_data_t* p_sealed_data) {
  return sgx_mac_aadata_ex(usual_policy(), {kUsualFlags, 0}, kUsualMisc, along_size, along, sealed_data_size,
                           p_sealed_data);
}
sgx_status_t sgx_mac_aadata_ex(const uint16_t key_policy, const sgx_attributes_t attribute_mask,
                               const sgx_misc_select_t misc_mask, const uint32_t along_size, const uint8_t* along,
                               const uint32_t sealed_data_size, sgx_sealed_data_t* p_sealed_data) {
  if (along == nullptr || along_size == 0) return SGX_ERROR_INVALID_PARAMETER;
  return seal(key_policy, attribute_mask, misc_mask, {nullptr, 0, along, along_size}, sealed_data_size, p_sealed_data);
}
sgx_status_t sgx_unmac_aadata(const sgx_sealed_data_t* p_sealed_data, uint8_t* along, uint32_t* along_size) {
  if (along == nullptr || along_size == nullptr || sgx_get_encrypt_txt_len(p_sealed_data) != 0) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  return unseal(p_sealed_data, {nullptr, nullptr, along, along_size});
}

}  // extern "C"
