#include <coffer/attest/openenclave.h>

#include <gtest/gtest.h>

#include "attest/crypto/digest.h"
#include "attest/dcap/quote.h"
#include "attest/testing/vectors.h"
#include "base/hex.h"

namespace coffer::attest::openenclave {
namespace {

using Bytes = std::vector<std::byte>;

Bytes evidence_file() { return testing::read_bytes(testing::vectors() / "misc/oe-plugin/evidence"); }
Bytes endorsements_file() { return testing::read_bytes(testing::vectors() / "misc/oe-plugin/endorsements"); }
Bytes quote() { return testing::read_bytes(testing::vectors() / "dcap/sgx3-oe-plugin.2/quote.bin"); }
UnixTime moment() { return *parse_iso8601("2022-05-11T23:03:47Z"); }

void append(Bytes& to, ByteView bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }
template <class T>
void append_number(Bytes& to, T value) {
  append(to, bytes_of(value));
}

Bytes with_header(std::string_view format, ByteView data) {
  Bytes bytes;
  append_number(bytes, std::uint32_t{3});
  append(bytes, *from_hex(format));
  append_number(bytes, std::uint32_t{0});
  append_number(bytes, std::uint64_t{data.size()});
  append(bytes, data);
  return bytes;
}

Bytes with_report_header(std::uint32_t type, std::uint64_t size, ByteView data) {
  Bytes bytes;
  append_number(bytes, std::uint32_t{1});
  append_number(bytes, type);
  append_number(bytes, size);
  append(bytes, data);
  return bytes;
}

constexpr std::string_view kEcdsa = "a3a21e871b4d4014b70aa125d2fbcd8c";

TEST(OpenEnclave, EvidenceIsVerifiedWithItsEndorsements) {
  const auto collateral = parse_endorsements(endorsements_file());
  ASSERT_TRUE(collateral) << collateral.error().message;
  EXPECT_EQ(collateral->fmspc(), "00906ed50000");
  const auto answer = verify_evidence(evidence_file(), *collateral, moment());
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_TRUE(answer->authentic()) << to_json(*answer, false);
  EXPECT_EQ(answer->tcb_status, TcbStatus::kSwHardeningNeeded);
  EXPECT_EQ(*answer->claims.find("oe_form"), ClaimValue("quote"));
  const auto headed = parse_endorsements(with_header(kEcdsa, ByteView(endorsements_file()).subspan(81)));
  EXPECT_TRUE(headed) << headed.error().message;
}

TEST(OpenEnclave, HeadersAreTakenOff) {
  const Bytes bare = quote();
  const Bytes reported = with_report_header(2, bare.size(), bare);
  const auto report = parse_evidence(reported);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->form, Form::kReport);
  EXPECT_TRUE(std::ranges::equal(report->quote, bare));
  Bytes both = bare;
  append(both, bytes_of(std::uint64_t{7}));
  const Bytes headed = with_header(kEcdsa, both);
  const auto evidence = parse_evidence(headed);
  ASSERT_TRUE(evidence) << evidence.error().message;
  EXPECT_EQ(evidence->form, Form::kEvidence);
  EXPECT_TRUE(std::ranges::equal(evidence->quote, bare));
  EXPECT_EQ(evidence->custom_claims.size(), 8U);
  EXPECT_EQ(parse_evidence(bare)->form, Form::kQuote);
}

// The quote of the vectors is not bound to these claims: that is what the check is for.
TEST(OpenEnclave, CustomClaimsMustBeTheOnesThatTheQuoteBinds) {
  const auto collateral = parse_endorsements(endorsements_file());
  Bytes both = quote();
  both.push_back(std::byte{1});
  const auto answer = verify_evidence(with_header(kEcdsa, both), *collateral, moment());
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_FALSE(answer->authentic());
  EXPECT_EQ(answer->checks.first_failure()->id, "oe_evidence.custom_claims");
  EXPECT_EQ(*answer->claims.find("oe_custom_claims"), ClaimValue("01"));
}

TEST(OpenEnclave, OtherFormsAreRefusedByName) {
  const Bytes bare = quote();
  const auto refusal = [](const Bytes& bytes) {
    const auto parsed = parse_evidence(bytes);
    return parsed ? std::string("accepted") : parsed.error().message;
  };
  EXPECT_NE(refusal(with_report_header(1, bare.size(), bare)).find("same machine"), std::string::npos);
  EXPECT_NE(refusal(with_report_header(2, bare.size() + 1, bare)).find("follow"), std::string::npos);
  EXPECT_NE(refusal(with_report_header(2, ~std::uint64_t{0}, bare)).find("follow"), std::string::npos);
  EXPECT_NE(refusal(with_report_header(2, 4, bare)).find("padding"), std::string::npos);
  EXPECT_NE(refusal(with_header("09268c336e0b45e58a2715644d0ef89a", bare)).find("SGX_LOCAL_ATTESTATION"),
            std::string::npos);
  EXPECT_NE(refusal(Bytes(3)).find("4 bytes"), std::string::npos);
  Bytes cut = with_header(kEcdsa, bare);
  cut.pop_back();
  EXPECT_NE(refusal(cut).find("follow"), std::string::npos);
}

TEST(OpenEnclave, EndorsementsAreReadWithinTheirBounds) {
  Bytes whole = endorsements_file();
  whole.erase(whole.begin(), whole.begin() + 81);
  for (const std::size_t at : {0U, 4U, 8U, 12U, 16U, 20U, 24U, 48U}) {
    for (const int value : {0x00, 0x7f, 0xff}) {
      Bytes changed = whole;
      if (changed[at] == static_cast<std::byte>(value)) continue;
      changed[at] = static_cast<std::byte>(value);
      changed[at + 3] = static_cast<std::byte>(value);
      EXPECT_FALSE(parse_endorsements(changed)) << at << " " << value;
    }
  }
  for (std::size_t size = 0; size < whole.size(); size += 97) {
    EXPECT_FALSE(parse_endorsements(ByteView(whole).first(size))) << size;
  }
}

// Open Enclave's own files: what their names say is wrong must be refused, the rest must be read.
TEST(OpenEnclave, JsonIsReadByItsRules) {
  std::size_t refused = 0;
  std::size_t read = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(testing::vectors() / "misc/oe-json")) {
    if (!entry.is_regular_file()) continue;
    const std::string name = entry.path().filename();
    const auto claims = read_json(testing::read_text(entry.path()));
    const bool bad = name.find("Negative") != std::string::npos || name.find("missing") != std::string::npos;
    EXPECT_EQ(claims.has_value(), !bad) << name << ": " << (claims ? "read" : claims.error().message);
    ++(bad ? refused : read);
  }
  EXPECT_GE(refused, 30U);
  EXPECT_GE(read, 7U);
}

}  // namespace
}  // namespace coffer::attest::openenclave
