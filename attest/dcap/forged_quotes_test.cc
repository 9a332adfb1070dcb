// Quotes of every version under an own certificate authority: good as they are made, and each thing that can be wrong
// is refused by the check that is there for it.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>

#include "attest/testing/forge.h"
#include "attest/x509/certificate.h"
#include "base/hex.h"

namespace coffer::attest::dcap {
namespace {

using testing::Bytes;
using testing::Forge;

struct Kind {
  std::uint16_t version;
  BodyType body;
};

std::vector<Kind> kinds() {
  return {{3, BodyType::kSgx},  {4, BodyType::kSgx},  {4, BodyType::kTd10},        {5, BodyType::kSgx},
          {5, BodyType::kTd10}, {5, BodyType::kTd15}, {5, BodyType::kTd15Extended}};
}

std::string reasons(const Result<Verification>& answer) {
  if (!answer) return answer.error().message;
  std::string text;
  for (const Check& check : answer->checks.list()) {
    if (check.outcome == CheckOutcome::kFailed) text += std::string(check.id) + " (" + check.actual + ") ";
  }
  return text;
}

// Good in the first place, whatever kind of quote.
class ForgedQuotes : public ::testing::TestWithParam<Kind> {
 protected:
  [[nodiscard]] static Forge forge() { return {GetParam().version, GetParam().body}; }
  [[nodiscard]] static bool tdx() { return GetParam().body != BodyType::kSgx; }

  // The change makes this check the first that fails, and the claims stay.
  static void expect_refused(std::string_view check, const std::function<void(Forge&)>& change) {
    Forge changed = forge();
    change(changed);
    const auto answer = changed.verify();
    ASSERT_TRUE(answer) << check << ": " << answer.error().message;
    EXPECT_FALSE(answer->authentic()) << check;
    const Check* failure = answer->checks.first_failure();
    ASSERT_NE(failure, nullptr) << check;
    EXPECT_EQ(failure->id, check) << reasons(answer);
    EXPECT_NE(answer->claims.find("report_data"), nullptr);
  }
  static void expect_unreadable(const std::function<void(Forge&)>& change) {
    Forge changed = forge();
    change(changed);
    EXPECT_FALSE(changed.verify());
  }
  static void expect_status(TcbStatus status, const std::function<void(Forge&)>& change) {
    Forge changed = forge();
    change(changed);
    const auto answer = changed.verify();
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->tcb_status, status) << name_of(*answer->tcb_status) << " " << reasons(answer);
    EXPECT_EQ(answer->authentic(), status != TcbStatus::kNoMatchingTcbLevel && status != TcbStatus::kRevoked);
  }
};

TEST_P(ForgedQuotes, AreAuthenticAsTheyAreMade) {
  const auto answer = forge().verify();
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_TRUE(answer->authentic()) << reasons(answer);
  EXPECT_EQ(answer->root, RootOfTrust::kGiven);
  EXPECT_EQ(answer->tcb_status, TcbStatus::kUpToDate);
  EXPECT_TRUE(answer->advisory_ids.empty());
  EXPECT_EQ(answer->valid_until, forge().tcb_info.next_update);
}

TEST_P(ForgedQuotes, WithAWrongSignatureAreRefused) {
  const auto other = crypto::PrivateKey::generate().value();
  expect_refused("quote.signature", [&](Forge& f) { f.quote_signed_by = other; });
  expect_refused("qe_report.signature", [&](Forge& f) { f.qe_report_signed_by = other; });
  expect_refused("pck_certificate.chain", [&](Forge& f) { f.pck_signed_by = other; });
  expect_refused("pck_certificate.chain", [&](Forge& f) { f.authority_signed_by = other; });
  expect_refused("tcb_info.chain", [&](Forge& f) { f.signer_signed_by = other; });
  expect_refused("tcb_info.chain", [&](Forge& f) { f.root_signed_by = other; });
  expect_refused("tcb_info.signature", [&](Forge& f) { f.tcb_info_signed_by = other; });
  expect_refused("qe_identity.signature", [&](Forge& f) { f.qe_identity_signed_by = other; });
  expect_refused("root_crl.signature", [&](Forge& f) { f.root_crl_signed_by = other; });
  expect_refused("pck_crl.signature", [&](Forge& f) { f.pck_crl_signed_by = other; });
}

TEST_P(ForgedQuotes, WithWrongCertificatesAreRefused) {
  expect_refused("pck_certificate.form", [](Forge& f) { f.pck_is_plain = true; });
  expect_refused("pck_certificate.form", [](Forge& f) { f.pck_name = "Somebody"; });
  expect_refused("pck_certificate.form", [](Forge& f) { f.certification_type = 3; });
  expect_refused("pck_certificate.chain", [](Forge& f) { f.authority_is_one = false; });
  expect_refused("tcb_info.chain", [](Forge& f) { f.signer_name = "Somebody"; });
  expect_refused("tcb_info.chain", [](Forge& f) { f.root_name = "Somebody"; });
  expect_refused("root_crl.signature", [](Forge& f) { f.revoked_by_root = {f.signer_serial()}; });
  expect_refused("pck_certificate.revoked", [](Forge& f) { f.revoked_by_root = {f.authority_serial()}; });
  expect_refused("pck_certificate.revoked",
                 [](Forge& f) { f.revoked_by_authority = {{std::byte{9}}, f.pck_serial(), {std::byte{0x70}}}; });
  expect_refused("pck_crl.signature", [](Forge& f) { f.pck_crl_issuer = "Coffer Test SGX PCK Processor CA"; });
  Forge fine = forge();
  fine.revoked_by_authority = {fine.authority_serial(), fine.signer_serial()};
  EXPECT_TRUE(fine.verify()->authentic()) << "serial numbers of other issuers' certificates";
}

// Both ends of every window belong to it, and a second beyond either does not.
TEST_P(ForgedQuotes, AreRefusedOutsideOfEveryWindow) {
  struct Part {
    std::string_view check;
    std::function<void(Forge&, UnixTime, UnixTime)> set;
  };
  const std::vector<Part> parts{
      {"pck_certificate.validity", [](Forge& f, UnixTime a, UnixTime b) { f.pck_window = {a, b}; }},
      {"pck_certificate.validity", [](Forge& f, UnixTime a, UnixTime b) { f.authority_window = {a, b}; }},
      {"collateral.validity", [](Forge& f, UnixTime a, UnixTime b) { f.root_window = {a, b}; }},
      {"collateral.validity", [](Forge& f, UnixTime a, UnixTime b) { f.signer_window = {a, b}; }},
      {"collateral.validity", [](Forge& f, UnixTime a, UnixTime b) { f.root_crl_window = {a, b}; }},
      {"collateral.validity", [](Forge& f, UnixTime a, UnixTime b) { f.pck_crl_window = {a, b}; }},
      {"collateral.validity",
       [](Forge& f, UnixTime a, UnixTime b) {
         f.tcb_info.issue_date = a;
         f.tcb_info.next_update = b;
       }},
      {"collateral.validity", [](Forge& f, UnixTime a, UnixTime b) {
         f.qe_identity.issue_date = a;
         f.qe_identity.next_update = b;
       }}};
  for (const Part& part : parts) {
    Forge edge = forge();
    part.set(edge, edge.now, edge.now);
    const auto answer = edge.verify();
    ASSERT_TRUE(answer);
    EXPECT_TRUE(answer->authentic()) << reasons(answer);
    EXPECT_EQ(answer->valid_until, edge.now);
    expect_refused(part.check, [&](Forge& f) { part.set(f, {f.now.seconds + 1}, {f.now.seconds + 2}); });
    expect_refused(part.check, [&](Forge& f) { part.set(f, {f.now.seconds - 2}, {f.now.seconds - 1}); });
  }
}

TEST_P(ForgedQuotes, WithCollateralOfAnotherPlatformAreRefused) {
  expect_refused("tcb_info.fmspc", [](Forge& f) { f.tcb_info.fmspc[5] = std::byte{1}; });
  expect_refused("tcb_info.pce_id", [](Forge& f) { f.tcb_info.pce_id->at(0) = std::byte{1}; });
  expect_refused("tcb_info.pce_id", [](Forge& f) { f.tcb_info.pce_id.reset(); });
  expect_refused("tcb_info.tee", [](Forge& f) {
    f.tcb_info.tdx = !f.tcb_info.tdx;
    f.tcb_info.tdx_module.reset();
    f.tcb_info.tdx_module_identities.clear();
    if (f.tcb_info.tdx) f.tcb_info.tdx_module.emplace();
  });
  expect_refused("qe_identity.tee", [](Forge& f) { f.qe_identity.id = f.qe_identity.id == "QE" ? "TD_QE" : "QE"; });
  expect_refused("qe_identity.tee", [](Forge& f) { f.qe_identity.id = "QVE"; });
  expect_refused("qe_identity.match", [](Forge& f) { f.qe_report[16] = std::byte{1}; });   // MISCSELECT
  expect_refused("qe_identity.match", [](Forge& f) { f.qe_report[48] ^= std::byte{2}; });  // ATTRIBUTES
  expect_refused("qe_identity.match", [](Forge& f) { f.qe_report[130] ^= std::byte{1}; });
  expect_refused("qe_identity.match", [](Forge& f) { f.qe_report[256] = std::byte{1}; });
  expect_refused("quote.vendor", [](Forge& f) { f.vendor_id[0] ^= std::byte{1}; });
  expect_refused("qe_report.data", [](Forge& f) { f.qe_report_data = Bytes(64); });
  expect_refused("qe_report.data", [](Forge& f) {
    const auto hash =
        crypto::digest(crypto::Hash::kSha256, {f.attestation_key.public_key().value(), f.qe_authentication_data});
    f.qe_report_data = Bytes(64, std::byte{1});
    std::ranges::copy(hash.bytes(), f.qe_report_data->begin());
  });
}

TEST_P(ForgedQuotes, OfAnotherFormAreNoQuotes) {
  expect_unreadable([](Forge& f) { f.version = 2; });
  expect_unreadable([](Forge& f) { f.version = 6; });
  expect_unreadable([](Forge& f) { f.attestation_key_type = 3; });
  expect_unreadable([](Forge& f) { f.tee = 0x82; });
  expect_unreadable([](Forge& f) { f.padding = {std::byte{0}, std::byte{1}}; });
  expect_unreadable([](Forge& f) { f.certification_type = 6; });
  expect_unreadable([](Forge& f) { f.certification_type = 0; });
  if (GetParam().version >= 5) {
    expect_unreadable([](Forge& f) { f.body.push_back(std::byte{0}); });
    expect_unreadable([](Forge& f) { f.tee ^= kTeeTdx; });
  }
  Forge padded = forge();
  padded.padding = Bytes(5000);
  EXPECT_TRUE(padded.verify()->authentic()) << "zeros after a quote are padding";
}

TEST_P(ForgedQuotes, HaveTheStatusOfTheFirstLevelThatTheyReach) {
  expect_status(TcbStatus::kUpToDate, [](Forge& f) { f.platform.components.fill(255); });
  expect_status(TcbStatus::kUpToDate, [](Forge& f) { std::ranges::reverse(f.tcb_info.levels); });
  expect_status(TcbStatus::kSwHardeningNeeded, [](Forge& f) { f.platform.components[15] = 4; });
  expect_status(TcbStatus::kSwHardeningNeeded, [](Forge& f) { f.platform.pcesvn = 12; });
  expect_status(TcbStatus::kOutOfDate, [](Forge& f) { f.platform.pcesvn = 10; });
  expect_status(TcbStatus::kNoMatchingTcbLevel, [](Forge& f) { f.platform.components[0] = 1; });
  expect_status(TcbStatus::kNoMatchingTcbLevel, [](Forge& f) { f.platform.pcesvn = 4; });
  expect_status(TcbStatus::kRevoked, [](Forge& f) { f.tcb_info.levels[0].status = TcbStatus::kRevoked; });
}

// An outdated quoting enclave, by the platform's own status (Intel QVL, 4.1.2.5.1.3 and following).
TEST_P(ForgedQuotes, MergeTheQuotingEnclavesStatus) {
  const auto outdated = [](TcbStatus platform) {
    return [platform](Forge& f) {
      f.tcb_info.levels[0].status = platform;
      f.qe_report[258] = std::byte{5};
    };
  };
  expect_status(TcbStatus::kOutOfDate, outdated(TcbStatus::kUpToDate));
  expect_status(TcbStatus::kOutOfDate, outdated(TcbStatus::kSwHardeningNeeded));
  expect_status(TcbStatus::kOutOfDate, outdated(TcbStatus::kOutOfDate));
  expect_status(TcbStatus::kOutOfDateConfigurationNeeded, outdated(TcbStatus::kConfigurationNeeded));
  expect_status(TcbStatus::kOutOfDateConfigurationNeeded, outdated(TcbStatus::kConfigurationAndSwHardeningNeeded));
  expect_status(TcbStatus::kOutOfDateConfigurationNeeded, outdated(TcbStatus::kOutOfDateConfigurationNeeded));
  expect_status(TcbStatus::kNoMatchingTcbLevel, [](Forge& f) { f.qe_report[258] = std::byte{3}; });
  expect_status(TcbStatus::kRevoked, [](Forge& f) { f.qe_identity.levels[0].status = TcbStatus::kRevoked; });
}

TEST_P(ForgedQuotes, HaveTheAdvisoriesOfEveryLevelOnce) {
  Forge old = forge();
  old.platform.components.fill(3);
  old.qe_report[258] = std::byte{4};
  old.qe_identity.levels[1].advisory_ids.emplace_back("INTEL-SA-00001");
  const auto answer = old.verify();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->advisory_ids, (std::vector<std::string>{"INTEL-SA-00001", "INTEL-SA-00002", "INTEL-SA-00003"}));
}

TEST_P(ForgedQuotes, OfTdxDependOnTheModule) {
  if (!tdx()) return;
  const auto both = [](Forge& f, std::size_t at, std::uint8_t value) {
    f.body[at] = std::byte{value};
    if (f.body_type >= BodyType::kTd15) f.body[kTdReport10Size + at] = std::byte{value};
  };
  expect_refused("tdx_module.identity", [&](Forge& f) { both(f, 1, 2); });
  expect_refused("tdx_module.identity", [](Forge& f) { f.tcb_info.tdx_module_identities.clear(); });
  expect_refused("tdx_module.identity",
                 [](Forge& f) { f.tcb_info.tdx_module_identities[0].mrsigner[0] = std::byte{1}; });
  expect_refused("tdx_module.identity", [](Forge& f) { f.body[16 + 96] = std::byte{1}; });  // SEAMATTRIBUTES
  expect_refused("tdx_module.identity", [](Forge& f) { f.body[16 + 48] = std::byte{1}; });  // MRSIGNERSEAM
  expect_status(TcbStatus::kUpToDate, [](Forge& f) { f.tcb_info.tdx_module_identities[0].id = "tdx_01"; });
  expect_status(TcbStatus::kOutOfDate, [&](Forge& f) { both(f, 0, 3); });
  expect_status(TcbStatus::kNoMatchingTcbLevel, [&](Forge& f) { both(f, 0, 1); });
  expect_status(TcbStatus::kSwHardeningNeeded, [&](Forge& f) { both(f, 2, 4); });
  // Without a major version the first two components are compared as the rest are.
  expect_status(TcbStatus::kNoMatchingTcbLevel, [&](Forge& f) { both(f, 1, 0); });
  expect_status(TcbStatus::kUpToDate, [&](Forge& f) {
    both(f, 1, 0);
    for (auto& level : f.tcb_info.levels) level.tdx[1] = 0;
  });
}

TEST_P(ForgedQuotes, OfTdx15AreAdvisedToRelaunch) {
  if (GetParam().body < BodyType::kTd15) return;  // has no second TCB
  const auto launched_old = [](Forge& f) { f.body[0] = std::byte{3}; };
  expect_status(TcbStatus::kRelaunchAdvised, launched_old);
  expect_status(TcbStatus::kRelaunchAdvisedConfigurationNeeded, [&](Forge& f) {
    launched_old(f);
    f.tcb_info.levels[0].status = TcbStatus::kConfigurationNeeded;
  });
  expect_status(TcbStatus::kOutOfDate, [&](Forge& f) {
    launched_old(f);
    f.body[kTdReport10Size] = std::byte{3};
  });
  expect_status(TcbStatus::kNoMatchingTcbLevel, [](Forge& f) { f.body[kTdReport10Size] = std::byte{1}; });
}

// The certificates of a quote, in DER.
std::vector<std::string> certificates_of(const Bytes& whole) {
  const ByteView data = parse_quote(whole)->certification_data;
  std::vector<std::string> all;
  const auto chain = x509::parse_certificates({reinterpret_cast<const char*>(data.data()), data.size()});
  for (const x509::Certificate& certificate : *chain) all.push_back(to_hex(certificate.der()));
  return all;
}

// Every byte of a quote counts: whichever is changed, it is no longer authentic.
TEST_P(ForgedQuotes, AreNotAuthenticWithAnyByteChanged) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const Forge made = forge();
  const auto collateral = Collateral::parse(made.texts(), made.roots());
  ASSERT_TRUE(collateral);
  const Bytes whole = made.quote();
  ChainCache cache;
  for (int i = 0; i < 200; ++i) {
    Bytes changed = whole;
    const std::size_t at = random() % changed.size();
    changed[at] ^= static_cast<std::byte>(1U << random() % 8);
    const auto answer = verify(changed, *collateral, made.now, &cache);
    // But white space in PEM and the text around its blocks, which are not part of a certificate.
    if (answer && answer->authentic()) {
      EXPECT_EQ(certificates_of(changed), certificates_of(whole)) << at;
    }
  }
  for (std::size_t size = 0; size < whole.size(); size += 61) {
    EXPECT_FALSE(verify(ByteView(whole).first(size), *collateral, made.now)) << size;
  }
}

std::string kind_name(const ::testing::TestParamInfo<Kind>& kind) {
  return "V" + std::to_string(kind.param.version) + "Body" + std::to_string(static_cast<int>(kind.param.body));
}
INSTANTIATE_TEST_SUITE_P(Kinds, ForgedQuotes, ::testing::ValuesIn(kinds()), kind_name);

TEST(ForgedCollateral, OfVersion2IsOfSgx) {
  Forge sgx(3, BodyType::kSgx);
  sgx.tcb_info.version = 2;
  EXPECT_TRUE(sgx.verify()->authentic()) << reasons(sgx.verify());
  Forge tdx(4, BodyType::kTd10);
  tdx.tcb_info.version = 2;
  tdx.tcb_info.tdx_module.reset();
  tdx.tcb_info.tdx_module_identities.clear();
  EXPECT_EQ(tdx.verify()->checks.first_failure()->id, "tcb_info.tee");
}

TEST(ForgedCollateral, WithWhiteSpaceIsReadTwice) {
  const Forge made(3, BodyType::kSgx);
  auto texts = made.texts();
  texts.tcb_info.insert(texts.tcb_info.find(':') + 1, " \n");
  const auto spaced = Collateral::parse(texts, made.roots());
  EXPECT_TRUE(verify(made.quote(), *spaced, made.now)->authentic());
  texts.tcb_info.insert(texts.tcb_info.find("UpToDate"), " ");
  EXPECT_FALSE(Collateral::parse(texts, made.roots())) << "within a string it is another status";
  texts = made.texts();
  texts.tcb_info.replace(texts.tcb_info.find("\"svn\":5"), 7, "\"svn\":4");
  const auto changed = Collateral::parse(texts, made.roots());
  EXPECT_EQ(verify(made.quote(), *changed, made.now)->checks.first_failure()->id, "tcb_info.signature");
}

TEST(ForgedCollateral, ComesInEveryForm) {
  const Forge made(4, BodyType::kTd10);
  const auto texts = made.texts();
  const auto json = Collateral::parse(made.collateral_json(), made.roots());
  ASSERT_TRUE(json) << json.error().message;
  EXPECT_TRUE(verify(made.quote(), *json, made.now)->authentic());
  // As a cache answers, each in a file, the chains in headers.
  std::string encoded;
  for (const char c : texts.tcb_info_issuer_chain) encoded += c == '\n' ? "%0A" : c == ' ' ? "%20" : std::string(1, c);
  const std::vector<std::string> files{
      "HTTP/1.1 200 OK\r\nTCB-Info-Issuer-Chain: " + encoded + "\r\n\r\n{\"tcbInfo\":" + texts.tcb_info +
          ",\"signature\":\"" + texts.tcb_info_signature + "\"}",
      "HTTP/1.1 200 OK\r\nSGX-Enclave-Identity-Issuer-Chain: " + encoded + "\r\n\r\n",
      "{\"enclaveIdentity\":" + texts.qe_identity + ",\"signature\":\"" + texts.qe_identity_signature + "\"}",
      texts.pck_crl,
      texts.root_ca_crl,
      "notes of somebody",
  };
  const auto answers = Collateral::parse_answers(files, made.roots());
  ASSERT_TRUE(answers) << answers.error().message;
  EXPECT_TRUE(verify(made.quote(), *answers, made.now)->authentic());
  EXPECT_FALSE(Collateral::parse_answers({}, made.roots()));
  auto two = files;
  Forge other(4, BodyType::kTd10);
  other.tcb_info.fmspc[0] = std::byte{9};
  two.push_back("{\"tcbInfo\":" + other.texts().tcb_info + ",\"signature\":\"" + texts.tcb_info_signature + "\"}");
  EXPECT_FALSE(Collateral::parse_answers(two, made.roots())) << "which of the two is meant?";
}

// With more than one trusted root, collateral of one does not speak of platforms of the other.
TEST(ForgedCollateral, OfAnotherRootDoesNotCount) {
  const Forge a(3, BodyType::kSgx);
  const Forge b(3, BodyType::kSgx);
  TrustedRoots both = a.roots();
  both.add(b.root_key.public_key(), RootOfTrust::kSoftware, "b");
  const auto collateral = Collateral::parse(b.texts(), both);
  const auto answer = verify(a.quote(), *collateral, a.now);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->checks.first_failure()->id, "pck_certificate.chain");
  EXPECT_EQ(answer->root, RootOfTrust::kNone);
}

TEST(ChainCaches, AreBoundedAndAnswerTheSame) {
  const Forge made(3, BodyType::kSgx);
  const auto collateral = Collateral::parse(made.texts(), made.roots());
  ChainCache cache(2);
  const auto once = verify(made.quote(), *collateral, made.now, &cache);
  EXPECT_EQ(cache.size(), 1U);
  const auto again = verify(made.quote(), *collateral, made.now, &cache);
  EXPECT_EQ(to_json(*once, true), to_json(*again, true));
  for (int i = 0; i < 3; ++i) {
    const Forge other(3, BodyType::kSgx);
    EXPECT_TRUE(verify(other.quote(), *Collateral::parse(other.texts(), other.roots()), made.now, &cache)->authentic());
  }
  EXPECT_EQ(cache.size(), 2U);
  // What other roots trust is another answer.
  const auto untrusted = Collateral::parse(made.texts(), TrustedRoots());
  EXPECT_FALSE(verify(made.quote(), *untrusted, made.now, &cache)->authentic());
  EXPECT_TRUE(verify(made.quote(), *collateral, made.now, &cache)->authentic());
}

}  // namespace
}  // namespace coffer::attest::dcap
