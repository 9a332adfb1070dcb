#include "attest/testing/forged_certificates.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <cstdlib>

namespace coffer::attest::testing {

namespace {

// A test that cannot make its keys has nothing to say.
void need(bool done) {
  if (!done) std::abort();
}

const unsigned char* octets(ByteView bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }

template <class T, class Encode>
std::vector<std::byte> der_of(T* object, Encode encode) {
  unsigned char* der = nullptr;
  const int size = encode(object, &der);
  need(size > 0);
  const auto view = std::as_bytes(std::span(der, static_cast<std::size_t>(size)));
  std::vector<std::byte> bytes(view.begin(), view.end());
  OPENSSL_free(der);
  return bytes;
}

// The context is the digest context's.
EVP_MD_CTX* signing_context(const Key& key, Signing how, const char* hash) {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  EVP_PKEY_CTX* options = nullptr;
  need(EVP_DigestSignInit_ex(context, &options, hash, nullptr, nullptr, key.get(), nullptr) == 1);
  if (how == Signing::kPkcs1) need(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PADDING) == 1);
  if (how == Signing::kPss) {
    need(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1);
    need(EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1);
  }
  return context;
}

X509_NAME* name_of(const std::string& text) {
  X509_NAME* name = X509_NAME_new();
  need(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(text.c_str()), -1,
                                  -1, 0) == 1);
  return name;
}

EVP_MD_CTX* certifying_context(const Key& key) {
  const bool rsa = EVP_PKEY_get_base_id(key.get()) == EVP_PKEY_RSA;
  return signing_context(key, rsa ? Signing::kPss : Signing::kEcdsa, rsa ? "SHA384" : "SHA256");
}

void add_extension(X509* certificate, const std::string& oid, ByteView value) {
  ASN1_OBJECT* object = OBJ_txt2obj(oid.c_str(), 1);
  ASN1_OCTET_STRING* data = ASN1_OCTET_STRING_new();
  need(ASN1_OCTET_STRING_set(data, octets(value), static_cast<int>(value.size())) == 1);
  X509_EXTENSION* extension = X509_EXTENSION_create_by_OBJ(nullptr, object, 0, data);
  need(X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
  ASN1_OCTET_STRING_free(data);
  ASN1_OBJECT_free(object);
}

void add_known_extension(X509* certificate, int nid, const char* value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
  need(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

Key owned(EVP_PKEY* key) {
  need(key != nullptr);
  return {key, EVP_PKEY_free};
}

}  // namespace

Key new_rsa_key() { return owned(EVP_RSA_gen(2048)); }
Key new_curve_key(const char* curve) { return owned(EVP_EC_gen(curve)); }

crypto::PublicKey public_key_of(const Key& key) {
  auto read = crypto::PublicKey::from_spki(der_of(key.get(), i2d_PUBKEY));
  need(read.has_value());
  return std::move(*read);
}

std::string pem_of(const Key& key) {
  BIO* memory = BIO_new(BIO_s_mem());
  need(PEM_write_bio_PUBKEY(memory, key.get()) == 1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(memory, &text);
  std::string pem(text, static_cast<std::size_t>(size));
  BIO_free(memory);
  return pem;
}

std::vector<std::byte> sign(const Key& key, Signing how, const char* hash, ByteView message) {
  EVP_MD_CTX* context = signing_context(key, how, hash);
  std::size_t size = 0;
  need(EVP_DigestSign(context, nullptr, &size, octets(message), message.size()) == 1);
  std::vector<std::byte> signature(size);
  need(EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size, octets(message),
                      message.size()) == 1);
  EVP_MD_CTX_free(context);
  signature.resize(size);
  return signature;
}

std::vector<std::byte> r_and_s(ByteView der, std::size_t size) {
  const unsigned char* at = octets(der);
  ECDSA_SIG* signature = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
  need(signature != nullptr);
  std::vector<std::byte> both(2 * size);
  auto* out = reinterpret_cast<unsigned char*>(both.data());
  need(BN_bn2binpad(ECDSA_SIG_get0_r(signature), out, static_cast<int>(size)) > 0);
  need(BN_bn2binpad(ECDSA_SIG_get0_s(signature), out + size, static_cast<int>(size)) > 0);
  ECDSA_SIG_free(signature);
  return both;
}

std::vector<std::byte> make_certificate(const CertificateForm& form) {
  X509* certificate = X509_new();
  need(X509_set_version(certificate, 2) == 1);
  need(ASN1_INTEGER_set(X509_get_serialNumber(certificate), form.serial) == 1);
  X509_NAME* subject = name_of(form.name);
  X509_NAME* issuer = name_of(form.issuer_name);
  need(X509_set_subject_name(certificate, subject) == 1 && X509_set_issuer_name(certificate, issuer) == 1);
  X509_NAME_free(subject);
  X509_NAME_free(issuer);
  ASN1_TIME_set(X509_getm_notBefore(certificate), form.not_before.seconds);
  ASN1_TIME_set(X509_getm_notAfter(certificate), form.not_after.seconds);
  need(X509_set_pubkey(certificate, form.key.get()) == 1);
  if (form.authority) {
    add_known_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
    add_known_extension(certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
  }
  for (const auto& [oid, value] : form.extensions) add_extension(certificate, oid, value);
  EVP_MD_CTX* context = certifying_context(form.issuer_key);
  need(X509_sign_ctx(certificate, context) > 0);
  EVP_MD_CTX_free(context);
  auto der = der_of(certificate, i2d_X509);
  X509_free(certificate);
  return der;
}

std::vector<std::byte> make_revocation_list(const ListForm& form) {
  X509_CRL* list = X509_CRL_new();
  need(X509_CRL_set_version(list, 1) == 1);
  X509_NAME* issuer = name_of(form.issuer_name);
  need(X509_CRL_set_issuer_name(list, issuer) == 1);
  X509_NAME_free(issuer);
  ASN1_TIME* time = ASN1_TIME_set(nullptr, form.this_update.seconds);
  X509_CRL_set1_lastUpdate(list, time);
  ASN1_TIME_set(time, form.next_update.seconds);
  X509_CRL_set1_nextUpdate(list, time);
  ASN1_TIME_set(time, form.this_update.seconds);
  for (const long serial : form.revoked) {
    X509_REVOKED* entry = X509_REVOKED_new();
    ASN1_INTEGER* number = ASN1_INTEGER_new();
    ASN1_INTEGER_set(number, serial);
    X509_REVOKED_set_serialNumber(entry, number);
    X509_REVOKED_set_revocationDate(entry, time);
    need(X509_CRL_add0_revoked(list, entry) == 1);
    ASN1_INTEGER_free(number);
  }
  ASN1_TIME_free(time);
  EVP_MD_CTX* context = certifying_context(form.issuer_key);
  need(X509_CRL_sign_ctx(list, context) > 0);
  EVP_MD_CTX_free(context);
  auto der = der_of(list, i2d_X509_CRL);
  X509_CRL_free(list);
  return der;
}

}  // namespace coffer::attest::testing
