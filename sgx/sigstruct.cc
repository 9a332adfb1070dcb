#include "sgx/sigstruct.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/freed.h"

namespace coffer::sgx {

namespace {

void free_bio(BIO* bio) { BIO_free(bio); }
using Number = std::unique_ptr<BIGNUM, FreedBy<BN_clear_free>>;
using NumberContext = std::unique_ptr<BN_CTX, FreedBy<BN_CTX_free>>;
using Key = std::unique_ptr<EVP_PKEY, FreedBy<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, FreedBy<EVP_PKEY_CTX_free>>;
using Stream = std::unique_ptr<BIO, FreedBy<free_bio>>;

constexpr int kKeyBits = 3072;
constexpr std::uint32_t kExponent = 3;
constexpr std::size_t kSignedStart = 0, kSignedSize = 128;
constexpr std::size_t kSignedBodyStart = 900, kSignedBodySize = 128;
constexpr std::uint32_t kVendorIntel = 0x8086;

constexpr Bytes<16> kHeader = {0x06, 0, 0, 0, 0xe1, 0, 0, 0, 0, 0, 0x01, 0, 0, 0, 0, 0};
constexpr Bytes<16> kHeader2 = {0x01, 0x01, 0, 0, 0x60, 0, 0, 0, 0x60, 0, 0, 0, 0x01, 0, 0, 0};

// DER of DigestInfo for SHA-256 up to the digest (RFC 8017, 9.2 note 1).
constexpr Bytes<19> kDigestInfo = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                   0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};

std::string openssl_reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "no reason given" : reason;
}

Number from_little_endian(const Bytes<kModulusSize>& bytes) {
  return Number(BN_lebin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
}

bool to_little_endian(const BIGNUM* number, Bytes<kModulusSize>& bytes) {
  return BN_bn2lebinpad(number, bytes.data(), static_cast<int>(bytes.size())) == static_cast<int>(bytes.size());
}

Bytes<32> sha256(const std::uint8_t* data, std::size_t size) {
  Bytes<32> digest{};
  unsigned length = 0;
  EVP_Digest(data, size, digest.data(), &length, EVP_sha256(), nullptr);
  return digest;
}

struct Quotients {
  Number q1, q2;
  Number message;  // S^3 mod M
};

// Nothing where the modulus is zero, S is not below it, or memory runs out.
std::optional<Quotients> divide(const BIGNUM* signature, const BIGNUM* modulus) {
  if (BN_is_zero(modulus) || BN_cmp(signature, modulus) >= 0) return std::nullopt;
  NumberContext context(BN_CTX_new());
  Number product(BN_new()), remainder(BN_new());
  Quotients result{Number(BN_new()), Number(BN_new()), Number(BN_new())};
  if (!context || !product || !remainder || !result.q1 || !result.q2 || !result.message) return std::nullopt;
  const bool done = BN_sqr(product.get(), signature, context.get()) == 1 &&
                    BN_div(result.q1.get(), remainder.get(), product.get(), modulus, context.get()) == 1 &&
                    // S^3 - Q1*S*M is S * (S^2 mod M).
                    BN_mul(product.get(), signature, remainder.get(), context.get()) == 1 &&
                    BN_div(result.q2.get(), result.message.get(), product.get(), modulus, context.get()) == 1;
  if (!done) return std::nullopt;
  return result;
}

// EMSA-PKCS1-v1_5 over the structure's digest, big-endian.
Bytes<kModulusSize> padded_digest(const Bytes<32>& digest) {
  Bytes<kModulusSize> message;
  message.fill(0xff);
  message[0] = 0;
  message[1] = 1;
  auto tail = message.end() - static_cast<std::ptrdiff_t>(kDigestInfo.size() + digest.size());
  *(tail - 1) = 0;
  tail = std::copy(kDigestInfo.begin(), kDigestInfo.end(), tail);
  std::copy(digest.begin(), digest.end(), tail);
  return message;
}

template <std::size_t Size>
bool all_zero(const Bytes<Size>& bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

// The manual gives HEADER as one fixed string, but the top bit of its last word ("signed as debug") is free: Intel's
// launch enclave of 2016, which processors do start, has it set.
bool is_fixed_header(Bytes<16> header) {
  header[15] &= 0x7f;
  return header == kHeader;
}

bool header_is_valid(const Sigstruct& sigstruct) {
  return is_fixed_header(sigstruct.header) && sigstruct.header2 == kHeader2 &&
         (sigstruct.vendor == 0 || sigstruct.vendor == kVendorIntel) && sigstruct.exponent == kExponent &&
         all_zero(sigstruct.reserved1) && all_zero(sigstruct.reserved2) && all_zero(sigstruct.reserved3) &&
         all_zero(sigstruct.reserved4);
}

// An encrypted PEM file is refused instead of asked for a passphrase on the terminal.
int no_passphrase(char*, int, int, void*) { return -1; }

}  // namespace

struct SigningKey::State {
  Key key;
  bool is_private = false;
};

SigningKey::SigningKey(std::unique_ptr<State> state) : state_(std::move(state)) {}
SigningKey::SigningKey(SigningKey&&) noexcept = default;
SigningKey& SigningKey::operator=(SigningKey&&) noexcept = default;
SigningKey::~SigningKey() = default;

Result<SigningKey> SigningKey::generate() {
  KeyContext context(EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, nullptr));
  Number exponent(BN_new());
  EVP_PKEY* made = nullptr;
  if (!context || !exponent || BN_set_word(exponent.get(), kExponent) != 1 ||
      EVP_PKEY_keygen_init(context.get()) <= 0 || EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), kKeyBits) <= 0 ||
      EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context.get(), exponent.get()) <= 0 ||
      EVP_PKEY_keygen(context.get(), &made) <= 0) {
    return fail(ErrorKind::kSystem, "no signing key could be made: " + openssl_reason());
  }
  return SigningKey(std::make_unique<State>(Key(made), true));
}

Result<SigningKey> SigningKey::from_pem(std::string_view pem) {
  if (pem.size() > std::size_t{1} << 20) return input_error("the key file is larger than a PEM key can be");
  const auto open = [&] { return Stream(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))); };
  Stream stream = open();
  Key key(PEM_read_bio_PrivateKey(stream.get(), nullptr, no_passphrase, nullptr));
  const bool is_private = key != nullptr;
  if (!key) {
    stream = open();
    key.reset(PEM_read_bio_PUBKEY(stream.get(), nullptr, no_passphrase, nullptr));
  }
  ERR_clear_error();
  if (!key) {
    return input_error(
        pem.find("ENCRYPTED") != std::string_view::npos
            ? "the key is protected by a passphrase; decrypt it first (openssl pkey -in FILE -out PLAIN)"
            : "the key is not an unencrypted PEM private or public key; make one with `coffer key new FILE`");
  }
  if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA) {
    return input_error("the key is not an RSA key; SGX signs with RSA-3072, exponent 3 (`coffer key new FILE`)");
  }
  if (EVP_PKEY_get_bits(key.get()) != kKeyBits) {
    return input_error("the key has " + std::to_string(EVP_PKEY_get_bits(key.get())) +
                       " bits; SGX signs with RSA-3072, exponent 3 (`coffer key new FILE`)");
  }
  BIGNUM* found = nullptr;
  EVP_PKEY_get_bn_param(key.get(), OSSL_PKEY_PARAM_RSA_E, &found);
  const Number exponent(found);
  if (!exponent || BN_is_word(exponent.get(), kExponent) != 1) {
    const BN_ULONG word = exponent ? BN_get_word(exponent.get()) : 0;
    return input_error("the key's public exponent is " +
                       (word == std::numeric_limits<BN_ULONG>::max() ? "very large" : std::to_string(word)) +
                       "; SGX signs with RSA-3072, exponent 3 (`coffer key new FILE`)");
  }
  return SigningKey(std::make_unique<State>(std::move(key), is_private));
}

bool SigningKey::is_private() const { return state_->is_private; }

Bytes<kModulusSize> SigningKey::modulus() const {
  BIGNUM* found = nullptr;
  EVP_PKEY_get_bn_param(state_->key.get(), OSSL_PKEY_PARAM_RSA_N, &found);
  const Number modulus(found);
  Bytes<kModulusSize> bytes{};
  if (modulus) to_little_endian(modulus.get(), bytes);
  return bytes;
}

Result<std::string> SigningKey::private_pem() const {
  if (!is_private()) return input_error("the key is a public key; its private half is not here");
  Stream stream(BIO_new(BIO_s_secmem()));
  if (!stream ||
      PEM_write_bio_PrivateKey(stream.get(), state_->key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return fail(ErrorKind::kSystem, "the private key could not be written as PEM: " + openssl_reason());
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(stream.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

Result<std::string> SigningKey::public_pem() const {
  Stream stream(BIO_new(BIO_s_mem()));
  if (!stream || PEM_write_bio_PUBKEY(stream.get(), state_->key.get()) != 1) {
    return fail(ErrorKind::kSystem, "the public key could not be written as PEM: " + openssl_reason());
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(stream.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

MrSigner mrsigner_of(const Sigstruct& sigstruct) {
  return MrSigner{sha256(sigstruct.modulus.data(), sigstruct.modulus.size())};
}

void set_fixed_fields(Sigstruct& sigstruct) {
  sigstruct.header = kHeader;
  sigstruct.header2 = kHeader2;
  sigstruct.exponent = kExponent;
}

Bytes<256> signed_bytes(const Sigstruct& sigstruct) {
  Bytes<256> bytes;
  const ByteView whole = bytes_of(sigstruct);
  std::memcpy(bytes.data(), whole.data() + kSignedStart, kSignedSize);
  std::memcpy(bytes.data() + kSignedSize, whole.data() + kSignedBodyStart, kSignedBodySize);
  return bytes;
}

Bytes<32> digest_to_sign(const Sigstruct& sigstruct) {
  const Bytes<256> bytes = signed_bytes(sigstruct);
  return sha256(bytes.data(), bytes.size());
}

Result<void> sign(Sigstruct& sigstruct, const SigningKey& key) {
  if (!key.is_private()) return input_error("the key is a public key; signing needs the private one");
  const Bytes<32> digest = digest_to_sign(sigstruct);
  Bytes<kModulusSize> signature{};
  std::size_t size = signature.size();
  KeyContext context(EVP_PKEY_CTX_new(key.state_->key.get(), nullptr));
  if (!context || EVP_PKEY_sign_init(context.get()) <= 0 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) <= 0 ||
      EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) <= 0 ||
      EVP_PKEY_sign(context.get(), signature.data(), &size, digest.data(), digest.size()) <= 0) {
    return fail(ErrorKind::kSystem, "the enclave could not be signed: " + openssl_reason());
  }
  return attach_signature(sigstruct, key, std::as_bytes(std::span(signature).first(size)));
}

Result<void> attach_signature(Sigstruct& sigstruct, const SigningKey& key, ByteView signature) {
  if (signature.size() != kModulusSize) {
    return input_error("the signature has " + std::to_string(signature.size()) +
                       " bytes; an RSA-3072 signature has 384 (raw, big-endian)");
  }
  Sigstruct candidate = sigstruct;
  candidate.modulus = key.modulus();
  candidate.exponent = kExponent;
  std::memcpy(candidate.signature.data(), signature.data(), signature.size());
  std::reverse(candidate.signature.begin(), candidate.signature.end());
  const Number s = from_little_endian(candidate.signature), m = from_little_endian(candidate.modulus);
  const auto quotients = s && m ? divide(s.get(), m.get()) : std::nullopt;
  if (quotients) {
    to_little_endian(quotients->q1.get(), candidate.q1);
    to_little_endian(quotients->q2.get(), candidate.q2);
  }
  switch (quotients ? verify(candidate) : LeafError::kInvalidSignature) {
    case LeafError::kSuccess:
      sigstruct = candidate;
      return {};
    case LeafError::kInvalidSignature:
      return refused(
          "the signature does not verify: it was made over other bytes, with another key, or not as PKCS #1 "
          "v1.5 with SHA-256");
    default:
      return input_error("the SIGSTRUCT's header, vendor or reserved fields are not as EINIT asks");
  }
}

LeafError verify(const Sigstruct& sigstruct) {
  if (!header_is_valid(sigstruct)) return LeafError::kInvalidSigStruct;
  const Number signature = from_little_endian(sigstruct.signature), modulus = from_little_endian(sigstruct.modulus);
  if (!signature || !modulus) return LeafError::kInvalidSignature;
  const auto quotients = divide(signature.get(), modulus.get());
  if (!quotients) return LeafError::kInvalidSignature;

  Bytes<kModulusSize> q1{}, q2{}, message{};
  if (!to_little_endian(quotients->q1.get(), q1) || !to_little_endian(quotients->q2.get(), q2) ||
      !to_little_endian(quotients->message.get(), message)) {
    return LeafError::kInvalidSignature;
  }
  std::reverse(message.begin(), message.end());
  const bool valid = q1 == sigstruct.q1 && q2 == sigstruct.q2 && message == padded_digest(digest_to_sign(sigstruct));
  return valid ? LeafError::kSuccess : LeafError::kInvalidSignature;
}

}  // namespace coffer::sgx
