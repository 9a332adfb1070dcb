// Quotes forged whole, with the tests' own attestation keys and event logs; then one thing is broken at a time, and the
// check that looks at it must say so.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include <coffer/attest/tpm.h>

#include "attest/testing/forged_certificates.h"
#include "attest/testing/vectors.h"
#include "attest/tpm/event_log.h"
#include "attest/tpm/quote.h"
#include "attest/tpm/replay.h"
#include "base/hex.h"

namespace coffer::attest {
namespace {

using testing::Key;
using testing::Signing;
using tpm::HashId;
using Bytes = std::vector<std::byte>;

constexpr UnixTime kNow{1'800'000'000};

Bytes bytes_of_text(std::string_view text) {
  const auto view = std::as_bytes(std::span(text));
  return {view.begin(), view.end()};
}

class Writer {
 public:
  template <class T>
  Writer& big(T value) {
    for (int byte = sizeof(T) - 1; byte >= 0; --byte)
      bytes_.push_back(static_cast<std::byte>(value >> (8 * byte) & 0xff));
    return *this;
  }
  Writer& raw(ByteView bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  Writer& sized(ByteView bytes) { return big(static_cast<std::uint16_t>(bytes.size())).raw(bytes); }
  [[nodiscard]] Bytes take() { return std::move(bytes_); }

 private:
  Bytes bytes_;
};

struct Form {
  std::uint32_t magic = 0xff544347;
  std::uint16_t type = 0x8018;
  Bytes nonce = bytes_of_text("nonce");
  HashId bank = HashId::kSha256;
  std::uint32_t mask = 0xff;  // PCR 0 to 7
  Bytes digest = Bytes(32);
};

Bytes quote_of(const Form& form) {
  Writer writer;
  writer.big(form.magic).big(form.type).sized(Bytes(34, std::byte{0x0b})).sized(form.nonce);
  writer.big(std::uint64_t{123456}).big(std::uint32_t{7}).big(std::uint32_t{8}).big(std::uint8_t{1});
  writer.big(std::uint64_t{0x2020031200120003});
  writer.big(std::uint32_t{1}).big(static_cast<std::uint16_t>(form.bank)).big(std::uint8_t{3});
  for (int byte = 0; byte < 3; ++byte) writer.big(static_cast<std::uint8_t>(form.mask >> (8 * byte)));
  return writer.sized(form.digest).take();
}

Bytes tpmt_rsa(std::uint16_t scheme, HashId hash, ByteView signature) {
  return Writer().big(scheme).big(static_cast<std::uint16_t>(hash)).sized(signature).take();
}
Bytes tpmt_ecdsa(HashId hash, ByteView both) {
  const std::size_t half = both.size() / 2;
  return Writer()
      .big(std::uint16_t{0x18})
      .big(static_cast<std::uint16_t>(hash))
      .sized(both.first(half))
      .sized(both.subspan(half))
      .take();
}

struct Keys {
  Key rsa = testing::new_rsa_key(), p256 = testing::new_curve_key("P-256"), p384 = testing::new_curve_key("P-384");
  Key root = testing::new_curve_key("P-256"), other = testing::new_rsa_key();
};
const Keys& keys() {
  static const Keys kKeys;
  return kKeys;
}

std::string failures(const Verification& verification) {
  std::string all;
  for (const Check& check : verification.checks.list()) {
    if (check.outcome == CheckOutcome::kFailed) all += (all.empty() ? "" : " ") + std::string(check.id);
  }
  return all;
}

// A quote over a log's PCRs, all that belongs to it, and its verification.
struct Machine {
  Bytes log = testing::read_bytes(testing::vectors() / "tpm/log/ubuntu-1804-amd-sev/event_log.bin");
  Form form;
  Bytes quote, signature, key;
  std::optional<PcrValues> pcrs;
  std::optional<Bytes> nonce = bytes_of_text("nonce");
  TrustedRoots roots;

  explicit Machine(HashId hash = HashId::kSha256) {
    form.bank = hash;
    form.digest = digest_of_log(hash, form.mask);
    quote = quote_of(form);
    const std::string pem = testing::pem_of(keys().rsa);
    key = bytes_of_text(pem);
    sign();
  }
  void sign() {
    signature = tpmt_rsa(0x14, HashId::kSha256, testing::sign(keys().rsa, Signing::kPkcs1, "SHA256", quote));
  }

  [[nodiscard]] Bytes digest_of_log(HashId bank, std::uint32_t mask) const {
    const auto read = tpm::EventLog::parse(log);
    const auto registers = tpm::replay(*read);
    Bytes joined;
    for (std::uint32_t index = 0; index < 24; ++index) {
      if (((mask >> index) & 1) == 0) continue;
      const auto value = registers.find(bank)->values[index].view();
      joined.insert(joined.end(), value.begin(), value.end());
    }
    const auto digest = tpm::Hasher(HashId::kSha256).digest(joined);
    return {digest->view().begin(), digest->view().end()};
  }

  [[nodiscard]] Result<Verification> verify() const {
    TpmEvidence evidence{
        .quote = quote, .signature = signature, .attestation_key = key, .pcrs = pcrs, .event_log = log};
    if (nonce) evidence.nonce = *nonce;
    return verify_tpm(evidence, roots, kNow);
  }
  [[nodiscard]] std::string failing() const {
    const auto answer = verify();
    return answer ? failures(*answer) : "unreadable";
  }
};

TEST(TpmQuotes, WithTheirLogAreAuthentic) {
  for (const HashId bank : {HashId::kSha1, HashId::kSha256, HashId::kSha384}) {
    const auto answer = Machine(bank).verify();
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_TRUE(answer->authentic()) << failures(*answer);
    EXPECT_EQ(answer->root, RootOfTrust::kGiven);
    EXPECT_EQ(*answer->claims.find("reset_count"), ClaimValue(7));
    EXPECT_EQ(*answer->claims.find("clock_safe"), ClaimValue(true));
    EXPECT_NE(answer->claims.find("secureBootEnabled"), nullptr);
    EXPECT_EQ(*answer->claims.find("sig_scheme"), ClaimValue("RSASSA-PKCS1v1_5-SHA256"));
  }
}

TEST(TpmQuotes, AreSignedInManyForms) {
  struct Scheme {
    Key key;
    Signing how;
    std::uint16_t number;
    const char* openssl;
    HashId hash;
    const char* name;
  };
  const Scheme schemes[] = {
      {keys().rsa, Signing::kPkcs1, 0x14, "SHA256", HashId::kSha256, "RSASSA-PKCS1v1_5-SHA256"},
      {keys().rsa, Signing::kPkcs1, 0x14, "SHA1", HashId::kSha1, "RSASSA-PKCS1v1_5-SHA1"},
      {keys().rsa, Signing::kPss, 0x16, "SHA256", HashId::kSha256, "RSA-PSS-SHA256"},
      {keys().rsa, Signing::kPss, 0x16, "SHA384", HashId::kSha384, "RSA-PSS-SHA384"},
      {keys().p256, Signing::kEcdsa, 0x18, "SHA256", HashId::kSha256, "ECDSA-SHA256"},
      {keys().p384, Signing::kEcdsa, 0x18, "SHA384", HashId::kSha384, "ECDSA-SHA384"},
  };
  for (const Scheme& scheme : schemes) {
    Form form;
    form.digest = Bytes(tpm::digest_size(scheme.hash), std::byte{5});
    const Bytes message = quote_of(form);
    const auto quote = tpm::Quote::parse(message);
    ASSERT_TRUE(quote);
    const crypto::PublicKey key = testing::public_key_of(scheme.key);
    const Bytes bare = testing::sign(scheme.key, scheme.how, scheme.openssl, message);
    std::vector<Bytes> forms{bare};
    if (scheme.how == Signing::kEcdsa) {
      const Bytes both = testing::r_and_s(bare, key.bits() / 8);
      forms.push_back(both);
      forms.push_back(tpmt_ecdsa(scheme.hash, both));
    } else {
      forms.push_back(tpmt_rsa(scheme.number, scheme.hash, bare));
    }
    for (const Bytes& signature : forms) {
      const auto outcome = verify_quote_signature(*quote, signature, key);
      ASSERT_TRUE(outcome) << scheme.name;
      EXPECT_TRUE(outcome->fits) << scheme.name << " " << signature.size();
      EXPECT_EQ(outcome->scheme, scheme.name);
      // Any bit of the signature's numbers; of a DER form a change can make it unreadable instead.
      Bytes broken = signature;
      broken.back() ^= std::byte{1};
      const auto refused = verify_quote_signature(*quote, broken, key);
      EXPECT_FALSE(refused && refused->fits) << scheme.name;
    }
    // The header says another scheme or hash than was signed with.
    if (scheme.how != Signing::kEcdsa) {
      const auto other = scheme.number == 0x14 ? std::uint16_t{0x16} : std::uint16_t{0x14};
      EXPECT_FALSE(verify_quote_signature(*quote, tpmt_rsa(other, scheme.hash, bare), key)->fits);
      EXPECT_FALSE(verify_quote_signature(*quote, tpmt_rsa(scheme.number, HashId::kSha512, bare), key)->fits);
    }
  }
}

TEST(TpmQuotes, WithAnyBitChangedHaveNoSignature) {
  const Machine good;
  std::mt19937 random(20250616);
  for (int round = 0; round < 100; ++round) {
    Machine broken = good;
    broken.quote[random() % broken.quote.size()] ^= std::byte{1} << (random() % 8);
    const auto answer = broken.verify();
    if (!answer) continue;  // a length or the magic
    EXPECT_TRUE(failures(*answer).starts_with("quote.signature")) << failures(*answer);
    EXPECT_FALSE(answer->authentic());
  }
}

TEST(TpmQuotes, AreRefusedForTheOneThingThatIsWrong) {
  EXPECT_EQ(Machine().failing(), "");
  Machine machine;
  machine.nonce = bytes_of_text("another");
  EXPECT_EQ(machine.failing(), "quote.nonce");
  machine.nonce = bytes_of_text("nonc");  // whole, not its start
  EXPECT_EQ(machine.failing(), "quote.nonce");
  machine = Machine();
  machine.key = bytes_of_text(testing::pem_of(keys().other));
  EXPECT_EQ(machine.failing(), "quote.signature");
  machine = Machine();
  machine.signature.clear();
  EXPECT_EQ(machine.failing(), "quote.signature");
  machine = Machine();
  machine.key.clear();
  EXPECT_EQ(machine.failing(), "ak.key");
  machine = Machine();
  machine.form.digest[0] ^= std::byte{1};
  machine.quote = quote_of(machine.form);
  machine.sign();
  EXPECT_EQ(machine.failing(), "quote.pcr_digest");
  EXPECT_EQ(machine.verify()->claims.find("secureBootEnabled"), nullptr);
}

TEST(TpmQuotes, OfAnotherLogDoNotProveIt) {
  Machine machine;
  machine.log = testing::read_bytes(testing::vectors() / "tpm/log/arch-linux-workstation/event_log.bin");
  EXPECT_EQ(machine.failing(), "quote.pcr_digest");
  // With the values, the log is compared PCR by PCR.
  const auto read = tpm::EventLog::parse(Machine().log);
  const auto registers = tpm::replay(*read);
  std::string json = "{\"sha256\":{";
  for (std::uint32_t index = 0; index < 8; ++index) {
    json += (index == 0 ? "\"" : ",\"") + std::to_string(index) + "\":\"" +
            to_hex(registers.find(HashId::kSha256)->values[index].view()) + "\"";
  }
  machine.pcrs = *PcrValues::parse(bytes_of_text(json + "}}"));
  EXPECT_EQ(machine.failing(), "event_log.replay");
  machine.log = Machine().log;
  EXPECT_EQ(machine.failing(), "");
}

// What a quote does not cover, its log does not prove.
TEST(TpmQuotes, ProveOnlyThePcrsThatTheyHold) {
  Machine machine;
  machine.form.mask = 0x0f;  // without PCR 7
  machine.form.digest = machine.digest_of_log(HashId::kSha256, machine.form.mask);
  machine.quote = quote_of(machine.form);
  machine.sign();
  const auto answer = machine.verify();
  EXPECT_TRUE(answer->authentic()) << failures(*answer);
  EXPECT_EQ(answer->claims.find("secureBootEnabled"), nullptr);
}

TEST(TpmQuotes, OfOtherKindsOrCutShortAreUnreadable) {
  Machine machine;
  machine.form.magic = 0x12345678;
  machine.quote = quote_of(machine.form);
  EXPECT_EQ(machine.failing(), "unreadable");
  machine = Machine();
  machine.form.type = 0x8017;  // TPM_ST_ATTEST_CERTIFY
  machine.quote = quote_of(machine.form);
  EXPECT_EQ(machine.failing(), "unreadable");
  const Bytes whole = Machine().quote;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(tpm::Quote::parse(ByteView(whole).first(size))) << size;
  }
  Bytes longer = whole;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(tpm::Quote::parse(longer));
  EXPECT_TRUE(tpm::Quote::parse(Writer().sized(whole).take()));  // TPM2B_ATTEST
}

TEST(TpmKeys, AreVerifiedByTheirCertificates) {
  const auto chain = [](const Key& issuer, UnixTime end) {
    return testing::make_certificate(
        {.name = "AK", .issuer_name = "Maker", .key = keys().rsa, .issuer_key = issuer, .not_after = end});
  };
  Machine machine;
  machine.key = chain(keys().root, UnixTime{1'900'000'000});
  EXPECT_EQ(machine.failing(), "ak.chain");  // nobody trusts the maker
  machine.roots.add(testing::public_key_of(keys().root), RootOfTrust::kGiven, "Maker");
  const auto answer = machine.verify();
  EXPECT_TRUE(answer->authentic()) << failures(*answer);
  EXPECT_EQ(*answer->claims.find("aikValidated"), ClaimValue(true));
  machine.key = chain(keys().root, UnixTime{kNow.seconds - 1});
  EXPECT_EQ(machine.failing(), "ak.validity");
  machine.key = chain(testing::new_curve_key("P-256"), UnixTime{1'900'000'000});
  EXPECT_EQ(machine.failing(), "ak.chain");
}

// A machine on Azure, of real evidence.
struct Azure {
  Bytes hcl = read("tpm/az-snp-v1/hcl_report.bin");
  Bytes quote = read("tpm/az-snp-v1/quote.msg"), signature = read("tpm/az-snp-v1/quote.sig");
  Bytes vek = read("snp/milan3-azure-v1/vek.der"), chain = read("snp/milan3-azure-v1/ca_chain.pem");
  Bytes key;

  static Bytes read(const char* path) { return testing::read_bytes(testing::vectors() / path); }
  [[nodiscard]] std::string failing() const {
    const auto endorsement = SnpEndorsement::prepare({.vek = vek, .chain = chain}, TrustedRoots::built_in());
    const TpmEvidence evidence{.quote = quote,
                               .signature = signature,
                               .attestation_key = key,
                               .hcl_report = hcl,
                               .endorsement = &*endorsement};
    const auto answer = verify_tpm(evidence, TrustedRoots::built_in(), UnixTime{1'750'000'000});
    if (!answer) return "unreadable";
    EXPECT_TRUE(!answer->authentic() || answer->root == (key.empty() ? RootOfTrust::kAmd : RootOfTrust::kGiven));
    return failures(*answer);
  }
};

TEST(HclReports, VouchForTheTpmsKey) {
  Azure azure;
  EXPECT_EQ(azure.failing(), "");
  azure.key = Azure::read("tpm/az-snp-v1/ak_pub.pem");
  EXPECT_EQ(azure.failing(), "");
  azure.key = bytes_of_text(testing::pem_of(keys().rsa));
  EXPECT_EQ(azure.failing(), "hcl.ak quote.signature");
  azure.key.clear();
  // The data beside the report: a configuration that was changed, then another key.
  Azure changed;
  const auto at = std::ranges::search(changed.hcl, bytes_of_text("\"secure-boot\":true"));
  ASSERT_FALSE(at.empty());
  std::ranges::copy(bytes_of_text("\"secure-boot\":null"), at.begin());
  EXPECT_EQ(changed.failing(), "hcl.report_data");
  Azure flipped;
  flipped.hcl[32 + 0x90] ^= std::byte{1};  // the measurement
  EXPECT_EQ(flipped.failing(), "report.signature");
  Azure cut;
  cut.hcl.resize(1300);
  EXPECT_EQ(cut.failing(), "unreadable");
}

TEST(PcrValues, AreReadInTheirForms) {
  const auto parse = [](std::string_view text) { return PcrValues::parse(bytes_of_text(text)); };
  const std::string value(64, 'a');
  EXPECT_EQ(parse("{\"sha256\":{\"7\":\"" + value + "\"}}")->banks().at("sha256").at(7).size(), 32U);
  EXPECT_EQ(parse("{\"7\":\"" + value + "\"}")->banks().at("sha256").size(), 1U);
  EXPECT_EQ(PcrValues::parse(Bytes(64))->joined().size(), 64U);
  for (const std::string& bad :
       {std::string("{"), std::string("[]"), std::string("{}"), "{\"md5\":{\"0\":\"" + value + "\"}}",
        "{\"sha1\":{\"0\":\"" + value + "\"}}", "{\"sha256\":{\"32\":\"" + value + "\"}}",
        "{\"sha256\":{\"-1\":\"" + value + "\"}}", std::string("{\"sha256\":{\"0\":\"xy\"}}")}) {
    EXPECT_FALSE(parse(bad)) << bad;
  }
}

}  // namespace
}  // namespace coffer::attest
