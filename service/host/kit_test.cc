// The kit from outside: a real enclave with the echo service, and real clients.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "service/host/carrier.h"
#include "service/host/service_host.h"

namespace coffer::service {
namespace {

using testing::HasSubstr;

// What a command prints, both streams.
std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = ::popen(("timeout 30 " + command + " 2>&1").c_str(), "r");
  std::array<char, 4096> piece;
  for (std::size_t got = 0; (got = std::fread(piece.data(), 1, piece.size(), pipe)) > 0;)
    text.append(piece.data(), got);
  ::pclose(pipe);
  return text;
}

class KitTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "/tmp/service-kit.XXXXXX";
    folder = ::mkdtemp(pattern.data());
    ::setenv("COFFER_HOME", (folder / "home").c_str(), 1);
    log = std::fopen((folder / "log").c_str(), "w");
    std::filesystem::create_directory(folder / "files");
    std::ofstream(folder / "files" / "note.txt") << "from the host";
    settings = {{"names", {"localhost", "127.0.0.1"}}, {"service", {{"greeting", "good day"}}}};
  }
  void TearDown() override {
    host.reset();
    std::fclose(log);
    std::filesystem::remove_all(folder);
  }

  Result<void> start() {
    ServiceOptions options;
    options.image = COFFER_BUILD_DIR "/tests/programs/echo-service.enclave";
    options.store = folder / "store";
    options.files = folder / "files";
    options.configuration = settings.dump();
    options.log = ::fileno(log);
    auto started = ServiceHost::start(options);
    if (!started) return std::unexpected(started.error());
    host = std::make_unique<ServiceHost>(std::move(*started));
    std::ofstream(folder / "ca.pem") << nlohmann::json::parse(host->answer())["ca"].get<std::string>();
    return {};
  }
  std::string url(const std::string& path) const { return "https://localhost:" + std::to_string(host->port()) + path; }
  std::string curl(const std::string& path, const std::string& more = "") const {
    return output_of("curl -sS --cacert " + (folder / "ca.pem").string() + " " + more + " '" + url(path) + "'");
  }
  // A plain connection, of which a test says what goes over it.
  int connect() const {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(host->port())};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    return socket;
  }
  // Whether the service closes the connection in that time, whatever it says before.
  static bool closes(int socket, int milliseconds) {
    std::array<char, 4096> piece;
    while (true) {
      pollfd waits{.fd = socket, .events = POLLIN};
      if (::poll(&waits, 1, milliseconds) <= 0) return false;
      if (::recv(socket, piece.data(), piece.size(), 0) <= 0) return true;
    }
  }
  std::string log_text() const {
    std::ifstream file(folder / "log");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::filesystem::path folder;
  FILE* log = nullptr;
  nlohmann::json settings;
  std::unique_ptr<ServiceHost> host;
};

#define START()                                             \
  ASSERT_EQ(                                                \
      [this] {                                              \
        const auto done = start();                          \
        return done ? std::string() : done.error().message; \
      }(),                                                  \
      "")

TEST_F(KitTest, AnswersCurlWithTlsEndedInside) {
  START();
  EXPECT_EQ(curl("/hello/you"), "good day you");
  EXPECT_EQ(curl("/hello/you", "--tls-max 1.2"), "good day you");
  EXPECT_EQ(curl("/echo", "--data-binary something"), "something");
  EXPECT_EQ(curl("/file/note.txt"), "from the host");
  EXPECT_THAT(curl("/file/..%2flog"), HasSubstr("NotFound"));
  EXPECT_EQ(curl("/who"), "127.0.0.1 without certificate");
  EXPECT_EQ(curl("/healthz"), R"({"status":"ok"})");
  EXPECT_EQ(curl("/readyz"), R"({"status":"ready"})");
  EXPECT_EQ(curl("/large", "-o /dev/null -w '%{size_download}'"), std::to_string(3 << 20));
  EXPECT_THAT(curl("/nothing", "-w '%{http_code}'"), HasSubstr("404"));
  EXPECT_THAT(curl("/hello/you", "--tls-max 1.1"), HasSubstr("curl: ("));
}

TEST_F(KitTest, OneConnectionServesManyRequests) {
  START();
  std::string urls;
  for (int i = 0; i < 50; ++i) urls += " " + url("/hello/" + std::to_string(i));
  const std::string text = output_of("curl -sSv --cacert " + (folder / "ca.pem").string() + urls);
  EXPECT_THAT(text, HasSubstr("good day 49"));
  EXPECT_THAT(text, HasSubstr("Re-using existing connection"));
  EXPECT_EQ(text.find("Connected to"), text.rfind("Connected to")) << "more than one connection";
}

TEST_F(KitTest, SpeaksWithOpenSslAndAnswersWhatIsPipelined) {
  START();
  const std::string port = std::to_string(host->port());
  const std::string text = output_of(
      "sh -c \"printf 'GET /hello/1 HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\nGET /hello/2 HTTP/1.1\\r\\nHost: "
      "localhost\\r\\nConnection: close\\r\\n\\r\\n' | openssl s_client -quiet -verify_return_error -verify_hostname "
      "localhost -CAfile " +
      (folder / "ca.pem").string() + " -connect 127.0.0.1:" + port + "\"");
  EXPECT_THAT(text, HasSubstr("good day 1"));
  EXPECT_THAT(text, HasSubstr("good day 2"));
}

TEST_F(KitTest, CountsAndLogsWithoutSecrets) {
  START();
  (void)curl("/hello/a-secret-name?token=hush",
             "-H 'Authorization: Bearer hush' -H 'traceparent: "
             "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'");
  EXPECT_THAT(curl("/metrics"),
              HasSubstr(R"(coffer_requests_total{route="/hello/{name}",method="GET",status="200"} 1)"));
  const std::string head =
      curl("/hello/x", "-D - -H 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'");
  EXPECT_THAT(head, HasSubstr("traceparent: 00-0af7651916cd43dd8448eb211c80319c-"));
  EXPECT_THAT(head, HasSubstr("x-request-id: "));
  host.reset();
  EXPECT_THAT(log_text(), HasSubstr(R"("route":"/hello/{name}")"));
  EXPECT_THAT(log_text(), HasSubstr("0af7651916cd43dd8448eb211c80319c"));
  EXPECT_THAT(log_text(), testing::Not(HasSubstr("hush")));
  EXPECT_THAT(log_text(), testing::Not(HasSubstr("a-secret-name")));
}

TEST_F(KitTest, EndsSlowAndHalfOpenConnections) {
  settings["limits"] = {{"handshake_time", 300}, {"header_time", 300}, {"body_time", 300}, {"idle_time", 300}};
  START();
  const int says_little = connect();
  ASSERT_EQ(::send(says_little, "\x16", 1, 0), 1);  // the begin of a TLS record
  EXPECT_TRUE(closes(says_little, 5000));
  ::close(says_little);
  // After the handshake: an idle connection, a header that does not end, a body that does not come.
  for (const char* part : {"", "GET /hello/x HTTP/1.1\\r\\nHost:",
                           "POST /echo HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 9\\r\\n\\r\\nab"}) {
    // Its standard input stays open for longer than the service waits.
    const std::string text =
        output_of("bash -c \"timeout 10 openssl s_client -quiet -connect 127.0.0.1:" + std::to_string(host->port()) +
                  " < <(printf '" + part + "'; exec sleep 5 2>/dev/null); echo ended \\$?\"");
    if (*part != '\0') {
      EXPECT_THAT(text, HasSubstr("408"));
    }
    EXPECT_THAT(text, testing::Not(HasSubstr("ended 124"))) << "it was not closed";
  }
  EXPECT_EQ(curl("/hello/still"), "good day still");
}

TEST_F(KitTest, BytesThatAreNoTlsDoNoHarm) {
  START();
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  for (int i = 0; i < 200; ++i) {
    const int socket = connect();
    std::string bytes(random() % 600 + 1, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    if (random() % 2 == 0)
      bytes.replace(0, std::min<std::size_t>(5, bytes.size()), std::string("\x16\x03\x01\x02\x00", 5), 0,
                    std::min<std::size_t>(5, bytes.size()));
    (void)::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    ::close(socket);
  }
  EXPECT_EQ(curl("/hello/still"), "good day still") << "seed " << seed;
  EXPECT_EQ(host->ended(), std::nullopt);
}

TEST_F(KitTest, LimitsOneAddressesRate) {
  settings["limits"] = {{"requests_per_second", 0.5}, {"burst", 3}};
  START();
  std::string codes;
  for (int i = 0; i < 5; ++i) codes += curl("/hello/x", "-o /dev/null -w '%{http_code} '");
  EXPECT_THAT(codes, testing::StartsWith("200 200 200 429"));
}

TEST_F(KitTest, DrainsAndStops) {
  START();
  const int idle = connect();
  EXPECT_EQ(curl("/hello/x"), "good day x");
  EXPECT_TRUE(host->drain(std::chrono::seconds(10)));
  ::close(idle);
  EXPECT_THAT(curl("/hello/x", "--max-time 1"), HasSubstr("curl: ("));
}

TEST_F(KitTest, SealedNotesStayAndOldStoresAreRefused) {
  START();
  EXPECT_EQ(curl("/notes/one", "-X PUT -d first"), "{}");
  const std::string authority = host->answer();
  host.reset();
  std::filesystem::copy(folder / "store", folder / "old");
  START();
  EXPECT_EQ(host->answer(), authority) << "the authority's key is kept";
  EXPECT_EQ(curl("/notes/one"), "first");
  EXPECT_EQ(curl("/notes/one", "-X PUT -d second"), "{}");
  host.reset();
  std::filesystem::copy(folder / "old", folder / "store", std::filesystem::copy_options::overwrite_existing);
  const auto again = start();
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().kind, ErrorKind::kRefused);
  EXPECT_THAT(again.error().message, HasSubstr("rolled back"));
}

TEST_F(KitTest, RefusesWrongConfigurations) {
  const nlohmann::json good = settings;
  for (const char* wrong : {R"({"name":1})", R"({"limits":{"body":1}})", R"({"limits":{"body_bytes":-1}})",
                            R"({"names":[]})", R"({"certificate":"x"})", R"({"service":{"greetings":"x"}})"}) {
    settings = good;
    settings.update(nlohmann::json::parse(wrong));
    const auto started = start();
    EXPECT_FALSE(started) << wrong;
    if (!started) {
      EXPECT_EQ(started.error().kind, ErrorKind::kInput) << started.error().message;
    }
    host.reset();
  }
}

}  // namespace
}  // namespace coffer::service
