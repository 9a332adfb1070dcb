// Reports forged whole, with the tests' own ARK, ASK and VEK; then one thing is broken at a time, and the check that
// looks at it must say so.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include <coffer/attest/snp.h>

#include "attest/snp/product.h"
#include "attest/testing/snp_machine.h"
#include "base/hex.h"

namespace coffer::attest {
namespace {

using testing::sign_report;
using testing::signed_report;
using testing::snp_keys;
using testing::SnpMachine;
using Bytes = std::vector<std::byte>;

constexpr UnixTime kNow{1'800'000'000};

Verification verify(const SnpMachine& machine, const Bytes& report) {
  const auto endorsement =
      SnpEndorsement::prepare({.vek = machine.vek(), .chain = machine.chain(), .crl = machine.crl}, machine.roots());
  EXPECT_TRUE(endorsement) << endorsement.error().message;
  auto answer = verify_snp(report, *endorsement, kNow);
  EXPECT_TRUE(answer) << answer.error().message;
  return std::move(*answer);
}

// A report in which bytes were changed before it was signed.
Bytes changed_report(const SnpMachine& machine, std::size_t offset, std::uint8_t value) {
  Bytes report = machine.unsigned_report();
  report[offset] = std::byte{value};
  sign_report(report, snp_keys().vek);
  return report;
}

std::string failures(const Verification& verification) {
  std::string all;
  for (const Check& check : verification.checks.list()) {
    if (check.outcome == CheckOutcome::kFailed) all += (all.empty() ? "" : " ") + std::string(check.id);
  }
  return all;
}

SnpMachine turin() {
  SnpMachine machine{.line = "Turin", .product_name = "Turin", .version = 5, .cpuid = {0x1a, 0x02, 0x01}};
  machine.tcb = {1, 2, 3, 4, 0, 0, 0, 75};
  machine.chip_id = Bytes(8, std::byte{0x17});
  return machine;
}

TEST(SnpReports, OfEveryProductAreAuthentic) {
  const SnpMachine machines[] = {
      {},
      {.product_name = "Milan-B0", .version = 2},
      {.version = 2, .cpuid = {0, 0, 0}},
      {.line = "Genoa", .product_name = "Genoa", .cpuid = {0x19, 0x11, 0x01}},
      {.line = "Genoa", .product_name = "Siena", .cpuid = {0x19, 0xa0, 0x02}},
      {.cloud = true},
      turin(),
  };
  for (const SnpMachine& machine : machines) {
    const auto answer = verify(machine, signed_report(machine));
    EXPECT_TRUE(answer.authentic()) << machine.product_name << ": " << failures(answer);
    EXPECT_EQ(answer.root, RootOfTrust::kGiven);
    EXPECT_EQ(*answer.claims.find("product"), ClaimValue(machine.line));
    EXPECT_EQ(*answer.claims.find("signing_key"), ClaimValue(machine.cloud ? "VLEK" : "VCEK"));
    EXPECT_EQ(*answer.claims.find("reported_tcb"), *answer.claims.find("vek_tcb"));
    EXPECT_EQ(answer.valid_until, machine.vek_end);
  }
}

TEST(SnpReports, SayTheTcbInTheLayoutOfTheirProduct) {
  const auto milan = verify(SnpMachine{}, signed_report(SnpMachine{}));
  EXPECT_EQ(to_json(*milan.claims.find("reported_tcb")), R"({"bootloader":4,"tee":0,"snp":24,"microcode":219})");
  const auto answer = verify(turin(), signed_report(turin()));
  EXPECT_EQ(to_json(*answer.claims.find("reported_tcb")), R"({"fmc":1,"bootloader":2,"tee":3,"snp":4,"microcode":75})");
}

// Any bit of what is signed, and of r and s.
TEST(SnpReports, WithAnyBitChangedHaveNoSignature) {
  const Bytes good = signed_report(SnpMachine{});
  const auto endorsement =
      SnpEndorsement::prepare({.vek = SnpMachine{}.vek(), .chain = SnpMachine{}.chain()}, SnpMachine{}.roots());
  ASSERT_TRUE(endorsement);
  std::mt19937 random(20250615);
  for (int round = 0; round < 150; ++round) {
    Bytes report = good;
    const std::size_t byte = random() % (672 + 144);
    if (byte < 4) continue;  // the version, which decides the form
    report[byte] ^= std::byte{1} << (random() % 8);
    const auto answer = verify_snp(report, *endorsement, kNow);
    ASSERT_TRUE(answer);
    EXPECT_TRUE(failures(*answer).ends_with("report.signature")) << byte << ": " << failures(*answer);
    EXPECT_FALSE(answer->authentic());
  }
}

TEST(SnpReports, AreRefusedForTheOneThingThatIsWrong) {
  struct Broken {
    std::size_t offset;
    std::uint8_t value;
    const char* check;
  };
  constexpr Broken kBroken[] = {
      {0x34, 2, "report.signature_algorithm"},
      {0x4c, 1, "report.reserved"},
      {0x18b, 1, "report.reserved"},
      {0x1eb, 1, "report.reserved"},
      {0x1f8, 1, "report.reserved"},  // of a later version
      {0x29f, 1, "report.reserved"},
      {0x48, 4, "report.signing_key"},  // a VLEK's, and the certificate is a VCEK
      {0x48, 7 << 2, "report.signing_key"},
      {0x189, 0x11, "report.product"},  // Genoa's model
      {0x1a0, 1, "vek.chip_id"},
      {0x1df, 1, "vek.chip_id"},
      {0x180, 5, "vek.tcb"},
      {0x181, 1, "vek.tcb"},
      {0x186, 25, "vek.tcb"},
      {0x187, 220, "vek.tcb"},
  };
  for (const Broken& broken : kBroken) {
    const auto answer = verify(SnpMachine{}, changed_report(SnpMachine{}, broken.offset, broken.value));
    EXPECT_EQ(failures(answer), broken.check) << broken.offset;
  }
  EXPECT_EQ(failures(verify(turin(), changed_report(turin(), 0x180, 9))), "vek.tcb");  // FMC
  EXPECT_EQ(failures(verify(turin(), changed_report(turin(), 0x1a8, 1))), "vek.chip_id");
}

TEST(SnpReports, MayNotHaveBytesAroundTheSignaturesNumbers) {
  for (const std::size_t offset : {672U + 48, 672U + 71, 672U + 72 + 48, 672U + 144, 1183U}) {
    Bytes report = signed_report(SnpMachine{});
    report[offset] = std::byte{1};
    EXPECT_EQ(failures(verify(SnpMachine{}, report)), "report.signature") << offset;
  }
}

TEST(SnpReports, OfLaterVersionsAreReadByWhatIsKnown) {
  SnpMachine later;
  later.version = 6;
  const auto answer = verify(later, changed_report(later, 0x210, 1));
  EXPECT_TRUE(answer.authentic()) << failures(answer);
  later.version = 1;
  EXPECT_FALSE(verify_snp(signed_report(later), SnpEndorsement(), kNow));
  for (const std::size_t size : {0U, 1U, 672U, 1183U, 1185U, 4096U}) {
    EXPECT_FALSE(verify_snp(Bytes(size, std::byte{2}), SnpEndorsement(), kNow)) << size;
  }
}

TEST(SnpReports, MayHideTheirChip) {
  SnpMachine hidden;
  Bytes report = hidden.unsigned_report();
  report[0x48] = std::byte{2};
  std::ranges::fill(std::span(report).subspan(0x1a0, 64), std::byte{0});
  sign_report(report, snp_keys().vek);
  EXPECT_TRUE(verify(hidden, report).authentic());
}

TEST(SnpCertificates, AreRefusedForTheOneThingThatIsWrong) {
  const auto failing = [](const SnpMachine& machine) { return failures(verify(machine, signed_report(machine))); };
  EXPECT_EQ(failing({}), "");
  EXPECT_EQ(failing({.vek_key = snp_keys().other_vek}), "report.signature");
  EXPECT_EQ(failing({.vek_issuer = snp_keys().other}), "vek.chain");
  EXPECT_EQ(failing({.ask_issuer = snp_keys().other}), "vek.chain");
  EXPECT_EQ(failing({.vek_end = UnixTime{kNow.seconds - 1}}), "vek.validity");
  EXPECT_EQ(failing({.vek_end = kNow}), "");  // the last second belongs to it
  EXPECT_EQ(failing({.ask_end = UnixTime{kNow.seconds - 1}}), "vek.chain_validity");
  for (const char* extension : {"2", "3.1", "3.2", "3.3", "3.8", "4"}) {
    EXPECT_EQ(failing({.left_out = extension}), "vek.extensions") << extension;
  }
  EXPECT_EQ(failing({.line = "Genoa", .version = 2}), "vek.product");
  EXPECT_EQ(failing({.chip_id = Bytes(20, std::byte{1})}), "vek.extensions");
}

TEST(SnpCertificates, MustHangOnATrustedKey) {
  const SnpMachine machine;
  const auto endorsement =
      SnpEndorsement::prepare({.vek = machine.vek(), .chain = machine.chain()}, TrustedRoots::built_in());
  ASSERT_TRUE(endorsement);
  const auto answer = verify_snp(signed_report(machine), *endorsement, kNow);
  EXPECT_EQ(failures(*answer), "vek.chain");
  EXPECT_EQ(answer->root, RootOfTrust::kNone);
}

TEST(SnpCertificates, ComeInAnyOrderAndForm) {
  const SnpMachine machine;
  Bytes all = machine.chain();
  const Bytes vek = machine.vek();
  all.insert(all.end(), vek.begin(), vek.end());
  const auto endorsement = SnpEndorsement::prepare({.chain = all}, machine.roots());
  ASSERT_TRUE(endorsement) << endorsement.error().message;
  EXPECT_TRUE(verify_snp(signed_report(machine), *endorsement, kNow)->authentic());
  EXPECT_TRUE(verify_snp_endorsement(*endorsement, kNow).authentic());
}

TEST(SnpCertificates, CanBeRevoked) {
  SnpMachine machine;
  const auto with = [&](const testing::ListForm& form) {
    machine.crl = testing::make_revocation_list(form);
    return failures(verify(machine, signed_report(machine)));
  };
  EXPECT_EQ(with({.issuer_name = "ARK-Milan", .issuer_key = snp_keys().ark}), "");
  // A VCEK's serial number is 0, and the ARK's list does not speak of what the ASK issued.
  EXPECT_EQ(with({.issuer_name = "ARK-Milan", .issuer_key = snp_keys().ark, .revoked = {0}}), "");
  EXPECT_EQ(with({.issuer_name = "ARK-Milan", .issuer_key = snp_keys().ark, .revoked = {3, 7}}), "vek.revocation");
  EXPECT_EQ(with({.issuer_name = "ARK-Milan", .issuer_key = snp_keys().other}), "vek.revocation");
  EXPECT_EQ(with({.issuer_name = "ARK-Genoa", .issuer_key = snp_keys().ark}), "vek.revocation");
  EXPECT_EQ(with({.issuer_name = "ARK-Milan", .issuer_key = snp_keys().ark, .next_update = UnixTime{kNow.seconds - 1}}),
            "vek.revocation_validity");
}

TEST(SnpReports, WithoutCertificatesStillHaveClaims) {
  const auto answer = verify_snp(signed_report(SnpMachine{}), SnpEndorsement(), kNow);
  ASSERT_TRUE(answer);
  EXPECT_EQ(failures(*answer), "vek.given");
  EXPECT_NE(answer->claims.find("measurement"), nullptr);
}

TEST(Products, AreKnownByNameAndByCpuid) {
  using snp::Product;
  EXPECT_EQ(snp::product_of_name("ARK-Milan"), Product::kMilan);
  EXPECT_EQ(snp::product_of_name("SEV-VLEK-Genoa"), Product::kGenoa);
  EXPECT_EQ(snp::product_of_name("Milan-B0"), Product::kMilan);
  EXPECT_EQ(snp::product_of_name("Bergamo"), Product::kGenoa);
  EXPECT_EQ(snp::product_of_name("Milano"), std::nullopt);
  EXPECT_EQ(snp::product_of_name(""), std::nullopt);
  EXPECT_EQ(snp::product_of_cpuid(0x19, 0x0f), Product::kMilan);
  EXPECT_EQ(snp::product_of_cpuid(0x19, 0x10), Product::kGenoa);
  EXPECT_EQ(snp::product_of_cpuid(0x19, 0x20), std::nullopt);
  EXPECT_EQ(snp::product_of_cpuid(0x1a, 0x11), Product::kTurin);
}

}  // namespace
}  // namespace coffer::attest
