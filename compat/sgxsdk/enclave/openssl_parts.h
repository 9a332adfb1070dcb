// OpenSSL's objects as owners, and what the crypto functions of the SDK share.
#pragma once

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/freed.h"
#include "compat/sgxsdk/include/sgx_tcrypto.h"

namespace coffer::sgxsdk {

using Number = std::unique_ptr<BIGNUM, FreedBy<BN_clear_free>>;
using Key = std::unique_ptr<EVP_PKEY, FreedBy<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, FreedBy<EVP_PKEY_CTX_free>>;
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, FreedBy<EVP_CIPHER_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, FreedBy<EVP_MD_CTX_free>>;
using MacContext = std::unique_ptr<EVP_MAC_CTX, FreedBy<EVP_MAC_CTX_free>>;

[[nodiscard]] inline Number little_endian(const void* bytes, std::size_t size) {
  return Number(BN_lebin2bn(static_cast<const unsigned char*>(bytes), static_cast<int>(size), nullptr));
}
[[nodiscard]] inline bool to_little_endian(const BIGNUM* number, void* bytes, std::size_t size) {
  return BN_bn2lebinpad(number, static_cast<unsigned char*>(bytes), static_cast<int>(size)) >= 0;
}

// A length that OpenSSL, which counts in int, takes.
[[nodiscard]] inline bool countable(std::uint64_t size) { return size <= 0x7fffffff; }
[[nodiscard]] inline bool readable(const void* bytes, std::uint64_t size) {
  return countable(size) && (bytes != nullptr || size == 0);
}

[[nodiscard]] inline sgx_status_t done(bool succeeded) { return succeeded ? SGX_SUCCESS : SGX_ERROR_UNEXPECTED; }

}  // namespace coffer::sgxsdk
