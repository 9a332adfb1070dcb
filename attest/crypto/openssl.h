// OpenSSL's objects with owners. Included by this room's sources only.
#pragma once

#include <openssl/err.h>
#include <openssl/evp.h>

#include <memory>

#include "attest/crypto/digest.h"
#include "base/freed.h"

namespace coffer::attest::crypto {

using KeyHandle = std::unique_ptr<EVP_PKEY, FreedBy<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, FreedBy<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, FreedBy<EVP_MD_CTX_free>>;

// Takes back what a refusal left in this thread's queue of OpenSSL errors, which somebody else may read.
class ErrorsTakenBack {
 public:
  ErrorsTakenBack() { ERR_set_mark(); }
  ~ErrorsTakenBack() { ERR_pop_to_mark(); }
  ErrorsTakenBack(const ErrorsTakenBack&) = delete;
  ErrorsTakenBack& operator=(const ErrorsTakenBack&) = delete;
};

// Fetched once: what OpenSSL looks up by name each time costs as much as hashing a kilobyte.
[[nodiscard]] const EVP_MD* algorithm_of(Hash hash);

inline const unsigned char* octets(ByteView bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }

}  // namespace coffer::attest::crypto
