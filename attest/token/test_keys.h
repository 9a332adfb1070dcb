// Keys and certificates that tests make for themselves.
#pragma once

#include <coffer/attest/token.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <map>
#include <memory>
#include <string>

#include "attest/token/keys.h"

namespace coffer::attest::testing {

inline std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long length = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(length));
  BIO_free(bio);
  return text;
}

// One key for a kind, made once: RSA takes its time. Kinds: "rsa", "rsa-other", "rsa1024", "P-256", "P-384", "P-521".
inline EVP_PKEY* key_of(const std::string& kind) {
  static std::map<std::string, KeyPointer> made;
  KeyPointer& key = made[kind];
  if (key) return key.get();
  if (kind.starts_with("rsa")) {
    key.reset(EVP_RSA_gen(kind == "rsa1024" ? 1024 : 2048));
  } else {
    key.reset(EVP_EC_gen(kind.substr(0, 5).c_str()));
  }
  return key.get();
}

inline std::string private_pem(const std::string& kind) {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key_of(kind), nullptr, nullptr, 0, nullptr, nullptr);
  return text_of(bio);
}
inline std::string public_pem(const std::string& kind) {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PUBKEY(bio, key_of(kind));
  return text_of(bio);
}

struct MadeCertificate {
  std::vector<std::byte> der;
  std::string pem;
};
// Of the key `kind`, issued by the key `issuer`; valid from 2020 to 2040.
inline MadeCertificate certificate(const std::string& kind, const std::string& name, const std::string& issuer,
                                   const std::string& issuer_name, bool authority) {
  const CertificatePointer made(X509_new());
  X509_set_version(made.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 7);
  ASN1_TIME_set_string_X509(X509_getm_notBefore(made.get()), "20200101000000Z");
  ASN1_TIME_set_string_X509(X509_getm_notAfter(made.get()), "20400101000000Z");
  const auto set_name = [](X509_NAME* to, const std::string& text) {
    X509_NAME_add_entry_by_txt(to, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(text.c_str()), -1, -1, 0);
  };
  set_name(X509_get_subject_name(made.get()), name);
  set_name(X509_get_issuer_name(made.get()), issuer_name);
  X509_set_pubkey(made.get(), key_of(kind));
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints,
                                                  authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  X509_add_ext(made.get(), extension, -1);
  X509_EXTENSION_free(extension);
  X509_sign(made.get(), key_of(issuer), EVP_sha256());
  unsigned char* der = nullptr;
  const int length = i2d_X509(made.get(), &der);
  MadeCertificate result;
  result.der.assign(reinterpret_cast<std::byte*>(der), reinterpret_cast<std::byte*>(der) + length);
  OPENSSL_free(der);
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, made.get());
  result.pem = text_of(bio);
  return result;
}

inline TokenSigner signer(const std::string& kind, TokenAlgorithm algorithm, const std::string& certificates = {}) {
  auto made = TokenSigner::from_pem(private_pem(kind), algorithm, certificates);
  if (!made) std::abort();
  return *made;
}

}  // namespace coffer::attest::testing
