// Reports forged whole, with the tests' own ARK, ASK and VEK; then one thing is broken at a time, and the check that
// looks at it must say so.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include <coffer/attest/snp.h>

#include "attest/snp/product.h"
#include "attest/testing/forged_certificates.h"
#include "base/hex.h"

namespace coffer::attest {
namespace {

using testing::CertificateForm;
using testing::Key;
using Bytes = std::vector<std::byte>;

constexpr UnixTime kNow{1'800'000'000};

Bytes bytes(std::initializer_list<int> values) {
  Bytes made;
  for (const int value : values) made.push_back(static_cast<std::byte>(value));
  return made;
}
Bytes integer(std::uint8_t value) { return value < 128 ? bytes({0x02, 1, value}) : bytes({0x02, 2, 0, value}); }
Bytes ia5(const std::string& text) {
  Bytes made = bytes({0x16, static_cast<int>(text.size())});
  for (const char each : text) made.push_back(static_cast<std::byte>(each));
  return made;
}

// Keys take long to make; every test uses the same.
struct Keys {
  Key ark = testing::new_rsa_key(), ask = testing::new_rsa_key(), other = testing::new_rsa_key();
  Key vek = testing::new_curve_key("P-384"), other_vek = testing::new_curve_key("P-384");
};
const Keys& keys() {
  static const Keys kKeys;
  return kKeys;
}

// A machine, its firmware and its certificates.
struct Machine {
  std::string line = "Milan";          // of the root
  std::string product_name = "Milan";  // in the VEK
  bool cloud = false;
  std::uint32_t version = 3;
  std::array<std::uint8_t, 3> cpuid{0x19, 0x01, 0x01};
  std::array<std::uint8_t, 8> tcb{4, 0, 0, 0, 0, 0, 24, 219};  // as it stands in the report
  Bytes chip_id = Bytes(64, std::byte{0xc1});
  UnixTime vek_end{1'900'000'000}, ask_end{1'900'000'000};
  Key vek_key = keys().vek, vek_issuer = keys().ask, ask_issuer = keys().ark;
  std::string left_out;  // an extension
  Bytes crl;

  [[nodiscard]] bool is_turin() const { return product_name == "Turin"; }

  [[nodiscard]] Bytes vek() const {
    const std::string base = "1.3.6.1.4.1.3704.1.";
    const bool turin = is_turin();
    CertificateForm form{.name = cloud ? "SEV-VLEK" : "SEV-VCEK",
                         .issuer_name = "SEV-" + line,
                         .key = vek_key,
                         .issuer_key = vek_issuer,
                         .not_after = vek_end,
                         .serial = 0};
    form.extensions = {{base + "2", ia5(product_name)},
                       {base + "3.1", integer(tcb[turin ? 1 : 0])},
                       {base + "3.2", integer(tcb[turin ? 2 : 1])},
                       {base + "3.3", integer(tcb[turin ? 3 : 6])},
                       {base + "3.8", integer(tcb[7])}};
    if (turin) form.extensions.emplace_back(base + "3.9", integer(tcb[0]));
    if (cloud) {
      form.extensions.emplace_back(base + "5", ia5("CN=cloud.test"));
    } else {
      form.extensions.emplace_back(base + "4", chip_id);
    }
    std::erase_if(form.extensions, [&](const auto& each) { return each.first == base + left_out; });
    return testing::make_certificate(form);
  }

  [[nodiscard]] Bytes chain() const {
    Bytes both = testing::make_certificate({.name = "SEV-" + line,
                                            .issuer_name = "ARK-" + line,
                                            .key = keys().ask,
                                            .issuer_key = ask_issuer,
                                            .authority = true,
                                            .not_after = ask_end,
                                            .serial = 7});
    const Bytes ark = testing::make_certificate({.name = "ARK-" + line,
                                                 .issuer_name = "ARK-" + line,
                                                 .key = keys().ark,
                                                 .issuer_key = keys().ark,
                                                 .authority = true});
    both.insert(both.end(), ark.begin(), ark.end());
    return both;
  }

  [[nodiscard]] TrustedRoots roots() const {
    TrustedRoots roots;
    roots.add(testing::public_key_of(keys().ark), RootOfTrust::kGiven, "ARK-" + line);
    return roots;
  }

  [[nodiscard]] Bytes unsigned_report() const {
    Bytes report(1184);
    const auto put = [&report](std::size_t offset, const auto& value) {
      std::memcpy(report.data() + offset, &value, sizeof value);
    };
    put(0x00, version);
    put(0x08, std::uint64_t{0x30000});
    put(0x34, std::uint32_t{1});
    put(0x38, tcb);
    put(0x48, std::uint32_t{cloud ? 4U : 0U});
    std::ranges::fill(std::span(report).subspan(0x50, 64), std::byte{0xda});
    put(0x180, tcb);
    if (version >= 3) put(0x188, cpuid);
    if (!cloud) std::ranges::copy(chip_id, report.begin() + 0x1a0);
    return report;
  }

  [[nodiscard]] Verification verify(const Bytes& report) const {
    const auto endorsement = SnpEndorsement::prepare({.vek = vek(), .chain = chain(), .crl = crl}, roots());
    EXPECT_TRUE(endorsement) << endorsement.error().message;
    auto answer = verify_snp(report, *endorsement, kNow);
    EXPECT_TRUE(answer) << answer.error().message;
    return std::move(*answer);
  }
};

void sign(Bytes& report, const Key& key) {
  const auto der = testing::sign(key, testing::Signing::kEcdsa, "SHA384", ByteView(report).first(672));
  const auto both = testing::r_and_s(der, 48);
  std::ranges::fill(std::span(report).subspan(672), std::byte{0});
  std::reverse_copy(both.begin(), both.begin() + 48, report.begin() + 672);
  std::reverse_copy(both.begin() + 48, both.end(), report.begin() + 672 + 72);
}

Bytes signed_report(const Machine& machine) {
  Bytes report = machine.unsigned_report();
  sign(report, keys().vek);
  return report;
}

// A report in which bytes were changed before it was signed.
Bytes changed_report(const Machine& machine, std::size_t offset, std::uint8_t value) {
  Bytes report = machine.unsigned_report();
  report[offset] = std::byte{value};
  sign(report, keys().vek);
  return report;
}

std::string failures(const Verification& verification) {
  std::string all;
  for (const Check& check : verification.checks.list()) {
    if (check.outcome == CheckOutcome::kFailed) all += (all.empty() ? "" : " ") + std::string(check.id);
  }
  return all;
}

Machine turin() {
  Machine machine{.line = "Turin", .product_name = "Turin", .version = 5, .cpuid = {0x1a, 0x02, 0x01}};
  machine.tcb = {1, 2, 3, 4, 0, 0, 0, 75};
  machine.chip_id = Bytes(8, std::byte{0x17});
  return machine;
}

TEST(SnpReports, OfEveryProductAreAuthentic) {
  const Machine machines[] = {
      {},
      {.product_name = "Milan-B0", .version = 2},
      {.version = 2, .cpuid = {0, 0, 0}},
      {.line = "Genoa", .product_name = "Genoa", .cpuid = {0x19, 0x11, 0x01}},
      {.line = "Genoa", .product_name = "Siena", .cpuid = {0x19, 0xa0, 0x02}},
      {.cloud = true},
      turin(),
  };
  for (const Machine& machine : machines) {
    const auto answer = machine.verify(signed_report(machine));
    EXPECT_TRUE(answer.authentic()) << machine.product_name << ": " << failures(answer);
    EXPECT_EQ(answer.root, RootOfTrust::kGiven);
    EXPECT_EQ(*answer.claims.find("product"), ClaimValue(machine.line));
    EXPECT_EQ(*answer.claims.find("signing_key"), ClaimValue(machine.cloud ? "VLEK" : "VCEK"));
    EXPECT_EQ(*answer.claims.find("reported_tcb"), *answer.claims.find("vek_tcb"));
    EXPECT_EQ(answer.valid_until, machine.vek_end);
  }
}

TEST(SnpReports, SayTheTcbInTheLayoutOfTheirProduct) {
  const auto milan = Machine{}.verify(signed_report({}));
  EXPECT_EQ(to_json(*milan.claims.find("reported_tcb")), R"({"bootloader":4,"tee":0,"snp":24,"microcode":219})");
  const auto answer = turin().verify(signed_report(turin()));
  EXPECT_EQ(to_json(*answer.claims.find("reported_tcb")), R"({"fmc":1,"bootloader":2,"tee":3,"snp":4,"microcode":75})");
}

// Any bit of what is signed, and of r and s.
TEST(SnpReports, WithAnyBitChangedHaveNoSignature) {
  const Bytes good = signed_report({});
  const auto endorsement =
      SnpEndorsement::prepare({.vek = Machine{}.vek(), .chain = Machine{}.chain()}, Machine{}.roots());
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
    const auto answer = Machine{}.verify(changed_report({}, broken.offset, broken.value));
    EXPECT_EQ(failures(answer), broken.check) << broken.offset;
  }
  EXPECT_EQ(failures(turin().verify(changed_report(turin(), 0x180, 9))), "vek.tcb");  // FMC
  EXPECT_EQ(failures(turin().verify(changed_report(turin(), 0x1a8, 1))), "vek.chip_id");
}

TEST(SnpReports, MayNotHaveBytesAroundTheSignaturesNumbers) {
  for (const std::size_t offset : {672U + 48, 672U + 71, 672U + 72 + 48, 672U + 144, 1183U}) {
    Bytes report = signed_report({});
    report[offset] = std::byte{1};
    EXPECT_EQ(failures(Machine{}.verify(report)), "report.signature") << offset;
  }
}

TEST(SnpReports, OfLaterVersionsAreReadByWhatIsKnown) {
  Machine later;
  later.version = 6;
  const auto answer = later.verify(changed_report(later, 0x210, 1));
  EXPECT_TRUE(answer.authentic()) << failures(answer);
  later.version = 1;
  EXPECT_FALSE(verify_snp(signed_report(later), SnpEndorsement(), kNow));
  for (const std::size_t size : {0U, 1U, 672U, 1183U, 1185U, 4096U}) {
    EXPECT_FALSE(verify_snp(Bytes(size, std::byte{2}), SnpEndorsement(), kNow)) << size;
  }
}

TEST(SnpReports, MayHideTheirChip) {
  Machine hidden;
  Bytes report = hidden.unsigned_report();
  report[0x48] = std::byte{2};
  std::ranges::fill(std::span(report).subspan(0x1a0, 64), std::byte{0});
  sign(report, keys().vek);
  EXPECT_TRUE(hidden.verify(report).authentic());
}

TEST(SnpCertificates, AreRefusedForTheOneThingThatIsWrong) {
  const auto failing = [](Machine machine) { return failures(machine.verify(signed_report(machine))); };
  EXPECT_EQ(failing({}), "");
  EXPECT_EQ(failing({.vek_key = keys().other_vek}), "report.signature");
  EXPECT_EQ(failing({.vek_issuer = keys().other}), "vek.chain");
  EXPECT_EQ(failing({.ask_issuer = keys().other}), "vek.chain");
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
  const Machine machine;
  const auto endorsement =
      SnpEndorsement::prepare({.vek = machine.vek(), .chain = machine.chain()}, TrustedRoots::built_in());
  ASSERT_TRUE(endorsement);
  const auto answer = verify_snp(signed_report(machine), *endorsement, kNow);
  EXPECT_EQ(failures(*answer), "vek.chain");
  EXPECT_EQ(answer->root, RootOfTrust::kNone);
}

TEST(SnpCertificates, ComeInAnyOrderAndForm) {
  const Machine machine;
  Bytes all = machine.chain();
  const Bytes vek = machine.vek();
  all.insert(all.end(), vek.begin(), vek.end());
  const auto endorsement = SnpEndorsement::prepare({.chain = all}, machine.roots());
  ASSERT_TRUE(endorsement) << endorsement.error().message;
  EXPECT_TRUE(verify_snp(signed_report(machine), *endorsement, kNow)->authentic());
  EXPECT_TRUE(verify_snp_endorsement(*endorsement, kNow).authentic());
}

TEST(SnpCertificates, CanBeRevoked) {
  Machine machine;
  const auto with = [&](const testing::ListForm& form) {
    machine.crl = testing::make_revocation_list(form);
    return failures(machine.verify(signed_report(machine)));
  };
  EXPECT_EQ(with({.issuer_name = "ARK-Milan", .issuer_key = keys().ark}), "");
  // A VCEK's serial number is 0, and the ARK's list does not speak of what the ASK issued.
  EXPECT_EQ(with({.issuer_name = "ARK-Milan", .issuer_key = keys().ark, .revoked = {0}}), "");
  EXPECT_EQ(with({.issuer_name = "ARK-Milan", .issuer_key = keys().ark, .revoked = {3, 7}}), "vek.revocation");
  EXPECT_EQ(with({.issuer_name = "ARK-Milan", .issuer_key = keys().other}), "vek.revocation");
  EXPECT_EQ(with({.issuer_name = "ARK-Genoa", .issuer_key = keys().ark}), "vek.revocation");
  EXPECT_EQ(with({.issuer_name = "ARK-Milan", .issuer_key = keys().ark, .next_update = UnixTime{kNow.seconds - 1}}),
            "vek.revocation_validity");
}

TEST(SnpReports, WithoutCertificatesStillHaveClaims) {
  const auto answer = verify_snp(signed_report({}), SnpEndorsement(), kNow);
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
