#include "attest/crypto/private_key.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>

#include <algorithm>
#include <new>

#include "attest/crypto/openssl.h"
#include "attest/der/reader.h"

namespace coffer::attest::crypto {

struct PrivateKey::State {
  KeyHandle key;
  PublicKey public_key;
};

Result<PrivateKey> PrivateKey::generate() {
  const ErrorsTakenBack errors;
  KeyHandle key(EVP_EC_gen("P-256"));
  std::array<unsigned char, 65> point{};
  std::size_t size = 0;
  if (!key ||
      EVP_PKEY_get_octet_string_param(key.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size(), &size) != 1 ||
      size != point.size()) {
    return fail(ErrorKind::kSystem, "OpenSSL cannot make a key of P-256");
  }
  auto made = PublicKey::from_point(KeyKind::kP256, std::as_bytes(std::span(point)).subspan(1));
  if (!made) return std::unexpected(made.error());
  return PrivateKey(std::make_shared<const State>(State{.key = std::move(key), .public_key = std::move(*made)}));
}

const PublicKey& PrivateKey::public_key() const { return state_->public_key; }

std::vector<std::byte> PrivateKey::sign_der(ByteView message) const {
  const Digest hash = digest(Hash::kSha256, message);
  const KeyContext context(EVP_PKEY_CTX_new(state_->key.get(), nullptr));
  std::vector<std::byte> signature(80);
  std::size_t size = signature.size();
  if (!context || EVP_PKEY_sign_init(context.get()) != 1 ||
      EVP_PKEY_sign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, octets(hash),
                    hash.size()) != 1) {
    throw std::bad_alloc();
  }
  signature.resize(size);
  return signature;
}

std::array<std::byte, 64> PrivateKey::sign(ByteView message) const {
  const std::vector<std::byte> der = sign_der(message);
  std::array<std::byte, 64> raw{};
  auto numbers = der::Reader(der).enter(der::kSequence);
  for (const std::ptrdiff_t end : {32, 64}) {
    const auto number = numbers ? numbers->read(der::kInteger) : std::nullopt;
    const auto value = number ? der::magnitude(number->content) : std::nullopt;
    if (value) std::ranges::copy(*value, raw.begin() + end - static_cast<std::ptrdiff_t>(value->size()));
  }
  return raw;
}

}  // namespace coffer::attest::crypto
