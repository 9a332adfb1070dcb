// The host's side against an enclave that asks for what it may not have.
#include "host/network/network_service.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <random>
#include <thread>

namespace coffer::host {
namespace {

using boundary::kFirstSocketHandle;
using boundary::kSocketDataOffset;
using boundary::kSocketWait;
using boundary::NetworkDirection;
using boundary::NetworkFamily;
using boundary::NetworkRule;
using boundary::NetworkTransport;
using boundary::PollerChange;
using boundary::PollerEvent;
using boundary::PollerOperation;
using boundary::Request;

class NetworkServiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::vector<NetworkRule> rules;
    for (const auto direction : {NetworkDirection::kBind, NetworkDirection::kConnect}) {
      rules.push_back({direction, NetworkTransport::kTcp, NetworkFamily::kV4, 8, 0, 65535, {127}, {}});
    }
    service.allow(rules);
  }
  Answer ask(Request request, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0, std::uint64_t d = 0,
             std::uint32_t thread = 0) {
    return service.serve(request, {a, b, c, d}, area, thread);
  }
  std::uint64_t put_address(const char* text, std::uint16_t port) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(port);
    ::inet_pton(AF_INET, text, &name.sin_addr);
    std::memcpy(area.data(), &name, sizeof(name));
    return sizeof(name);
  }
  std::uint64_t open() {
    const Answer answer = ask(Request::kSocketOpen, AF_INET, SOCK_STREAM);
    EXPECT_GE(answer.result, kFirstSocketHandle);
    return static_cast<std::uint64_t>(answer.result);
  }
  // A listening socket and its port.
  std::pair<std::uint64_t, std::uint16_t> listen() {
    const auto handle = open();
    EXPECT_EQ(ask(Request::kSocketBind, handle, put_address("127.0.0.1", 0)).result, 0);
    EXPECT_EQ(ask(Request::kSocketListen, handle, 5).result, 0);
    EXPECT_EQ(ask(Request::kSocketName, handle).result, static_cast<std::int64_t>(sizeof(sockaddr_in)));
    sockaddr_in name{};
    std::memcpy(&name, area.data(), sizeof(name));
    return {handle, ntohs(name.sin_port)};
  }

  std::vector<std::byte> area = std::vector<std::byte>(boundary::kExchangeSize);
  NetworkService service{FileService::Streams{}};
};

TEST_F(NetworkServiceTest, OnlyWhatIsDeclared) {
  const auto handle = open();
  EXPECT_EQ(ask(Request::kSocketBind, handle, put_address("0.0.0.0", 0)).result, -EACCES);
  EXPECT_EQ(ask(Request::kSocketConnect, handle, put_address("192.0.2.1", 80)).result, -EACCES);
  EXPECT_EQ(ask(Request::kSocketOpen, AF_INET, SOCK_DGRAM).result, -EACCES);
  EXPECT_EQ(ask(Request::kSocketOpen, AF_UNIX, SOCK_STREAM).result, -EACCES);
  EXPECT_EQ(ask(Request::kSocketOpen, AF_PACKET, SOCK_RAW).result, -EINVAL);
  EXPECT_EQ(ask(Request::kSocketOpen, AF_INET, SOCK_RAW).result, -EINVAL);
}

TEST_F(NetworkServiceTest, AndOfThatOnlyWhatIsPermitted) {
  const NetworkRule narrow{NetworkDirection::kBind, NetworkTransport::kTcp, NetworkFamily::kAny, 0, 0, 0, {}, {}};
  service.narrow(std::span(&narrow, 1));
  const auto handle = open();
  EXPECT_EQ(ask(Request::kSocketBind, handle, put_address("127.0.0.1", 1)).result, -EACCES);
  EXPECT_EQ(ask(Request::kSocketConnect, handle, put_address("127.0.0.1", 0)).result, -EACCES);
  EXPECT_EQ(ask(Request::kSocketBind, handle, put_address("0.0.0.0", 0)).result, -EACCES);  // not declared
  EXPECT_EQ(ask(Request::kSocketBind, handle, put_address("127.0.0.1", 0)).result, 0);
  service.narrow({});
  EXPECT_EQ(ask(Request::kSocketOpen, AF_INET, SOCK_STREAM).result, -EACCES);
}

TEST_F(NetworkServiceTest, HandlesAndLengthsAreChecked) {
  const auto handle = open();
  for (const std::uint64_t wrong : {std::uint64_t{0}, std::uint64_t{3}, handle + 1, ~std::uint64_t{0}}) {
    EXPECT_EQ(ask(Request::kSocketListen, wrong, 1).result, -EBADF);
    EXPECT_EQ(ask(Request::kSocketClose, wrong).result, -EBADF);
    EXPECT_EQ(ask(Request::kPollerWait, wrong).result, -EBADF);
  }
  const std::uint64_t most = area.size() - kSocketDataOffset;
  for (const std::uint64_t length : {most + 1, ~std::uint64_t{0}}) {
    EXPECT_EQ(ask(Request::kSocketSend, handle, length).result, -EINVAL);
    EXPECT_EQ(ask(Request::kSocketReceive, handle, length).result, -EINVAL);
    EXPECT_EQ(ask(Request::kSocketBind, handle, length).result, -EINVAL);
    EXPECT_EQ(ask(Request::kWaitFor, length).result, -EINVAL);
  }
  EXPECT_EQ(ask(Request::kSocketSetOption, handle, std::uint64_t{SOL_SOCKET} << 32 | SO_BINDTODEVICE, 4).result,
            -ENOPROTOOPT);
  EXPECT_EQ(ask(Request::kSocketSetOption, handle, std::uint64_t{SOL_SOCKET} << 32 | SO_KEEPALIVE, 5).result, -EINVAL);
  EXPECT_EQ(ask(Request::kSocketShutdown, handle, 3).result, -EINVAL);
  EXPECT_EQ(ask(Request::kSocketClose, handle).result, 0);
  EXPECT_EQ(ask(Request::kSocketClose, handle).result, -EBADF);
}

TEST_F(NetworkServiceTest, HandlesAreBounded) {
  NetworkService small{FileService::Streams{}, 2};
  const auto poller = [&] { return small.serve(Request::kPollerOpen, {}, area, 0).result; };
  EXPECT_GE(poller(), 0);
  const auto second = poller();
  EXPECT_EQ(poller(), -EMFILE);
  EXPECT_EQ(small.serve(Request::kSocketClose, {static_cast<std::uint64_t>(second)}, area, 0).result, 0);
  EXPECT_GE(poller(), 0);
}

TEST_F(NetworkServiceTest, WaitsEndByNameAndAtTheEnd) {
  const auto [listener, port] = listen();
  EXPECT_EQ(ask(Request::kWake, 5).result, 0);
  EXPECT_EQ(ask(Request::kSocketAccept, listener, kSocketWait, ~std::uint64_t{0}, 0, 5).result, -EINTR);
  EXPECT_EQ(ask(Request::kSocketAccept, listener, kSocketWait, 1000, 0, 5).result, -EAGAIN);
  EXPECT_EQ(ask(Request::kSocketAccept, listener, 0).result, -EAGAIN);
  std::thread ends([&] { service.cancel_waits(); });
  EXPECT_EQ(ask(Request::kSocketAccept, listener, kSocketWait, ~std::uint64_t{0}).result, -EINTR);
  EXPECT_EQ(ask(Request::kWaitFor, 0, ~std::uint64_t{0}).result, -EINTR);
  ends.join();
}

TEST_F(NetworkServiceTest, BytesComeAlongWithTheirEvent) {
  const auto [listener, port] = listen();
  const auto client = open();
  const auto begun = ask(Request::kSocketConnect, client, put_address("127.0.0.1", port)).result;
  EXPECT_TRUE(begun == 0 || begun == -EINPROGRESS);
  const auto accepted = ask(Request::kSocketAccept, listener, kSocketWait, ~std::uint64_t{0});
  ASSERT_GE(accepted.result, kFirstSocketHandle);
  const auto poller = static_cast<std::uint64_t>(ask(Request::kPollerOpen).result);
  const PollerChange change{PollerOperation::kAdd, static_cast<std::int32_t>(accepted.result), EPOLLIN | EPOLLRDHUP,
                            boundary::kPollerPrefetch, 77};
  std::memcpy(area.data(), &change, sizeof(change));
  EXPECT_EQ(ask(Request::kPollerWait, poller, 1, 0, 8).result, 0);
  for (std::uint64_t offset : {0, 5}) {
    std::memcpy(area.data() + kSocketDataOffset, "hello", 5);
    ASSERT_EQ(ask(Request::kSocketSend, client, 5).result, 5);
    const Answer answer = ask(Request::kPollerWait, poller, 0, ~std::uint64_t{0}, 8);
    ASSERT_EQ(answer.result, 1);
    PollerEvent event;
    std::memcpy(&event, area.data(), sizeof(event));
    EXPECT_EQ(event.token, 77u);
    EXPECT_EQ(event.events, std::uint32_t{EPOLLIN});
    ASSERT_EQ(event.size, 5u);
    EXPECT_EQ(event.stream_offset, offset);
    EXPECT_EQ(std::memcmp(area.data() + sizeof(event), "hello", 5), 0);
  }
  const Answer nothing = ask(Request::kSocketReceive, static_cast<std::uint64_t>(accepted.result), 10);
  EXPECT_EQ(nothing.result, -EAGAIN);
  // A closed socket is never heard of again.
  std::memcpy(area.data() + kSocketDataOffset, "hello", 5);
  ASSERT_EQ(ask(Request::kSocketSend, client, 5).result, 5);
  EXPECT_EQ(ask(Request::kSocketClose, static_cast<std::uint64_t>(accepted.result)).result, 0);
  EXPECT_EQ(ask(Request::kPollerWait, poller, 0, 0, 8).result, 0);
}

// One thread registers sockets while another closes them: neither waits for the other for ever, and nobody hears of a
// socket after its close.
TEST_F(NetworkServiceTest, RegisteringAndClosingAtOnce) {
  constexpr int kRounds = 300;
  const auto poller = static_cast<std::uint64_t>(ask(Request::kPollerOpen).result);
  std::atomic<std::uint64_t> handle{0};
  std::atomic<int> closed{0};
  std::thread closer([&] {
    for (int round = 1; round <= kRounds; ++round) {
      handle.wait(0);
      EXPECT_EQ(service.serve(Request::kSocketClose, {handle.exchange(0), 0, 0, 0}, {}, 1).result, 0);
      closed.store(round);
    }
  });
  for (int round = 1; round <= kRounds; ++round) {
    const std::uint64_t opened = open();
    const PollerChange change{PollerOperation::kAdd, static_cast<std::int32_t>(opened), EPOLLIN | EPOLLHUP, 0, 77};
    std::memcpy(area.data(), &change, sizeof(change));
    handle.store(opened);
    handle.notify_one();
    while (closed.load() < round) {
      const auto result = ask(Request::kPollerWait, poller, 1, 0, 0).result;
      EXPECT_TRUE(result == 0 || result == -EBADF) << result;
    }
    EXPECT_EQ(ask(Request::kPollerWait, poller, 0, 0, 8).result, 0);
  }
  closer.join();
}

TEST_F(NetworkServiceTest, AnyRequestWithAnyArguments) {
  std::mt19937_64 random(3);
  service.cancel_waits();  // whatever waits comes back
  const std::uint64_t some[] = {open(), listen().first, static_cast<std::uint64_t>(ask(Request::kPollerOpen).result)};
  for (int i = 0; i < 20'000; ++i) {
    const auto number = [&]() -> std::uint64_t {
      switch (random() % 5) {
        case 0:
          return random();
        case 1:
          return some[random() % 3];
        case 2:
          return area.size() - random() % 300;
        default:
          return random() % 40;
      }
    };
    for (int word = 0; word < 24; ++word) {
      const std::uint64_t value = number();
      std::memcpy(area.data() + word * 8, &value, sizeof(value));
    }
    const auto request = static_cast<Request>(64 + random() % 20);
    if (request == Request::kSocketClose && random() % 50 != 0) continue;
    const Answer answer = ask(request, number(), number(), number(), number(), static_cast<std::uint32_t>(number()));
    ASSERT_GE(answer.result, -4095);
  }
}

}  // namespace
}  // namespace coffer::host
