#include "attest/x509/chain.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>

#include "attest/testing/vectors.h"
#include "base/hex.h"

namespace coffer::attest::x509 {
namespace {

std::vector<Certificate> chain_of(const std::string& path) {
  auto chain = parse_certificates(testing::read_text(testing::vectors() / path));
  EXPECT_TRUE(chain) << path;
  return *chain;
}

// TCB signing certificate and root, of real collateral.
std::vector<Certificate> intel_chain() {
  const auto json = testing::read_json(testing::vectors() / "dcap/tdx4-phala/collateral.json");
  return *parse_certificates(json.at("tcb_info_issuer_chain").get<std::string>());
}

TEST(Chains, OfIntelAndAmdReachTheBuiltInRoots) {
  const Chain intel = verify_chain(intel_chain(), TrustedRoots::built_in());
  EXPECT_TRUE(intel.good()) << intel.detail;
  EXPECT_EQ(intel.root.kind, RootOfTrust::kIntel);
  EXPECT_EQ(intel.root.name, "Intel SGX Root CA");
  for (const char* product : {"milan", "genoa", "turin"}) {
    for (const char* kind : {"vcek", "vlek"}) {
      const auto chain = chain_of(std::string("snp/roots/") + product + "_" + kind + ".pem");
      const Chain amd = verify_chain(chain, TrustedRoots::built_in());
      EXPECT_TRUE(amd.good()) << amd.detail;
      EXPECT_EQ(amd.root.kind, RootOfTrust::kAmd);
      EXPECT_EQ(amd.root.name, chain.back().subject_name());
    }
  }
}

TEST(Chains, MayLeaveTheRootOut) {
  auto chain = intel_chain();
  const Window whole = verify_chain(chain, TrustedRoots::built_in()).window;
  chain.pop_back();
  const Chain shorter = verify_chain(chain, TrustedRoots::built_in());
  EXPECT_TRUE(shorter.good()) << shorter.detail;
  EXPECT_EQ(whole.first, shorter.window.first);
}

TEST(Chains, AreRefusedWithTheReason) {
  const auto chain = intel_chain();
  EXPECT_EQ(verify_chain({}, TrustedRoots::built_in()).fault, ChainFault::kEmpty);
  EXPECT_EQ(verify_chain(chain, TrustedRoots()).fault, ChainFault::kRoot);
  const std::vector<Certificate> turned(chain.rbegin(), chain.rend());
  EXPECT_EQ(verify_chain(turned, TrustedRoots::built_in()).fault, ChainFault::kName);
  // The signature's last byte, in the leaf and in the root.
  for (std::size_t broken = 0; broken < 2; ++broken) {
    auto changed = chain;
    std::vector<std::byte> der(chain[broken].der().begin(), chain[broken].der().end());
    der.back() ^= std::byte{1};
    changed[broken] = *Certificate::parse(der);
    EXPECT_EQ(verify_chain(changed, TrustedRoots::built_in()).fault,
              broken == 0 ? ChainFault::kSignature : ChainFault::kRoot);
  }
  // A certificate that may not certify, between two of them.
  const std::vector<Certificate> leaf_signs{chain[0], chain[0]};
  EXPECT_EQ(verify_chain(leaf_signs, TrustedRoots::built_in()).fault, ChainFault::kName);
}

// Certificates of version 1 say nothing of authorities: a leaf of that kind must not sign others.
struct Made {
  std::shared_ptr<EVP_PKEY> key;
  Certificate certificate;
};
Made issue(const char* name, const Made* issuer) {
  const std::shared_ptr<EVP_PKEY> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> made(X509_new(), X509_free);
  X509_set_version(made.get(), X509_VERSION_1);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
  X509_set_pubkey(made.get(), key.get());
  const auto set_name = [](X509_NAME* into, const std::string& text) {
    X509_NAME_add_entry_by_txt(into, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(text.c_str()), -1, -1,
                               0);
  };
  set_name(X509_get_subject_name(made.get()), name);
  set_name(X509_get_issuer_name(made.get()), issuer == nullptr ? name : issuer->certificate.subject_name());
  X509_sign(made.get(), issuer == nullptr ? key.get() : issuer->key.get(), EVP_sha256());
  unsigned char* der = nullptr;
  const int size = i2d_X509(made.get(), &der);
  const std::unique_ptr<unsigned char, decltype([](unsigned char* bytes) { OPENSSL_free(bytes); })> owned(der);
  return {key, *Certificate::parse(std::as_bytes(std::span(der, static_cast<std::size_t>(size))))};
}

TEST(Chains, OfVersionOneEndAtTheRootsOwnCertificate) {
  const Made root = issue("root", nullptr);
  const Made leaf = issue("leaf", &root);
  const Made below = issue("below", &leaf);
  TrustedRoots roots;
  roots.add(*root.certificate.public_key(), RootOfTrust::kGiven, "root");
  EXPECT_TRUE(verify_chain(std::vector{leaf.certificate, root.certificate}, roots).good());
  EXPECT_EQ(verify_chain(std::vector{below.certificate, leaf.certificate, root.certificate}, roots).fault,
            ChainFault::kAuthority);
  EXPECT_EQ(verify_chain(std::vector{below.certificate, leaf.certificate}, roots).fault, ChainFault::kAuthority);
}

TEST(Chains, AreOrderedFromAnyOrder) {
  auto candidates = chain_of("snp/roots/milan_vcek.pem");
  const auto genoa = chain_of("snp/roots/genoa_vcek.pem");
  candidates.insert(candidates.begin(), genoa.begin(), genoa.end());
  const auto vek = Certificate::parse(testing::read_bytes(testing::vectors() / "snp/milan2-virtee/vek.der"));
  ASSERT_TRUE(vek) << vek.error().message;
  const auto chain = order_chain(*vek, candidates);
  ASSERT_EQ(chain.size(), 3U);
  const Chain verified = verify_chain(chain, TrustedRoots::built_in());
  EXPECT_TRUE(verified.good()) << verified.detail;
  EXPECT_EQ(verified.root.name, "ARK-Milan");
}

TEST(Roots, AreAddedByCertificateOrKey) {
  const auto chain = intel_chain();
  const std::string pem = testing::read_text(testing::vectors() / "roots/intel_sgx_root_ca.pem");
  TrustedRoots roots;
  ASSERT_TRUE(roots.add_pem(pem, RootOfTrust::kGiven));
  const Chain given = verify_chain(chain, roots);
  EXPECT_TRUE(given.good());
  EXPECT_EQ(given.root.kind, RootOfTrust::kGiven);
  EXPECT_EQ(given.root.name, "Intel SGX Root CA");
  EXPECT_FALSE(roots.add_pem("nothing", RootOfTrust::kGiven));
  EXPECT_EQ(TrustedRoots::built_in().size(), 4U);
  EXPECT_NE(TrustedRoots::built_in().key_named("ARK-Turin"), nullptr);
}

}  // namespace
}  // namespace coffer::attest::x509
