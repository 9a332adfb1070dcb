#include "compat/sgxsdk/enclave/protected_format.h"

#include <cstddef>
#include <cstring>

#include "base/secret.h"
#include "compat/sgxsdk/include/sgx_tcrypto.h"
#include "compat/sgxsdk/include/sgx_trts.h"
#include "compat/sgxsdk/include/sgx_utils.h"

namespace coffer::sgxsdk {
namespace {

constexpr std::uint8_t kMagic[8] = {'C', 'O', 'F', 'F', 'E', 'R', 'P', 'F'};
constexpr std::uint32_t kVersion = 1;
constexpr std::uint8_t kNonce[SGX_AESGCM_IV_SIZE] = {};

sgx_status_t hash_name(std::string_view name, std::uint8_t (&hash)[32]) {
  name.remove_prefix(name.rfind('/') + 1);  // npos + 1 is 0
  return sgx_sha256_msg(reinterpret_cast<const std::uint8_t*>(name.data()), static_cast<std::uint32_t>(name.size()),
                        &hash);
}

// What is authenticated besides the content: the header but for its tag.
const std::uint8_t* along(const ProtectedHeader& header) { return reinterpret_cast<const std::uint8_t*>(&header); }
constexpr std::uint32_t kAlongSize = offsetof(ProtectedHeader, tag);

sgx_status_t content_key(const FileKey& key, const ProtectedHeader& header, sgx_key_128bit_t& derived) {
  std::uint8_t mac[SGX_HMAC256_MAC_SIZE];
  const sgx_status_t status =
      sgx_hmac_sha256_msg(header.salt, sizeof(header.salt), key.value, sizeof(key.value), mac, sizeof(mac));
  std::memcpy(derived, mac, sizeof(derived));
  wipe(mac, sizeof(mac));
  return status;
}

sgx_status_t seal_key(FileKey& key) {
  sgx_key_request_t request{};
  request.key_name = SGX_KEYSELECT_SEAL;
  request.key_policy = SGX_KEYPOLICY_MRSIGNER;
  request.attribute_mask.flags = SGX_FLAGS_INITTED | SGX_FLAGS_DEBUG;
  request.cpu_svn = key.cpu_svn;
  request.isv_svn = key.isv_svn;
  request.key_id = key.key_id;
  return sgx_get_key(&request, &key.value);
}

}  // namespace

sgx_status_t make_sealed_key(FileKey& key) {
  const sgx_report_body_t& own = sgx_self_report()->body;
  key.kind = KeyKind::kSealed;
  key.cpu_svn = own.cpu_svn;
  key.isv_svn = own.isv_svn;
  const sgx_status_t drawn = sgx_read_rand(key.key_id.id, sizeof(key.key_id.id));
  return drawn == SGX_SUCCESS ? seal_key(key) : drawn;
}

sgx_status_t key_of(const ProtectedHeader& header, FileKey& key) {
  key.kind = KeyKind::kSealed;
  key.cpu_svn = header.cpu_svn;
  key.isv_svn = header.isv_svn;
  key.key_id = header.key_id;
  return seal_key(key);
}

sgx_status_t protect(const FileKey& key, std::string_view name, const std::vector<std::uint8_t>& content,
                     std::vector<std::uint8_t>& file) {
  ProtectedHeader header{};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.version = kVersion;
  header.key_kind = key.kind;
  header.cpu_svn = key.cpu_svn;
  header.isv_svn = key.isv_svn;
  header.key_id = key.key_id;
  header.size = content.size();
  sgx_status_t status = sgx_read_rand(header.salt, sizeof(header.salt));
  if (status == SGX_SUCCESS) status = hash_name(name, header.name_hash);
  sgx_key_128bit_t derived;
  if (status == SGX_SUCCESS) status = content_key(key, header, derived);
  if (status != SGX_SUCCESS) return status;
  file.resize(sizeof(header) + content.size());
  status = sgx_rijndael128GCM_encrypt(&derived, content.data(), static_cast<std::uint32_t>(content.size()),
                                      file.data() + sizeof(header), kNonce, sizeof(kNonce), along(header), kAlongSize,
                                      &header.tag);
  wipe(derived, sizeof(derived));
  std::memcpy(file.data(), &header, sizeof(header));
  return status;
}

sgx_status_t read_header(const std::vector<std::uint8_t>& file, std::string_view name, ProtectedHeader& header) {
  if (file.size() < sizeof(header)) return SGX_ERROR_FILE_NOT_SGX_FILE;
  std::memcpy(&header, file.data(), sizeof(header));
  const bool known = std::memcmp(header.magic, kMagic, sizeof(kMagic)) == 0 && header.version == kVersion &&
                     (header.key_kind == KeyKind::kGiven || header.key_kind == KeyKind::kSealed);
  if (!known) return SGX_ERROR_FILE_NOT_SGX_FILE;
  std::uint8_t hash[32];
  if (const sgx_status_t status = hash_name(name, hash); status != SGX_SUCCESS) return status;
  return std::memcmp(hash, header.name_hash, sizeof(hash)) == 0 ? SGX_SUCCESS : SGX_ERROR_FILE_NAME_MISMATCH;
}

sgx_status_t unprotect(const FileKey& key, std::string_view name, const std::vector<std::uint8_t>& file,
                       std::vector<std::uint8_t>& content) {
  ProtectedHeader header;
  if (const sgx_status_t status = read_header(file, name, header); status != SGX_SUCCESS) return status;
  const std::size_t size = file.size() - sizeof(header);
  if (header.size != size || size > kMostProtected) return SGX_ERROR_MAC_MISMATCH;
  sgx_key_128bit_t derived;
  if (const sgx_status_t status = content_key(key, header, derived); status != SGX_SUCCESS) return status;
  content.resize(size);
  const sgx_status_t status =
      sgx_rijndael128GCM_decrypt(&derived, file.data() + sizeof(header), static_cast<std::uint32_t>(size),
                                 content.data(), kNonce, sizeof(kNonce), along(header), kAlongSize, &header.tag);
  wipe(derived, sizeof(derived));
  return status;
}

}  // namespace coffer::sgxsdk
