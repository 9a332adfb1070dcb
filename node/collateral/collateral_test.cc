// The client against the server over real sockets, and what each makes of the other's nonsense.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "node/collateral/cache.h"
#include "node/collateral/http.h"
#include "node/collateral/server.h"

namespace coffer::node {
namespace {

using ::testing::HasSubstr;

TEST(Urls, AreTakenApart) {
  const auto url = parse_url("https://host.example:8081/sgx/v4/");
  ASSERT_TRUE(url);
  EXPECT_TRUE(url->secure);
  EXPECT_EQ(url->host + " " + url->port + " " + url->path, "host.example 8081 /sgx/v4");
  EXPECT_EQ(parse_url("http://[::1]/")->host, "::1");
  EXPECT_EQ(parse_url("http://[::1]:80")->port, "80");
  for (const char* wrong : {"", "host", "ftp://host", "http://", "http://a b/", "https://host:x/", "http://user@host/",
                            "http://host\r\nX: y/", "http://host:123456"}) {
    EXPECT_FALSE(parse_url(wrong)) << wrong;
  }
}

TEST(PercentSigns, GoAndComeBack) {
  const std::string text = "-----BEGIN A-----\nab+/=%\n";
  EXPECT_EQ(percent_encode(text), "-----BEGIN%20A-----%0Aab%2B%2F%3D%25%0A");
  EXPECT_EQ(*percent_decode(percent_encode(text)), text);
  EXPECT_FALSE(percent_decode("%"));
  EXPECT_FALSE(percent_decode("%4"));
  EXPECT_FALSE(percent_decode("%4g"));
  EXPECT_EQ(*percent_decode("%41"), "A");
}

class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto server = HttpServer::listen("127.0.0.1:0");
    ASSERT_TRUE(server) << server.error().message;
    url_ = *parse_url("http://" + server->place() + "/base");
    stop_ = ::eventfd(0, EFD_CLOEXEC);
    thread_ = std::thread([this, serving = std::move(*server)]() mutable {
      serving.serve(
          [](std::string_view target) {
            return HttpAnswer{.status = target.ends_with("gone") ? 404u : 200u,
                              .headers = {{"X-Target", std::string(target)}},
                              .body = std::string(100000, 'b')};
          },
          stop_);
    });
  }
  void TearDown() override {
    const std::uint64_t one = 1;
    ASSERT_EQ(::write(stop_, &one, sizeof(one)), 8);
    thread_.join();
    ::close(stop_);
  }
  // What the server answers to these bytes, as they stand.
  std::string send(std::string_view text) const {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(url_.port)));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(::send(socket, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    ::shutdown(socket, SHUT_WR);
    std::string got;
    char room[4096];
    for (ssize_t count = 0; (count = ::recv(socket, room, sizeof(room), 0)) > 0;)
      got.append(room, static_cast<std::size_t>(count));
    ::close(socket);
    return got;
  }
  Url url_;
  int stop_ = -1;
  std::thread thread_;
};

TEST_F(ServerTest, AnswersTheClient) {
  for (int round = 0; round < 3; ++round) {
    const auto answer = http_get(url_, "/x?y=1");
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->status, 200u);
    EXPECT_EQ(answer->header("x-target"), "/base/x?y=1");
    EXPECT_EQ(answer->body.size(), 100000u);
  }
  EXPECT_EQ(http_get(url_, "/gone")->status, 404u);
}

TEST_F(ServerTest, KeepsAConnectionAndRefusesNonsense) {
  const std::string twice =
      send("GET /a HTTP/1.1\r\nHost: x\r\n\r\nHEAD /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(twice, HasSubstr("X-Target: /a\r\n"));
  EXPECT_THAT(twice, HasSubstr("X-Target: /b\r\n"));
  EXPECT_TRUE(twice.ends_with("\r\n\r\n")) << "HEAD has no body";
  EXPECT_THAT(send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), HasSubstr(" 405 "));
  EXPECT_THAT(send("\x16\x03\x01 what is this\r\n\r\n"), HasSubstr(" 400 "));
  EXPECT_THAT(send("GET /" + std::string(20000, 'a') + " HTTP/1.1\r\n\r\n"), HasSubstr(" 400 "));
  EXPECT_EQ(http_get(url_, "/still")->status, 200u);
}

TEST(Client, SaysWhenNobodyIsThere) {
  auto server = HttpServer::listen("127.0.0.1:0");
  ASSERT_TRUE(server);
  const Url url = *parse_url("http://" + server->place());
  server = input_error("closed");
  const auto answer = http_get(url, "/");
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message, HasSubstr("127.0.0.1"));
}

TEST(Cache, KnowsNothingOfWhatIsNoQuote) {
  const std::string text = "no quote";
  EXPECT_FALSE(kind_of_quote(std::as_bytes(std::span(text))));
  const CollateralCache cache("/nonexistent", {.fmspc = "00606a000000", .ca = "platform"});
  EXPECT_EQ(cache.expires(), 0);
  EXPECT_EQ(cache.folder(), "/nonexistent/00606a000000-platform");
  for (const CachedPart& part : cache.parts()) EXPECT_FALSE(part.there);
}

}  // namespace
}  // namespace coffer::node
