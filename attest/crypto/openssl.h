// OpenSSL's objects with owners. Included by this room's sources only.
#pragma once

#include <openssl/err.h>
#include <openssl/evp.h>

#include <memory>

#include "attest/crypto/digest.h"

namespace coffer::attest::crypto {

template <auto kFree>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using KeyHandle = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;

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
