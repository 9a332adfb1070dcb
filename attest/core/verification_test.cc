#include <coffer/attest/verification.h>

#include <gtest/gtest.h>

namespace coffer::attest {
namespace {

TEST(Verification, IsAuthenticWhereEveryCheckPassedUnderARoot) {
  Verification answer;
  EXPECT_FALSE(answer.authentic()) << "nothing was looked at";
  answer.root = RootOfTrust::kIntel;
  EXPECT_FALSE(answer.authentic()) << "nothing was looked at";
  EXPECT_TRUE(answer.checks.note("a", "1", true));
  EXPECT_TRUE(answer.authentic());
  answer.checks.not_done("b", "2", "not needed");
  EXPECT_TRUE(answer.authentic());
  answer.tcb_status = TcbStatus::kOutOfDate;
  EXPECT_TRUE(answer.authentic()) << "whether that is good enough is a policy's question";
  for (const TcbStatus status : {TcbStatus::kRevoked, TcbStatus::kNoMatchingTcbLevel}) {
    answer.tcb_status = status;
    EXPECT_FALSE(answer.authentic());
  }
  answer.tcb_status = TcbStatus::kUpToDate;
  answer.root = RootOfTrust::kNone;
  EXPECT_FALSE(answer.authentic());
  answer.root = RootOfTrust::kSoftware;
  EXPECT_FALSE(answer.checks.note("c", "3", false, "1", "2"));
  EXPECT_FALSE(answer.authentic());
  ASSERT_NE(answer.checks.first_failure(), nullptr);
  EXPECT_EQ(answer.checks.first_failure()->id, "c");
}

TEST(Verification, TcbStatusesHaveIntelsNames) {
  for (int i = 0; i <= static_cast<int>(TcbStatus::kNoMatchingTcbLevel); ++i) {
    const auto status = static_cast<TcbStatus>(i);
    ASSERT_FALSE(name_of(status).empty());
    EXPECT_EQ(parse_tcb_status(name_of(status)), status);
  }
  EXPECT_FALSE(parse_tcb_status("uptodate"));
}

TEST(Verification, IsWrittenAsJson) {
  Verification answer;
  answer.tee = Tee::kTdx;
  answer.root = RootOfTrust::kIntel;
  answer.tcb_status = TcbStatus::kUpToDate;
  answer.advisory_ids = {"INTEL-SA-00960"};
  answer.claims.set("debug", false);
  answer.checks.note("x", "A.4", false, "one", "two");
  answer.valid_until = UnixTime{0};
  EXPECT_EQ(to_json(answer, false),
            R"({"verdict":"reject","reason":"x","tee":"tdx","root":"intel","tcb_status":"UpToDate",)"
            R"("advisory_ids":["INTEL-SA-00960"],"claims":{"debug":false},"checks":[{"id":"x","section":"A.4",)"
            R"("outcome":"failed","expected":"one","actual":"two"}],"valid_until":"1970-01-01T00:00:00Z"})");
}

TEST(Claims, KeepTheirOrderAndStandOnce) {
  Claims claims;
  claims.set("b", 1);
  claims.set("a", true);
  claims.set("b", "text");
  claims.set("list", ClaimValue::List{1, "two", ClaimValue(Claims{})});
  claims.set("huge", std::uint64_t{0xffff'ffff'ffff'ffff});
  claims.set_hex("bytes", std::array{std::byte{0xab}, std::byte{1}});
  EXPECT_EQ(to_json(claims), R"({"b":"text","a":true,"list":[1,"two",{}],"huge":18446744073709551615,"bytes":"ab01"})");
  ASSERT_NE(claims.find("a"), nullptr);
  EXPECT_EQ(*claims.find("a"), ClaimValue(true));
  EXPECT_EQ(claims.find("c"), nullptr);
  EXPECT_EQ(ClaimValue(std::uint64_t{5}), ClaimValue(5)) << "equal numbers are equal";
  Claims others;
  others.set("a", 7);
  others.set("z", 8);
  claims.merge(others);
  EXPECT_EQ(*claims.find("a"), ClaimValue(7));
  EXPECT_EQ(claims.size(), 6U);
}

TEST(Claims, AreValidJsonWhateverTheyHold) {
  Claims claims;
  claims.set("q\"\\\n", std::string("\x01\xff\xc3\xa4\xed\xa0\x80\xf0\x9f\x98\x80\xc0\x80"));
  EXPECT_EQ(to_json(claims),
            "{\"q\\\"\\\\\\u000a\":\"\\u0001\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd"
            "\xef\xbf\xbd\xf0\x9f\x98\x80\xef\xbf\xbd\xef\xbf\xbd\"}");
}

}  // namespace
}  // namespace coffer::attest
