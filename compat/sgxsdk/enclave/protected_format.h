// How a protected file stands in the application's storage: a header, then the content, AES-128-GCM.
//
// Each writing has a key of its own: the first half of HMAC-SHA256(K, salt), K being the caller's key or EGETKEY's seal
// key (MRSIGNER) for the header's KEYID; so the nonce is zero. Header and name are authenticated with the content.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "compat/sgxsdk/include/sgx_error.h"
#include "compat/sgxsdk/include/sgx_key.h"

namespace coffer::sgxsdk {

inline constexpr std::uint64_t kMostProtected = std::uint64_t{1} << 30;  // bytes of content

enum class KeyKind : std::uint32_t { kGiven = 0, kSealed = 1 };

struct ProtectedHeader {
  std::uint8_t magic[8];
  std::uint32_t version;
  KeyKind key_kind;
  sgx_cpu_svn_t cpu_svn;  // of the enclave that made the key, as everything up to key_id
  sgx_isv_svn_t isv_svn;
  std::uint8_t reserved[6];
  sgx_key_id_t key_id;
  std::uint8_t salt[32];
  std::uint8_t name_hash[32];  // SHA-256 of the name without folders
  std::uint64_t size;          // of the content
  std::uint8_t tag[16];        // not authenticated with the rest, of course
};
static_assert(sizeof(ProtectedHeader) == 160);

// The key that a file's keys come from. Wiped by its owner.
struct FileKey {
  KeyKind kind = KeyKind::kGiven;
  sgx_cpu_svn_t cpu_svn{};
  sgx_isv_svn_t isv_svn = 0;
  sgx_key_id_t key_id{};
  sgx_key_128bit_t value{};
};

// A new one of this enclave's signer, or the one that a header names.
[[nodiscard]] sgx_status_t make_sealed_key(FileKey& key);
[[nodiscard]] sgx_status_t key_of(const ProtectedHeader& header, FileKey& key);

// `name` without folders is bound in. Content up to kMostProtected.
[[nodiscard]] sgx_status_t protect(const FileKey& key, std::string_view name, const std::vector<std::uint8_t>& content,
                                   std::vector<std::uint8_t>& file);
// Whether the file has a header at all: SGX_ERROR_FILE_NOT_SGX_FILE where not, SGX_ERROR_FILE_NAME_MISMATCH where it
// was made under another name.
[[nodiscard]] sgx_status_t read_header(const std::vector<std::uint8_t>& file, std::string_view name,
                                       ProtectedHeader& header);
// SGX_ERROR_MAC_MISMATCH: changed, or another key's.
[[nodiscard]] sgx_status_t unprotect(const FileKey& key, std::string_view name, const std::vector<std::uint8_t>& file,
                                     std::vector<std::uint8_t>& content);

}  // namespace coffer::sgxsdk
