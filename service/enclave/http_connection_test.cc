#include "service/enclave/http_connection.h"

#include <gtest/gtest.h>

#include <random>

namespace coffer::service {
namespace {

struct Client {
  explicit Client(Limits its_limits = {}) : limits(its_limits), connection(limits) {}
  std::string send(std::string_view bytes) {
    std::string out;
    connection.receive(
        bytes,
        [this](Request& request) {
          ++served;
          last = request;
          return Response::text(request.method + " " + request.path + " " + request.body);
        },
        out);
    return out;
  }
  Limits limits;
  HttpConnection connection;
  Request last;
  int served = 0;
};

TEST(HttpConnection, AnswersARequest) {
  Client client;
  const std::string answer =
      client.send("POST /a/b?x=1&y=%20z HTTP/1.1\r\nHost: Example:99\r\nContent-Length: 2\r\n\r\nhi");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
  EXPECT_NE(answer.find("POST /a/b hi"), std::string::npos);
  EXPECT_NE(answer.find("x-request-id: "), std::string::npos);
  EXPECT_EQ(client.last.host, "example");
  EXPECT_EQ(client.last.parameter("y"), " z");
  EXPECT_FALSE(client.connection.finished());
  EXPECT_EQ(client.connection.phase(), HttpConnection::Phase::kIdle);
}

TEST(HttpConnection, TakesBytesInAnyPieces) {
  Client client;
  std::string answer;
  for (const char byte :
       std::string("PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")) {
    answer += client.send(std::string(1, byte));
  }
  EXPECT_NE(answer.find("PUT /x abc"), std::string::npos) << answer;
}

TEST(HttpConnection, AnswersPipelinedRequestsInOrder) {
  Client client;
  const std::string answer = client.send(
      "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nxGET /3 "
      "HTTP/1.1\r\nHost: "
      "a\r\nConnection: close\r\n\r\nGET /4 HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.served, 3);
  EXPECT_LT(answer.find("GET /1"), answer.find("POST /2 x"));
  EXPECT_LT(answer.find("POST /2 x"), answer.find("GET /3"));
  EXPECT_TRUE(client.connection.finished());
}

TEST(HttpConnection, ReadsNoFurtherThanTheClientTakes) {
  Client client({.pending_bytes = 600});
  std::string many;
  for (int i = 0; i < 50; ++i) many += "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n";
  (void)client.send(many);
  EXPECT_TRUE(client.connection.waiting());
  EXPECT_LT(client.served, 10);
  for (int i = 0; i < 50 && client.connection.waiting(); ++i) (void)client.send("");
  EXPECT_EQ(client.served, 50);
}

TEST(HttpConnection, RefusesWhatIsMalformedOrTooLarge) {
  const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n";
  const std::string post = "POST / HTTP/1.1\r\nHost: a\r\n";
  struct {
    std::string bytes;
    std::string status;
  } const cases[] = {
      {"rubbish\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\n\r\n", "400"},                     // no Host
      {get + "Host: b\r\n\r\n", "400"},                      // two
      {"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "400"},  // no path
      {"GET /../x HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"GET /%2e%2E/x HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"GET /%0 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400"},
      {post + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "400"},
      {post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
      {post + "Content-Length: -1\r\n\r\n", "400"},
      {post + "Content-Length: 99999999999999999999999\r\n\r\n", "400"},
      {post + "Content-Length: 2000000\r\n\r\n", "413"},
      {post + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", "400"},
      {post + "Transfer-Encoding: chunked\r\n\r\nff0000\r\n" + std::string(2'000'000, 'x'), "413"},
      {get + "X: " + std::string(20'000, 'x') + "\r\n\r\n", "431"},
      {"GET /" + std::string(20'000, 'x'), "431"},
      {post + "Transfer-Encoding: gzip\r\n\r\n", "501"},
  };
  for (const auto& wrong : cases) {
    Client client;
    const std::string answer = client.send(wrong.bytes);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 " + wrong.status)) << wrong.bytes.substr(0, 100) << "\n" << answer;
    EXPECT_TRUE(client.connection.finished()) << wrong.bytes.substr(0, 100);
    EXPECT_EQ(client.served, 0);
  }
}

TEST(HttpConnection, SaysContinueToWhoWaits) {
  Client client;
  EXPECT_EQ(client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"),
            "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(client.connection.phase(), HttpConnection::Phase::kBody);
  EXPECT_NE(client.send("ok").find("POST / ok"), std::string::npos);
}

TEST(HttpConnection, AHeadHasNoBody) {
  Client client;
  const std::string answer = client.send("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(answer.ends_with("\r\n\r\n")) << answer;
  EXPECT_NE(answer.find("Content-Length: 8"), std::string::npos) << answer;
}

TEST(HttpConnection, TimesOut) {
  Client client;
  EXPECT_EQ(client.send("GET / HT"), "");
  EXPECT_EQ(client.connection.phase(), HttpConnection::Phase::kHeader);
  std::string out;
  client.connection.time_out(out);
  EXPECT_TRUE(out.starts_with("HTTP/1.1 408")) << out;
  EXPECT_TRUE(client.connection.finished());
}

TEST(HttpConnection, MutatedRequestsNeverDoHarm) {
  const std::string good =
      "POST /policies/SgxEnclave:reset?api-version=2020-10-01 HTTP/1.1\r\nHost: a.example\r\nAuthorization: Bearer "
      "x\r\n"
      "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /certs HTTP/1.1\r\nHost: a\r\nContent-Length: "
      "3\r\n\r\nabc";
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  for (int i = 0; i < 10'000; ++i) {
    std::string bytes = good;
    for (unsigned changes = random() % 8 + 1; changes != 0; --changes) {
      const std::size_t at = random() % bytes.size();
      if (random() % 3 == 0) {
        bytes.erase(at, random() % 16);
      } else if (random() % 3 == 0) {
        bytes.insert(at, bytes.substr(random() % bytes.size(), random() % 32));
      } else {
        bytes[at] = static_cast<char>(random());
      }
      if (bytes.empty()) bytes = "x";
    }
    Client client;
    const std::size_t cut = random() % (bytes.size() + 1);
    const std::string answer = client.send(bytes.substr(0, cut)) + client.send(bytes.substr(cut));
    ASSERT_TRUE(answer.empty() || answer.starts_with("HTTP/1.1 ")) << "seed " << seed << ": " << answer;
  }
}

}  // namespace
}  // namespace coffer::service
