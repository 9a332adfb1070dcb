#include "node/quoting/certificates.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <cstring>
#include <ctime>
#include <initializer_list>

#include "base/freed.h"
#include "base/hex.h"

namespace coffer::node {
namespace {

using Certificate = std::unique_ptr<X509, FreedBy<X509_free>>;
using List = std::unique_ptr<X509_CRL, FreedBy<X509_CRL_free>>;
using RevokedEntry = std::unique_ptr<X509_REVOKED, FreedBy<X509_REVOKED_free>>;
using Name = std::unique_ptr<X509_NAME, FreedBy<X509_NAME_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, FreedBy<X509_EXTENSION_free>>;
using Memory = std::unique_ptr<BIO, FreedBy<BIO_free_all>>;
using Key = std::unique_ptr<EVP_PKEY, FreedBy<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, FreedBy<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, FreedBy<EVP_MD_CTX_free>>;
using RawSignature = std::unique_ptr<ECDSA_SIG, FreedBy<ECDSA_SIG_free>>;
using Number = std::unique_ptr<BIGNUM, FreedBy<BN_free>>;
using Integer = std::unique_ptr<ASN1_INTEGER, FreedBy<ASN1_INTEGER_free>>;
using Time = std::unique_ptr<ASN1_TIME, FreedBy<ASN1_TIME_free>>;
using ObjectId = std::unique_ptr<ASN1_OBJECT, FreedBy<ASN1_OBJECT_free>>;
using OctetString = std::unique_ptr<ASN1_OCTET_STRING, FreedBy<ASN1_OCTET_STRING_free>>;
using ParameterBuilder = std::unique_ptr<OSSL_PARAM_BLD, FreedBy<OSSL_PARAM_BLD_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, FreedBy<OSSL_PARAM_free>>;

std::unexpected<Error> failed(std::string_view what) {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return fail(ErrorKind::kSystem,
              "cannot make " + std::string(what) + ": OpenSSL says " + (reason == nullptr ? "nothing more" : reason));
}

std::string text_of(BIO* memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  return {data, static_cast<std::size_t>(size)};
}

Certificate read_certificate(std::string_view pem) {
  const Memory memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return Certificate(memory == nullptr ? nullptr : PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr));
}

// Everything but the name as Intel's certificates have it, so that what reads theirs reads these.
Name make_name(std::string_view common_name) {
  Name name(X509_NAME_new());
  const auto add = [&name](const char* field, std::string_view text) {
    return X509_NAME_add_entry_by_txt(name.get(), field, MBSTRING_UTF8,
                                      reinterpret_cast<const unsigned char*>(text.data()),
                                      static_cast<int>(text.size()), -1, 0) == 1;
  };
  if (name == nullptr || !add("CN", common_name) || !add("O", "Coffer software platform")) return nullptr;
  return name;
}

bool set_times(X509* certificate, const Validity& validity) {
  return ASN1_TIME_set(X509_getm_notBefore(certificate), validity.from) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), validity.to) != nullptr;
}

// 20 bytes, positive, of full length whatever the random numbers.
bool set_serial(X509* certificate) {
  unsigned char bytes[20];
  if (RAND_bytes(bytes, sizeof(bytes)) != 1) return false;
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x3F) | 0x40);
  const Number number(BN_bin2bn(bytes, sizeof(bytes), nullptr));
  return number != nullptr && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context{};
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

// What stands in every certificate; `authority` is a path length, -1 for none.
struct Profile {
  std::string_view name;
  EVP_PKEY* key = nullptr;
  X509* issuer = nullptr;  // null: itself
  EVP_PKEY* issuer_key = nullptr;
  Validity validity;
  int authority = -1;
  std::string crl_url;
  const SgxExtension* platform = nullptr;
};

bool add_platform(X509* certificate, const SgxExtension& platform) {
  const auto value = encode(platform);
  const ObjectId id(OBJ_txt2obj("1.2.840.113741.1.13.1", 1));
  const OctetString octets(ASN1_OCTET_STRING_new());
  if (id == nullptr || octets == nullptr ||
      ASN1_OCTET_STRING_set(octets.get(), reinterpret_cast<const unsigned char*>(value.data()),
                            static_cast<int>(value.size())) != 1) {
    return false;
  }
  const Extension extension(X509_EXTENSION_create_by_OBJ(nullptr, id.get(), 0, octets.get()));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

Result<std::string> make(const Profile& profile) {
  const Certificate certificate(X509_new());
  const Name name = make_name(profile.name);
  X509* made = certificate.get();
  if (made == nullptr || name == nullptr) return failed("a certificate");
  X509* issuer = profile.issuer == nullptr ? made : profile.issuer;
  const bool authority = profile.authority >= 0;
  const std::string constraints =
      authority ? "critical,CA:TRUE,pathlen:" + std::to_string(profile.authority) : "critical,CA:FALSE";
  const bool done =
      X509_set_version(made, X509_VERSION_3) == 1 && set_serial(made) && X509_set_subject_name(made, name.get()) == 1 &&
      X509_set_issuer_name(made, X509_get_subject_name(issuer)) == 1 && set_times(made, profile.validity) &&
      X509_set_pubkey(made, profile.key) == 1 &&
      // A key's own id before its issuer's: of a root they are the same.
      add_extension(made, issuer, NID_subject_key_identifier, "hash") &&
      add_extension(made, issuer, NID_authority_key_identifier, "keyid:always") &&
      add_extension(made, issuer, NID_crl_distribution_points, "URI:" + profile.crl_url) &&
      add_extension(made, issuer, NID_key_usage,
                    authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature,nonRepudiation") &&
      add_extension(made, issuer, NID_basic_constraints, constraints) &&
      (profile.platform == nullptr || add_platform(made, *profile.platform)) &&
      X509_sign(made, profile.issuer_key, EVP_sha256()) != 0;
  const Memory memory(BIO_new(BIO_s_mem()));
  if (!done || memory == nullptr || PEM_write_bio_X509(memory.get(), made) != 1) return failed("a certificate");
  return text_of(memory.get());
}

Key public_key_of(const quoting::Point& point) {
  unsigned char encoded[65] = {4};
  std::memcpy(encoded + 1, point.data(), point.size());
  const ParameterBuilder builder(OSSL_PARAM_BLD_new());
  if (builder == nullptr ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, encoded, sizeof(encoded)) != 1) {
    return nullptr;
  }
  const Parameters parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* key = nullptr;
  if (parameters == nullptr || context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
    return nullptr;
  }
  return Key(key);
}

Result<std::string> make_below(const Issuer& issuer, Profile profile) {
  const Certificate above = read_certificate(issuer.certificate);
  if (above == nullptr) return failed("a certificate: its issuer's is unreadable");
  profile.issuer = above.get();
  profile.issuer_key = issuer.key->get();
  return make(profile);
}

// --- DER, as far as the extension needs it.

using Der = std::vector<std::byte>;

Der element(std::uint8_t tag, std::initializer_list<Der> contents) {
  Der body;
  for (const Der& content : contents) body.insert(body.end(), content.begin(), content.end());
  Der result{static_cast<std::byte>(tag)};
  if (body.size() >= 256) {
    result.push_back(std::byte{0x82});
    result.push_back(static_cast<std::byte>(body.size() >> 8));
  } else if (body.size() >= 128) {
    result.push_back(std::byte{0x81});
  }
  result.push_back(static_cast<std::byte>(body.size()));
  result.insert(result.end(), body.begin(), body.end());
  return result;
}

constexpr std::uint8_t kBoolean = 0x01, kInteger = 0x02, kOctets = 0x04, kObject = 0x06, kEnumerated = 0x0a,
                       kSequence = 0x30;

// 1.2.840.113741.1.13.1 and what stands below it.
Der sgx_oid(std::initializer_list<std::uint8_t> below) {
  Der contents{std::byte{0x2a}, std::byte{0x86}, std::byte{0x48}, std::byte{0x86}, std::byte{0xf8},
               std::byte{0x4d}, std::byte{0x01}, std::byte{0x0d}, std::byte{0x01}};
  for (const std::uint8_t arc : below) contents.push_back(static_cast<std::byte>(arc));
  return element(kObject, {contents});
}

Der integer(unsigned value) {
  Der contents;
  if (value > 0xff) contents.push_back(static_cast<std::byte>(value >> 8));
  contents.push_back(static_cast<std::byte>(value));
  if ((contents.front() & std::byte{0x80}) != std::byte{}) contents.insert(contents.begin(), std::byte{});
  return element(kInteger, {contents});
}

template <std::size_t Size>
Der octets(const sgx::Bytes<Size>& bytes) {
  const ByteView view = bytes_of(bytes);
  return element(kOctets, {Der(view.begin(), view.end())});
}

Der boolean(bool value) { return element(kBoolean, {Der{value ? std::byte{0xff} : std::byte{}}}); }

Der pair(std::initializer_list<std::uint8_t> below, const Der& value) {
  return element(kSequence, {sgx_oid(below), value});
}

}  // namespace

std::vector<std::byte> encode(const SgxExtension& extension) {
  Der tcb;
  const auto add = [&tcb](const Der& der) { tcb.insert(tcb.end(), der.begin(), der.end()); };
  for (std::uint8_t at = 0; at < 16; ++at) {
    add(pair({2, static_cast<std::uint8_t>(at + 1)}, integer(extension.components[at])));
  }
  add(pair({2, 17}, integer(extension.pce_svn)));
  add(pair({2, 18}, octets(extension.cpu_svn)));
  const Der configuration = element(kSequence, {pair({7, 1}, boolean(true)),     // dynamic platform
                                                pair({7, 2}, boolean(false)),    // cached keys
                                                pair({7, 3}, boolean(false))});  // SMT enabled
  constexpr std::byte kStandard{0};                                              // SGX type
  return element(kSequence, {pair({1}, octets(extension.ppid)), pair({2}, element(kSequence, {tcb})),
                             pair({3}, octets(extension.pce_id)), pair({4}, octets(extension.fmspc)),
                             pair({5}, element(kEnumerated, {Der{kStandard}})),
                             pair({6}, octets(extension.platform_instance)), pair({7}, configuration)});
}

void AuthorityKey::Free::operator()(evp_pkey_st* key) const { EVP_PKEY_free(key); }

Result<AuthorityKey> AuthorityKey::generate() {
  EVP_PKEY* key = EVP_EC_gen("prime256v1");
  if (key == nullptr) return failed("a key");
  return AuthorityKey(key);
}

Result<AuthorityKey> AuthorityKey::from_pem(std::string_view pem) {
  const Memory memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  EVP_PKEY* key = memory == nullptr ? nullptr : PEM_read_bio_PrivateKey(memory.get(), nullptr, nullptr, nullptr);
  if (key == nullptr) {
    ERR_clear_error();
    return input_error("not a private key in PEM");
  }
  return AuthorityKey(key);
}

Result<std::string> AuthorityKey::private_pem() const {
  const Memory memory(BIO_new(BIO_s_secmem()));
  if (memory == nullptr ||
      PEM_write_bio_PKCS8PrivateKey(memory.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return failed("a key file");
  }
  return text_of(memory.get());
}

Result<quoting::Signature> AuthorityKey::sign(ByteView message) const {
  const DigestContext context(EVP_MD_CTX_new());
  unsigned char encoded[80];
  std::size_t size = sizeof(encoded);
  if (context == nullptr ||
      EVP_DigestSignInit_ex(context.get(), nullptr, "SHA256", nullptr, nullptr, key_.get(), nullptr) != 1 ||
      EVP_DigestSign(context.get(), encoded, &size, reinterpret_cast<const unsigned char*>(message.data()),
                     message.size()) != 1) {
    return failed("a signature");
  }
  const unsigned char* position = encoded;
  const RawSignature raw(d2i_ECDSA_SIG(nullptr, &position, static_cast<long>(size)));
  quoting::Signature signature{};
  if (raw == nullptr || BN_bn2binpad(ECDSA_SIG_get0_r(raw.get()), signature.data(), 32) != 32 ||
      BN_bn2binpad(ECDSA_SIG_get0_s(raw.get()), signature.data() + 32, 32) != 32) {
    return failed("a signature");
  }
  return signature;
}

Result<std::string> make_root(std::string_view name, const AuthorityKey& key, const Validity& validity,
                              std::string_view crl_url) {
  return make({.name = name,
               .key = key.get(),
               .issuer_key = key.get(),
               .validity = validity,
               .authority = 1,
               .crl_url = std::string(crl_url)});
}

Result<std::string> make_platform_ca(std::string_view name, const AuthorityKey& key, const Issuer& issuer,
                                     const Validity& validity, std::string_view crl_url) {
  return make_below(
      issuer, {.name = name, .key = key.get(), .validity = validity, .authority = 0, .crl_url = std::string(crl_url)});
}

Result<std::string> make_signer(std::string_view name, const AuthorityKey& key, const Issuer& issuer,
                                const Validity& validity, std::string_view crl_url) {
  return make_below(issuer, {.name = name, .key = key.get(), .validity = validity, .crl_url = std::string(crl_url)});
}

Result<std::string> make_pck(std::string_view name, const quoting::Point& key, const SgxExtension& extension,
                             const Issuer& issuer, const Validity& validity, std::string_view crl_url) {
  const Key public_key = public_key_of(key);
  if (public_key == nullptr) return failed("a PCK certificate: its key is no point of P-256");
  return make_below(issuer, {.name = name,
                             .key = public_key.get(),
                             .validity = validity,
                             .crl_url = std::string(crl_url),
                             .platform = &extension});
}

Result<std::string> serial_of(std::string_view certificate) {
  const Certificate read = read_certificate(certificate);
  const Number number(read == nullptr ? nullptr : ASN1_INTEGER_to_BN(X509_get0_serialNumber(read.get()), nullptr));
  if (number == nullptr) return failed("out a serial number");
  std::vector<std::byte> bytes(static_cast<std::size_t>(BN_num_bytes(number.get())));
  BN_bn2bin(number.get(), reinterpret_cast<unsigned char*>(bytes.data()));
  return to_hex(bytes);
}

namespace {
Result<Seconds> seconds_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return failed("out a time");
  return static_cast<Seconds>(::timegm(&parts));
}
}  // namespace

Result<Seconds> end_of(std::string_view certificate) {
  const Certificate read = read_certificate(certificate);
  return seconds_of(read == nullptr ? nullptr : X509_get0_notAfter(read.get()));
}

Result<Seconds> next_update_of(ByteView list) {
  const auto* position = reinterpret_cast<const unsigned char*>(list.data());
  const List read(d2i_X509_CRL(nullptr, &position, static_cast<long>(list.size())));
  return seconds_of(read == nullptr ? nullptr : X509_CRL_get0_nextUpdate(read.get()));
}

namespace {

bool add_revoked(X509_CRL* list, const Revoked& revoked) {
  RevokedEntry entry(X509_REVOKED_new());
  const auto bytes = from_hex(revoked.serial);
  const Number number(
      bytes ? BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes->data()), static_cast<int>(bytes->size()), nullptr)
            : nullptr);
  const Integer serial(number == nullptr ? nullptr : BN_to_ASN1_INTEGER(number.get(), nullptr));
  const Time date(ASN1_TIME_set(nullptr, revoked.date));
  if (entry == nullptr || serial == nullptr || date == nullptr ||
      X509_REVOKED_set_serialNumber(entry.get(), serial.get()) != 1 ||
      X509_REVOKED_set_revocationDate(entry.get(), date.get()) != 1 || X509_CRL_add0_revoked(list, entry.get()) != 1) {
    return false;
  }
  (void)entry.release();  // the list's now
  return true;
}

bool add_list_extensions(X509_CRL* list, X509* issuer, std::uint64_t number) {
  X509V3_CTX context{};
  X509V3_set_ctx(&context, issuer, nullptr, nullptr, list, 0);
  const Integer value(ASN1_INTEGER_new());
  const Extension key_id(X509V3_EXT_conf_nid(nullptr, &context, NID_authority_key_identifier, "keyid:always"));
  return value != nullptr && key_id != nullptr && ASN1_INTEGER_set_uint64(value.get(), number) == 1 &&
         X509_CRL_add1_ext_i2d(list, NID_crl_number, value.get(), 0, 0) == 1 &&
         X509_CRL_add_ext(list, key_id.get(), -1) == 1;
}

}  // namespace

Result<std::vector<std::byte>> make_revocation_list(const Issuer& issuer, const std::vector<Revoked>& revoked,
                                                    const Validity& validity, std::uint64_t number) {
  const Certificate above = read_certificate(issuer.certificate);
  const List list(X509_CRL_new());
  const Time from(ASN1_TIME_set(nullptr, validity.from));
  const Time to(ASN1_TIME_set(nullptr, validity.to));
  if (above == nullptr || list == nullptr || from == nullptr || to == nullptr ||
      X509_CRL_set_version(list.get(), X509_CRL_VERSION_2) != 1 ||
      X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(above.get())) != 1 ||
      X509_CRL_set1_lastUpdate(list.get(), from.get()) != 1 || X509_CRL_set1_nextUpdate(list.get(), to.get()) != 1 ||
      !add_list_extensions(list.get(), above.get(), number)) {
    return failed("a revocation list");
  }
  for (const Revoked& entry : revoked) {
    if (!add_revoked(list.get(), entry)) return failed("a revocation list");
  }
  X509_CRL_sort(list.get());
  if (X509_CRL_sign(list.get(), issuer.key->get(), EVP_sha256()) == 0) return failed("a revocation list");
  unsigned char* encoded = nullptr;
  const int size = i2d_X509_CRL(list.get(), &encoded);
  if (size <= 0) return failed("a revocation list");
  const auto* bytes = reinterpret_cast<const std::byte*>(encoded);
  std::vector<std::byte> der(bytes, bytes + size);
  OPENSSL_free(encoded);
  return der;
}

Result<std::vector<std::byte>> to_der(std::string_view certificate) {
  const Certificate read = read_certificate(certificate);
  unsigned char* encoded = nullptr;
  const int size = read == nullptr ? 0 : i2d_X509(read.get(), &encoded);
  if (size <= 0) return failed("out a certificate's bytes");
  const auto* bytes = reinterpret_cast<const std::byte*>(encoded);
  std::vector<std::byte> der(bytes, bytes + size);
  OPENSSL_free(encoded);
  return der;
}

}  // namespace coffer::node
