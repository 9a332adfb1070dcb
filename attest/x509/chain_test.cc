#include "attest/x509/chain.h"

#include <gtest/gtest.h>

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
