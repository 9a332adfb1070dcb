#include "service/enclave/certificates.h"

#include <arpa/inet.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <array>
#include <cstring>
#include <memory>
#include <new>

#include "base/freed.h"

namespace coffer::service {
namespace {

using Key = std::unique_ptr<EVP_PKEY, FreedBy<EVP_PKEY_free>>;
using Bio = std::unique_ptr<BIO, FreedBy<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, FreedBy<X509_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, FreedBy<X509_EXTENSION_free>>;

Key read_key(std::string_view pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return Key(bio == nullptr ? nullptr : PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
}

bool add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool add_extension(X509* certificate, const CertificateExtension& given) {
  const std::unique_ptr<ASN1_OBJECT, FreedBy<ASN1_OBJECT_free>> oid(OBJ_txt2obj(given.oid.c_str(), 1));
  const std::unique_ptr<ASN1_OCTET_STRING, FreedBy<ASN1_OCTET_STRING_free>> value(ASN1_OCTET_STRING_new());
  if (oid == nullptr || value == nullptr ||
      ASN1_OCTET_STRING_set(value.get(), reinterpret_cast<const unsigned char*>(given.der.data()),
                            static_cast<int>(given.der.size())) != 1) {
    return false;
  }
  const Extension extension(X509_EXTENSION_create_by_OBJ(nullptr, oid.get(), 0, value.get()));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

// As OpenSSL's syntax wants it, where a comma would begin another entry.
std::string alternative_names(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    if (name.find_first_of(", \t\r\n") != std::string::npos) continue;
    std::array<unsigned char, 16> address{};
    const bool is_address = ::inet_pton(AF_INET, name.c_str(), address.data()) == 1 ||
                            ::inet_pton(AF_INET6, name.c_str(), address.data()) == 1;
    text += (text.empty() ? "" : ",") + std::string(is_address ? "IP:" : "DNS:") + name;
  }
  return text;
}

bool fill(X509* certificate, X509* issuer, const CertificateOrder& order, EVP_PKEY* key) {
  std::array<unsigned char, 16> serial{};
  if (RAND_bytes(serial.data(), serial.size()) != 1) return false;
  serial[0] &= 0x7f;  // positive
  serial[0] |= 0x40;
  const std::unique_ptr<BIGNUM, FreedBy<BN_free>> number(BN_bin2bn(serial.data(), serial.size(), nullptr));
  if (number == nullptr || BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) == nullptr)
    return false;
  X509_set_version(certificate, X509_VERSION_3);
  if (ASN1_TIME_set(X509_getm_notBefore(certificate), order.not_before) == nullptr ||
      ASN1_TIME_set(X509_getm_notAfter(certificate), order.not_after) == nullptr) {
    return false;
  }
  // A common name has 64 characters at most (RFC 5280, A.1), unless OpenSSL is not asked about it.
  X509_NAME* name = X509_get_subject_name(certificate);
  const auto* common = reinterpret_cast<const unsigned char*>(order.common_name.data());
  if (X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, common,
                                 static_cast<int>(order.common_name.size()), -1, 0) != 1) {
    return false;
  }
  return X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
         X509_set_pubkey(certificate, key) == 1;
}

bool extend(X509* certificate, X509* issuer, const CertificateOrder& order) {
  bool done =
      add_extension(certificate, issuer, NID_basic_constraints,
                    order.authority ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
      add_extension(certificate, issuer, NID_key_usage,
                    order.authority ? "critical,keyCertSign,cRLSign,digitalSignature" : "critical,digitalSignature") &&
      add_extension(certificate, issuer, NID_subject_key_identifier, "hash") &&
      add_extension(certificate, issuer, NID_authority_key_identifier, "keyid");
  if (done && order.server) done = add_extension(certificate, issuer, NID_ext_key_usage, "serverAuth,clientAuth");
  const std::string names = alternative_names(order.names);
  if (done && !names.empty()) done = add_extension(certificate, issuer, NID_subject_alt_name, names);
  for (const CertificateExtension& extension : order.extensions) done = done && add_extension(certificate, extension);
  return done;
}

std::string to_pem(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr || PEM_write_bio_X509(bio.get(), certificate) != 1) throw std::bad_alloc();
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

}  // namespace

SecretBytes new_key(KeyType type) {
  const Key key(type == KeyType::kP256 ? EVP_EC_gen("P-256") : EVP_RSA_gen(type == KeyType::kRsa2048 ? 2048 : 3072));
  // Secure-heap BIOs are wiped when they are freed.
  const Bio bio(BIO_new(BIO_s_secmem()));
  if (key == nullptr || bio == nullptr ||
      PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    throw std::bad_alloc();
  }
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  SecretBytes secret = SecretBytes::copy_of(std::as_bytes(std::span(text, static_cast<std::size_t>(size))));
  OPENSSL_cleanse(text, static_cast<std::size_t>(size));
  return secret;
}

Result<std::vector<std::byte>> public_key_of(std::string_view key_pem) {
  const Key key = read_key(key_pem);
  unsigned char* der = nullptr;
  const int size = key == nullptr ? -1 : i2d_PUBKEY(key.get(), &der);
  if (size <= 0) return input_error("this is not a private key in PEM form");
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  std::memcpy(bytes.data(), der, bytes.size());
  OPENSSL_free(der);
  return bytes;
}

Result<std::string> issue_certificate(const CertificateOrder& order, std::string_view key_pem,
                                      const CertifiedKey* issuer) {
  const Key key = read_key(key_pem);
  const Key issuer_key = issuer == nullptr ? nullptr : read_key(issuer->key.text());
  const Certificate certificate(X509_new());
  Certificate issuer_certificate;
  if (issuer != nullptr) {
    const Bio bio(BIO_new_mem_buf(issuer->certificate.data(), static_cast<int>(issuer->certificate.size())));
    issuer_certificate.reset(bio == nullptr ? nullptr : PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  }
  if (key == nullptr || certificate == nullptr ||
      (issuer != nullptr && (issuer_key == nullptr || issuer_certificate == nullptr))) {
    return input_error("a certificate needs a key, and one of an issuer its key and certificate, in PEM form");
  }
  X509* signer = issuer == nullptr ? certificate.get() : issuer_certificate.get();
  EVP_PKEY* signing_key = issuer == nullptr ? key.get() : issuer_key.get();
  if (!fill(certificate.get(), signer, order, key.get()) || !extend(certificate.get(), signer, order) ||
      X509_sign(certificate.get(), signing_key, EVP_sha256()) == 0) {
    return input_error("the certificate for '" + order.common_name +
                       "' cannot be made: its name or names are malformed");
  }
  return to_pem(certificate.get());
}

}  // namespace coffer::service
