#include "attest/x509/certificate.h"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <random>

#include "attest/testing/vectors.h"
#include "attest/x509/revocation_list.h"
#include "base/hex.h"

namespace coffer::attest::x509 {
namespace {

struct X509Free {
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(X509_CRL* list) const { X509_CRL_free(list); }
};

std::unique_ptr<X509, X509Free> openssl_reads(ByteView der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const auto* end = at + der.size();
  std::unique_ptr<X509, X509Free> read(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (at != end) return nullptr;
  return read;
}

ByteView view(const unsigned char* data, int size) {
  return std::as_bytes(std::span(data, static_cast<std::size_t>(size)));
}

template <class T, class Encode>
std::string encoded(T* value, Encode encode) {
  unsigned char* der = nullptr;
  const int size = encode(value, &der);
  std::string text = size > 0 ? to_hex(view(der, size)) : "";
  OPENSSL_free(der);
  return text;
}

std::int64_t seconds_of(const ASN1_TIME* time) {
  std::tm parts{};
  EXPECT_EQ(ASN1_TIME_to_tm(time, &parts), 1);
  return timegm(&parts);
}

// What a verifier uses of a certificate, as both readers see it.
void expect_agreement(const Certificate& ours, X509* theirs) {
  EXPECT_EQ(ours.version(), static_cast<unsigned>(X509_get_version(theirs)) + 1);
  EXPECT_EQ(to_hex(ours.issuer()), encoded(X509_get_issuer_name(theirs), i2d_X509_NAME));
  EXPECT_EQ(to_hex(ours.subject()), encoded(X509_get_subject_name(theirs), i2d_X509_NAME));
  EXPECT_EQ("02" + to_hex(std::array{static_cast<std::byte>(ours.serial().size())}) + to_hex(ours.serial()),
            encoded(X509_get_serialNumber(theirs), i2d_ASN1_INTEGER));
  EXPECT_EQ(ours.not_before().seconds, seconds_of(X509_get0_notBefore(theirs)));
  EXPECT_EQ(ours.not_after().seconds, seconds_of(X509_get0_notAfter(theirs)));
  if (ours.public_key()) {
    ASSERT_NE(X509_get0_pubkey(theirs), nullptr);
    EXPECT_EQ(to_hex(ours.public_key()->spki()), encoded(X509_get0_pubkey(theirs), i2d_PUBKEY));
  }
  ASSERT_EQ(ours.extensions().size(), static_cast<std::size_t>(X509_get_ext_count(theirs)));
  for (int i = 0; i < X509_get_ext_count(theirs); ++i) {
    X509_EXTENSION* extension = X509_get_ext(theirs, i);
    const Extension& same = ours.extensions()[static_cast<std::size_t>(i)];
    const ASN1_OBJECT* object = X509_EXTENSION_get_object(extension);
    EXPECT_EQ(to_hex(same.oid), to_hex(view(OBJ_get0_data(object), static_cast<int>(OBJ_length(object)))));
    EXPECT_EQ(same.critical, X509_EXTENSION_get_critical(extension) == 1);
    const ASN1_OCTET_STRING* value = X509_EXTENSION_get_data(extension);
    EXPECT_EQ(to_hex(same.value), to_hex(view(ASN1_STRING_get0_data(value), ASN1_STRING_length(value))));
  }
  // Where one of the extensions that OpenSSL looks into is broken, it says nothing of any.
  if ((X509_get_extension_flags(theirs) & EXFLAG_INVALID) != 0) return;
  EXPECT_EQ(ours.is_authority(), (X509_get_extension_flags(theirs) & EXFLAG_CA) != 0);
  if (ours.key_usage()) {
    const bool may_certify = (*ours.key_usage() & kMayCertify) != 0;
    EXPECT_EQ(may_certify, (X509_get_key_usage(theirs) & KU_KEY_CERT_SIGN) != 0);
  }
}

TEST(Certificates, AgreeWithOpenSslOnEveryVector) {
  const auto all = testing::every_certificate();
  ASSERT_GT(all.size(), 30U);
  for (const auto& der : all) {
    const auto ours = Certificate::parse(der);
    ASSERT_TRUE(ours) << ours.error().message << " " << to_hex(der);
    const auto theirs = openssl_reads(der);
    ASSERT_TRUE(theirs);
    expect_agreement(*ours, theirs.get());
    EXPECT_TRUE(ours->public_key()) << ours->public_key().error().message;
    EXPECT_TRUE(ours->scheme());
  }
}

// Whatever is changed in a certificate: what this reader takes OpenSSL takes too, and both read the same from it.
TEST(Certificates, NeverAcceptWhatOpenSslRefuses) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto all = testing::every_certificate();
  std::size_t accepted = 0;
  std::size_t tried = 0;
  for (const auto& der : all) {
    for (int round = 0; round < 150; ++round, ++tried) {
      auto changed = der;
      const std::size_t changes = 1 + random() % 2;
      for (std::size_t i = 0; i < changes; ++i) {
        // Most of the structure stands in the first half; the second is keys and signatures.
        const std::size_t at = random() % (random() % 4 == 0 ? changed.size() : changed.size() / 2);
        switch (random() % 4) {
          case 0:
            changed[at] = static_cast<std::byte>(random());
            break;
          case 1:
            changed[at] ^= static_cast<std::byte>(1U << random() % 8);
            break;
          case 2:
            changed[at] = static_cast<std::byte>(std::to_integer<unsigned>(changed[at]) + 1);
            break;
          default:
            changed[at] = changed[random() % changed.size()];
        }
      }
      const auto ours = Certificate::parse(changed);
      if (!ours) continue;
      ++accepted;
      const auto theirs = openssl_reads(changed);
      ASSERT_TRUE(theirs) << ERR_error_string(ERR_get_error(), nullptr) << " " << to_hex(changed);
      expect_agreement(*ours, theirs.get());
      if (HasFailure()) FAIL() << to_hex(changed);
    }
  }
  EXPECT_GT(accepted, tried / 20) << "the changes reach nothing of interest";
}

TEST(Certificates, AreExactlyTheirBytes) {
  auto der = *testing::every_certificate().begin();
  for (std::size_t size = 0; size < der.size(); size += 7) {
    EXPECT_FALSE(Certificate::parse(ByteView(der).first(size))) << size;
  }
  der.push_back(std::byte{0});
  EXPECT_FALSE(Certificate::parse(der));
}

TEST(RevocationLists, AgreeWithOpenSslOnEveryVector) {
  for (const std::string& text : testing::every_revocation_list()) {
    const auto ours = RevocationList::parse_any(std::as_bytes(std::span(text)));
    ASSERT_TRUE(ours) << ours.error().message;
    const auto* at = reinterpret_cast<const unsigned char*>(ours->der().data());
    const std::unique_ptr<X509_CRL, X509Free> theirs(d2i_X509_CRL(nullptr, &at, static_cast<long>(ours->der().size())));
    ASSERT_TRUE(theirs);
    EXPECT_EQ(to_hex(ours->issuer()), encoded(X509_CRL_get_issuer(theirs.get()), i2d_X509_NAME));
    EXPECT_EQ(ours->this_update().seconds, seconds_of(X509_CRL_get0_lastUpdate(theirs.get())));
    ASSERT_TRUE(ours->next_update());
    EXPECT_EQ(ours->next_update()->seconds, seconds_of(X509_CRL_get0_nextUpdate(theirs.get())));
    STACK_OF(X509_REVOKED)* entries = X509_CRL_get_REVOKED(theirs.get());
    const int count = entries == nullptr ? 0 : sk_X509_REVOKED_num(entries);
    ASSERT_EQ(ours->size(), static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
      const auto serial =
          from_hex(encoded(const_cast<ASN1_INTEGER*>(X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(entries, i))),
                           i2d_ASN1_INTEGER));
      EXPECT_TRUE(ours->revokes(ByteView(*serial).subspan(2)));
    }
    EXPECT_FALSE(ours->revokes(std::array{std::byte{0x7f}, std::byte{1}, std::byte{2}}));
  }
}

TEST(RevocationLists, ComeInEveryForm) {
  const std::string text = *testing::every_revocation_list().begin();
  const auto list = RevocationList::parse_any(std::as_bytes(std::span(text)));
  ASSERT_TRUE(list);
  EXPECT_TRUE(RevocationList::parse_any(list->der()));
  std::string base64(list->der().size() * 2, '\0');
  base64.resize(static_cast<std::size_t>(EVP_EncodeBlock(reinterpret_cast<unsigned char*>(base64.data()),
                                                         reinterpret_cast<const unsigned char*>(list->der().data()),
                                                         static_cast<int>(list->der().size()))));
  EXPECT_TRUE(RevocationList::parse_any(std::as_bytes(std::span(base64))));
  const std::string pem = "-----BEGIN X509 CRL-----\n" + base64 + "\n-----END X509 CRL-----\n";
  EXPECT_TRUE(RevocationList::parse_any(std::as_bytes(std::span(pem))));
  const std::string padded = to_hex(list->der()) + std::string("\0", 1);
  EXPECT_TRUE(RevocationList::parse_any(std::as_bytes(std::span(padded))));
  for (const std::string& bad : {std::string(), std::string("zz"), std::string("30"), pem.substr(0, pem.size() / 2)}) {
    EXPECT_FALSE(RevocationList::parse_any(std::as_bytes(std::span(bad)))) << bad;
  }
}

TEST(Pem, IsReadAsItStands) {
  EXPECT_EQ(to_hex(*from_base64("Zm9v\nYg==")), "666f6f62");
  EXPECT_EQ(from_base64("")->size(), 0U);
  for (const char* bad : {"Z", "Zm9vY===", "Zh==", "Zm=v", "Zm9v!", "Zm9"}) EXPECT_FALSE(from_base64(bad)) << bad;
  EXPECT_TRUE(parse_pem("nothing here")->empty());
  EXPECT_FALSE(parse_pem("-----BEGIN X-----\nZm9v\n-----END Y-----"));
  EXPECT_FALSE(parse_pem("-----BEGIN X-----\nZm9v"));
  EXPECT_FALSE(parse_pem("-----BEGIN X-----\n?\n-----END X-----"));
  const std::string one = "-----BEGIN X-----\nZm9v\n-----END X-----\n";
  EXPECT_EQ(parse_pem("text\n" + one + one)->size(), 2U);
  EXPECT_FALSE(parse_pem(one + one, 1));
}

}  // namespace
}  // namespace coffer::attest::x509
