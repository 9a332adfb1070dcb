// The small parts: routes, traces, limits, metrics, logs, certificates.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "service/enclave/certificates.h"
#include "service/enclave/log.h"
#include "service/enclave/metrics.h"
#include "service/enclave/rate_limit.h"
#include "service/enclave/router.h"
#include "service/enclave/tls.h"
#include "service/enclave/trace.h"
#include "service/enclave/uri.h"

namespace coffer::service {
namespace {

using testing::HasSubstr;

Router routes() {
  Router router;
  const auto says = [](const char* what) {
    return [what](const Request&, const PathValues& values) {
      return Response::text(what + std::string(values.empty() ? "" : " " + values[0]));
    };
  };
  router.add("GET", "/policies/{type}", says("get"));
  router.add("PUT", "/policies/{type}", says("put"));
  router.add("POST", "/policies/{type}:reset", says("reset"));
  router.add("GET", "/", says("root"));
  router.add("GET", "/throws", [](const auto&, const auto&) -> Response { throw std::runtime_error("a secret"); });
  return router;
}

std::string routed(const char* method, const char* path) {
  Request request;
  request.method = method;
  request.path = path;
  static const Router router = routes();
  const auto answer = router.route(request);
  return std::to_string(answer.response.status) + " " + std::string(answer.pattern) + " " + answer.response.body;
}

TEST(Router, FindsRoutes) {
  EXPECT_EQ(routed("GET", "/policies/SgxEnclave"), "200 /policies/{type} get SgxEnclave");
  EXPECT_EQ(routed("HEAD", "/policies/SgxEnclave"), "200 /policies/{type} get SgxEnclave");
  EXPECT_EQ(routed("PUT", "/policies/a%20b"), "200 /policies/{type} put a b");
  EXPECT_EQ(routed("POST", "/policies/Tpm:reset"), "200 /policies/{type}:reset reset Tpm");
  EXPECT_EQ(routed("GET", "/"), "200 / root");
  EXPECT_THAT(routed("POST", "/policies/Tpm"), HasSubstr("405 /policies/{type}"));
  EXPECT_THAT(routed("GET", "/policies/Tpm:reset"), HasSubstr("405"));
  EXPECT_THAT(routed("GET", "/policies/"), HasSubstr("404 none"));
  EXPECT_THAT(routed("GET", "/policies/a/b"), HasSubstr("404"));
  EXPECT_THAT(routed("GET", "/x"), HasSubstr("404"));
}

TEST(Router, AnExceptionsTextStaysInside) {
  EXPECT_THAT(routed("GET", "/throws"), HasSubstr("500"));
  EXPECT_THAT(routed("GET", "/throws"), testing::Not(HasSubstr("secret")));
}

TEST(Trace, GoesOnFromAWellFormedParent) {
  const Trace trace = begin_trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  EXPECT_EQ(trace.trace_id, "0af7651916cd43dd8448eb211c80319c");
  EXPECT_TRUE(trace.sampled);
  EXPECT_NE(trace.span_id, "b7ad6b7169203331");
  EXPECT_EQ(trace.parent(), "00-" + trace.trace_id + "-" + trace.span_id + "-01");
}

TEST(Trace, BeginsAnewOtherwise) {
  for (const char* wrong : {"", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
                            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}) {
    EXPECT_NE(begin_trace(wrong).trace_id, "0af7651916cd43dd8448eb211c80319c") << wrong;
  }
}

TEST(RateLimit, GivesTokensByTime) {
  RateLimit limit(2, 3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limit.take("a", 1000), 0u);
  EXPECT_EQ(limit.take("a", 1000), 1u);
  EXPECT_EQ(limit.take("b", 1000), 0u);
  EXPECT_EQ(limit.take("a", 1500), 0u);
  EXPECT_NE(limit.take("a", 1500), 0u);
  EXPECT_NE(limit.take("a", 100), 0u) << "time that goes back gives nothing";
}

TEST(RateLimit, HoldsItsTableSmall) {
  RateLimit limit(1, 1);
  unsigned refused = 0;
  for (int i = 0; i < 10'000; ++i) refused += limit.take("client" + std::to_string(i), 1000) != 0 ? 1 : 0;
  EXPECT_GT(refused, 5000u) << "beyond the table all share one bucket";
  EXPECT_EQ(limit.take("another", 10'000), 0u);
}

TEST(Metrics, SaysWhatItCounted) {
  Metrics metrics;
  metrics.count_request("/certs", "GET", 200, 700);
  metrics.count_request("/certs", "GET", 200, 70'000'000);
  metrics.count_request("/certs", "BREW\"}\n", 405, 10);
  metrics.count("handshakes_failed");
  const std::string text = metrics.text();
  EXPECT_THAT(text, HasSubstr("coffer_requests_total{route=\"/certs\",method=\"GET\",status=\"200\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("method=\"other\",status=\"405\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("coffer_request_seconds_bucket{route=\"/certs\",le=\"0.001\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("coffer_request_seconds_bucket{route=\"/certs\",le=\"+Inf\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("coffer_handshakes_failed_total 1\n"));
}

TEST(Log, GivesWholeLinesAndDropsBeyondItsBound) {
  Log log;
  log.write("info", "one", {{"text", std::string("a\nb")}, {"number", std::int64_t{3}}});
  log.write("info", "two", {});
  const std::string first = log.take(100);
  EXPECT_THAT(first, HasSubstr(R"("text":"a\nb","number":3})"));
  EXPECT_EQ(std::count(first.begin(), first.end(), '\n'), 1);
  EXPECT_THAT(log.take(1000), HasSubstr("two"));
  for (int i = 0; i < 10'000; ++i) log.write("info", "many", {});
  EXPECT_LE(log.take(1 << 20).size(), 256u << 10);
  EXPECT_THAT(log.take(1000), HasSubstr("log_lines_dropped"));
}

TEST(Certificates, AnAuthorityIssuesForAServer) {
  CertifiedKey authority;
  authority.key = new_key(KeyType::kP256);
  const std::int64_t now = 1'700'000'000;
  auto root =
      issue_certificate({.common_name = "an authority", .authority = true, .not_before = now, .not_after = now + 1000},
                        authority.key.text());
  ASSERT_TRUE(root) << root.error().message;
  authority.certificate = *root;
  const SecretBytes key = new_key(KeyType::kRsa2048);
  const auto leaf = issue_certificate({.common_name = "a server",
                                       .names = {"localhost", "127.0.0.1", "::1"},
                                       .server = true,
                                       .not_before = now,
                                       .not_after = now + 1000,
                                       .extensions = {{"1.3.6.1.4.1.311.105.1", {std::byte{4}, std::byte{0}}}}},
                                      key.text(), &authority);
  ASSERT_TRUE(leaf) << leaf.error().message;
  EXPECT_TRUE(TlsContext::create(*leaf + *root, key.text()));
  EXPECT_FALSE(TlsContext::create(*leaf, authority.key.text())) << "the key of another certificate";
  EXPECT_FALSE(TlsContext::create("rubbish", key.text()));
  EXPECT_FALSE(TlsContext::create(*leaf, key.text(), "rubbish"));
}

TEST(Certificates, RefusesAMalformedName) {
  const SecretBytes key = new_key(KeyType::kP256);
  EXPECT_FALSE(issue_certificate({.common_name = "\xff\xfe"}, key.text()));
  EXPECT_FALSE(issue_certificate({.common_name = "x"}, "no key"));
}

TEST(Uri, DecodesStrictly) {
  EXPECT_EQ(decode_percent("a%2Fb+c"), "a/b+c");
  EXPECT_EQ(decode_percent("a+c", true), "a c");
  EXPECT_FALSE(decode_percent("%"));
  EXPECT_FALSE(decode_percent("%g0"));
  EXPECT_FALSE(decode_percent("%00"));
}

}  // namespace
}  // namespace coffer::service
