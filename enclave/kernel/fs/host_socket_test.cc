// Hosts that lie about sockets and readiness: an errno or data within what was asked, never more.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <functional>
#include <random>

#include "enclave/kernel/fs/epoll.h"
#include "enclave/kernel/fs/host_wait.h"
#include "enclave/kernel/fs/socket.h"
#include "enclave/kernel/testing/fake_host.h"

namespace coffer::kernel::fs {
namespace {

using boundary::kFirstSocketHandle;
using boundary::kSocketDataOffset;
using boundary::NetworkDirection;
using boundary::NetworkFamily;
using boundary::NetworkRule;
using boundary::NetworkTransport;
using boundary::Request;
using Arguments = std::array<std::uint64_t, 4>;
using Serve = std::function<Answer(Request, const Arguments&, std::span<std::byte>)>;

class ScriptedHost final : public testing::FakeHost {
 public:
  explicit ScriptedHost(Serve serve) : serve_(std::move(serve)) {
    std::vector<NetworkRule> rules;
    for (const auto direction : {NetworkDirection::kBind, NetworkDirection::kConnect}) {
      for (const auto transport : {NetworkTransport::kTcp, NetworkTransport::kUdp}) {
        rules.push_back({direction, transport, NetworkFamily::kAny, 0, 0, 65535, {}, {}});
      }
    }
    allow_network(rules);
    testing::use_host(this);
  }
  ~ScriptedHost() override { testing::use_host(nullptr); }
  Answer serve(Request request, const Arguments& arguments, std::span<std::byte> area) override {
    if (request == Request::kSocketOpen || request == Request::kPollerOpen) return {kFirstSocketHandle + opened_++, {}};
    if (request == Request::kSocketClose) return {};
    return serve_(request, arguments, area);
  }

 private:
  Serve serve_;
  int opened_ = 0;
};

Ref<Socket> open(int type = SOCK_STREAM) { return *make_host_socket(AF_INET, type, 0); }

constexpr std::int64_t kLies[] = {11, std::numeric_limits<std::int64_t>::max(),
                                  std::numeric_limits<std::int64_t>::min(), -4096, 0x1'0000'0000};

TEST(HostSocket, CountsAboveWhatWasAskedAreErrors) {
  for (const std::int64_t lie : kLies) {
    ScriptedHost host([&](auto...) { return Answer{lie, {}}; });
    std::array<std::byte, 16> room{};
    for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
      const auto socket = open(type);
      EXPECT_EQ(socket->receive(std::span(room).first(10), 0, true).error(), EIO) << lie;
      EXPECT_EQ(socket->send(std::span(room).first(10), 0, true, nullptr).error(), EIO) << lie;
      EXPECT_EQ(socket->get_option(IPPROTO_TCP, 1, std::span(room).first(4)).error(), EIO) << lie;
      EXPECT_EQ(socket->listen(1).error(), EIO) << lie;
      EXPECT_FALSE(socket->accept(true, nullptr)) << lie;
    }
    boundary::HostWait one{kFirstSocketHandle, 1, 0};
    EXPECT_EQ(wait_for_host(std::span(&one, 1), nullptr, 0).error(), EIO) << lie;
    EXPECT_EQ(room[10], std::byte{0});
  }
}

TEST(HostSocket, AddressesLongerThanAnyAreErrors) {
  ScriptedHost host([](Request request, auto...) {
    return request == Request::kSocketName ? Answer{129, {}} : Answer{kFirstSocketHandle + 7, {129, 0, 0}};
  });
  const auto stream = open();
  EXPECT_EQ(stream->name(false).error(), EIO);
  EXPECT_EQ(stream->accept(true, nullptr).error(), EIO);
}

TEST(HostSocket, AHandleOfAFileIsNoSocket) {
  ScriptedHost host([](auto...) { return Answer{1, {}}; });
  EXPECT_EQ(open()->accept(true, nullptr).error(), EIO);
}

TEST(HostSocket, AStreamWhosePlacesDoNotFitIsBroken) {
  std::uint64_t offset = 0;
  ScriptedHost host([&](Request, const Arguments&, std::span<std::byte> area) {
    area[kSocketDataOffset] = std::byte{'x'};
    return Answer{1, {0, 0, offset}};
  });
  const auto socket = open();
  std::array<std::byte, 4> room{};
  EXPECT_EQ(socket->receive(room, 0, true)->size, 1u);
  offset = 1;
  EXPECT_EQ(socket->receive(room, 0, true)->size, 1u);
  offset = 0;  // again what was there before
  EXPECT_EQ(socket->receive(room, 0, true).error(), EIO);
  EXPECT_EQ(socket->receive(room, 0, true).error(), EIO);
}

TEST(HostSocket, EventsThatNobodyAskedForStayOutside) {
  boundary::HostWait told{};
  ScriptedHost host([&](Request, const Arguments&, std::span<std::byte> area) {
    told = {77, 0xffff, 0xffff};
    std::memcpy(area.data(), &told, sizeof(told));
    return Answer{1, {}};
  });
  boundary::HostWait one{kFirstSocketHandle, 1, 0};
  EXPECT_EQ(*wait_for_host(std::span(&one, 1), nullptr, 0), 1u);
  EXPECT_EQ(one.handle, kFirstSocketHandle);
  EXPECT_EQ(one.revents, 1 | 8 | 16 | 32);
}

TEST(HostSocket, PollersThatMakeThingsUpDoNoHarm) {
  std::mt19937_64 random(7);
  ScriptedHost host([&](Request request, const Arguments& arguments, std::span<std::byte> area) {
    for (std::size_t i = 0; i < 4096; i += 8) {
      const std::uint64_t word = random() % 3 == 0 ? random() : random() % 5;
      std::memcpy(area.data() + i, &word, sizeof(word));
    }
    const std::uint64_t most = request == Request::kPollerWait ? arguments[3] : 5;
    return Answer{static_cast<std::int64_t>(random() % (most + 2)), {random(), random(), random() % 8}};
  });
  for (int round = 0; round < 200; ++round) {
    const auto epoll = *Epoll::make();
    std::vector<Ref<Description>> held;
    for (int i = 0; i < 4; ++i) {
      held.emplace_back(new Description(open(), O_RDWR | O_NONBLOCK, "", nullptr, 0));
      epoll_event wanted{.events = EPOLLIN | (i % 2 == 0 ? std::uint32_t{EPOLLET} : 0), .data = {.u64 = 42}};
      ASSERT_TRUE(epoll->control(EPOLL_CTL_ADD, i, held.back(), wanted));
    }
    std::array<epoll_event, 4> events{};
    for (int i = 0; i < 5; ++i) {
      const auto count = epoll->wait(events, 0);
      if (!count) continue;
      ASSERT_LE(*count, events.size());
      for (std::size_t each = 0; each < *count; ++each) {
        EXPECT_EQ(events[each].data.u64, 42u);
        EXPECT_EQ(events[each].events & ~(EPOLLIN | EPOLLERR | EPOLLHUP), 0u);
      }
      std::array<std::byte, 100> room{};
      for (const auto& one : held) ignore_failure(one->read(std::span(room).first(50)));
      EXPECT_EQ(room[50], std::byte{0});
    }
  }
}

}  // namespace
}  // namespace coffer::kernel::fs
