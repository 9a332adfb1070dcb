// Sockets, epoll and waiting as an application sees them, against the real service of the host.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <functional>
#include <thread>

#include "enclave/kernel/fs/socket.h"
#include "enclave/kernel/fs/waiters.h"
#include "enclave/kernel/testing/file_fixture.h"

namespace coffer::kernel {
namespace {

using boundary::NetworkDirection;
using boundary::NetworkFamily;
using boundary::NetworkRule;
using boundary::NetworkTransport;
using testing::call;
using testing::FileTest;

NetworkRule loopback(NetworkDirection direction, NetworkTransport transport) {
  NetworkRule rule{direction, transport, NetworkFamily::kV4, 8, 0, 65535, {127}, {}};
  return rule;
}

sockaddr_in local(std::uint16_t port, const char* address = "127.0.0.1") {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  ::inet_pton(AF_INET, address, &name.sin_addr);
  return name;
}

class Sockets : public FileTest {
 protected:
  std::vector<NetworkRule> network_rules() override {
    std::vector<NetworkRule> rules;
    for (const auto direction : {NetworkDirection::kBind, NetworkDirection::kConnect}) {
      rules.push_back(loopback(direction, NetworkTransport::kTcp));
      rules.push_back(loopback(direction, NetworkTransport::kUdp));
      NetworkRule local_socket{direction, NetworkTransport::kUnix, NetworkFamily::kAny, 0, 0, 0, {}, {}};
      std::snprintf(local_socket.path, sizeof(local_socket.path), "%s/", shared.c_str());
      rules.push_back(local_socket);
    }
    return rules;
  }

  static std::uint16_t port_of(std::int64_t fd) {
    sockaddr_in name{};
    socklen_t size = sizeof(name);
    EXPECT_EQ(call(SYS_getsockname, fd, &name, &size), 0);
    EXPECT_EQ(size, sizeof(name));
    return ntohs(name.sin_port);
  }
  static std::int64_t listening(int flags = 0) {
    const auto fd = call(SYS_socket, AF_INET, SOCK_STREAM | flags, 0);
    EXPECT_GE(fd, 0);
    const auto name = local(0);
    EXPECT_EQ(call(SYS_bind, fd, &name, sizeof(name)), 0);
    EXPECT_EQ(call(SYS_listen, fd, 16), 0);
    return fd;
  }
  // A connection of the enclave with itself: the side that connected and the side that accepted.
  struct Connection {
    std::int64_t client, server;
  };
  static Connection connect(int flags = 0) {
    const auto listener = listening();
    const auto name = local(port_of(listener));
    const auto client = call(SYS_socket, AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(call(SYS_connect, client, &name, sizeof(name)), 0);
    const auto server = call(SYS_accept4, listener, nullptr, nullptr, flags);
    EXPECT_GE(server, 0);
    EXPECT_EQ(call(SYS_close, listener), 0);
    return {client, server};
  }
  static std::int64_t send(std::int64_t fd, std::string_view text, int flags = 0) {
    return call(SYS_sendto, fd, text.data(), text.size(), flags, nullptr, 0);
  }
  static std::string receive(std::int64_t fd, std::size_t room = 100, int flags = 0) {
    std::string text(room, '\0');
    const auto count = call(SYS_recvfrom, fd, text.data(), room, flags, nullptr, nullptr);
    if (count < 0) return "error " + std::to_string(-count);
    text.resize(static_cast<std::size_t>(count));
    return text;
  }
  static std::int64_t watch(std::int64_t set, int operation, std::int64_t fd, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = static_cast<std::uint64_t>(fd);
    return call(SYS_epoll_ctl, set, operation, fd, &event);
  }
  // "FD:EVENTS ..." in hexadecimal.
  static std::string events(std::int64_t set, int timeout, int most = 8) {
    epoll_event found[8];
    const auto count = call(SYS_epoll_wait, set, found, most, timeout);
    if (count < 0) return "error " + std::to_string(-count);
    std::string text;
    for (std::int64_t i = 0; i < count; ++i) {
      char one[64];
      std::snprintf(one, sizeof(one), "%s%lld:%x", i == 0 ? "" : " ", static_cast<long long>(found[i].data.u64),
                    found[i].events);
      text += one;
    }
    return text;
  }
  static std::string event(std::int64_t fd, unsigned what) {
    char text[64];
    std::snprintf(text, sizeof(text), "%lld:%x", static_cast<long long>(fd), what);
    return text;
  }
};

TEST_F(Sockets, AConnectionCarriesBytesBothWaysToItsEnd) {
  const auto [client, server] = connect();
  EXPECT_EQ(send(client, "hello"), 5);
  EXPECT_EQ(receive(server, 3, MSG_PEEK), "hel");
  EXPECT_EQ(receive(server), "hello");
  int waiting = -1;
  EXPECT_EQ(call(SYS_write, server, "back", 4), 4);
  pollfd one{static_cast<int>(client), POLLIN, 0};
  EXPECT_EQ(call(SYS_poll, &one, 1, -1), 1);
  EXPECT_EQ(call(SYS_ioctl, client, FIONREAD, &waiting), 0);
  EXPECT_EQ(waiting, 4);
  EXPECT_EQ(receive(client), "back");
  EXPECT_EQ(receive(client, 10, MSG_DONTWAIT), "error " + std::to_string(EAGAIN));
  EXPECT_EQ(call(SYS_shutdown, client, SHUT_WR), 0);
  EXPECT_EQ(receive(server), "");
  EXPECT_EQ(send(server, "still"), 5);
  EXPECT_EQ(receive(client), "still");
  EXPECT_EQ(call(SYS_close, client), 0);
  EXPECT_EQ(call(SYS_lseek, server, 0, SEEK_SET), -ESPIPE);
}

TEST_F(Sockets, MuchDataInBothDirectionsAtOnce) {
  const auto [client, server] = connect();
  std::string much(3 << 20, '\0');
  for (std::size_t i = 0; i < much.size(); ++i) much[i] = static_cast<char>(i * 7 + i / 4096);
  std::thread echo([server = server] {
    std::string piece(100'000, '\0');
    for (;;) {
      const auto got = call(SYS_read, server, piece.data(), piece.size());
      if (got <= 0) break;
      EXPECT_EQ(call(SYS_write, server, piece.data(), got), got);
    }
    call(SYS_shutdown, server, SHUT_WR);
  });
  std::thread sender([&, client = client] {
    EXPECT_EQ(call(SYS_write, client, much.data(), much.size()), static_cast<std::int64_t>(much.size()));
    call(SYS_shutdown, client, SHUT_WR);
  });
  std::string back(much.size(), '\0');
  EXPECT_EQ(call(SYS_recvfrom, client, back.data(), back.size(), MSG_WAITALL, nullptr, nullptr),
            static_cast<std::int64_t>(much.size()));
  sender.join();
  echo.join();
  EXPECT_TRUE(back == much);
}

TEST_F(Sockets, DatagramsKeepTheirBordersAndNames) {
  const auto one = call(SYS_socket, AF_INET, SOCK_DGRAM, 0);
  const auto other = call(SYS_socket, AF_INET, SOCK_DGRAM, 0);
  auto name = local(0);
  ASSERT_EQ(call(SYS_bind, one, &name, sizeof(name)), 0);
  name = local(port_of(one));
  iovec pieces[] = {{const_cast<char*>("data"), 4}, {const_cast<char*>("gram"), 4}};
  msghdr message{};
  message.msg_name = &name;
  message.msg_namelen = sizeof(name);
  message.msg_iov = pieces;
  message.msg_iovlen = 2;
  EXPECT_EQ(call(SYS_sendmsg, other, &message, 0), 8);
  EXPECT_EQ(call(SYS_sendto, other, "second", 6, 0, &name, sizeof(name)), 6);
  char text[16] = {};
  sockaddr_in from{};
  iovec room{text, 4};
  message = {};
  message.msg_name = &from;
  message.msg_namelen = sizeof(from);
  message.msg_iov = &room;
  message.msg_iovlen = 1;
  EXPECT_EQ(call(SYS_recvmsg, one, &message, MSG_TRUNC), 8);
  EXPECT_EQ(message.msg_flags, MSG_TRUNC);
  EXPECT_STREQ(text, "data");
  EXPECT_EQ(ntohs(from.sin_port), port_of(other));
  EXPECT_EQ(receive(one), "second");
  // Several in one call, as resolvers do.
  mmsghdr both[2] = {};
  iovec each[2] = {{const_cast<char*>("a"), 1}, {const_cast<char*>("bc"), 2}};
  ASSERT_EQ(call(SYS_connect, other, &name, sizeof(name)), 0);
  for (int i = 0; i < 2; ++i) {
    both[i].msg_hdr.msg_iov = &each[i];
    both[i].msg_hdr.msg_iovlen = 1;
  }
  EXPECT_EQ(call(SYS_sendmmsg, other, both, 2, 0), 2);
  EXPECT_EQ(both[1].msg_len, 2u);
  EXPECT_EQ(receive(one), "a");
  EXPECT_EQ(receive(one), "bc");
}

TEST_F(Sockets, UnixSocketsStandInDirectoriesThatAreDeclared) {
  const auto listener = call(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::snprintf(name.sun_path, sizeof(name.sun_path), "%s/socket", shared.c_str());
  ASSERT_EQ(call(SYS_bind, listener, &name, sizeof(name)), 0);
  ASSERT_EQ(call(SYS_listen, listener, 1), 0);
  const auto client = call(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(call(SYS_connect, client, &name, sizeof(name)), 0);
  const auto server = call(SYS_accept, listener, nullptr, nullptr);
  EXPECT_EQ(send(client, "over a path"), 11);
  EXPECT_EQ(receive(server), "over a path");
  const auto refused = call(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
  for (const char* path : {"/tmp/elsewhere", "relative", "/etc/../etc/x"}) {
    std::snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
    EXPECT_EQ(call(SYS_bind, refused, &name, sizeof(name)), -EACCES) << path;
  }
  name.sun_path[0] = 0;  // the abstract names belong to nobody
  EXPECT_EQ(call(SYS_bind, refused, &name, sizeof(name)), -EACCES);
}

TEST_F(Sockets, WhatIsNotDeclaredIsRefused) {
  const auto fd = call(SYS_socket, AF_INET, SOCK_STREAM, 0);
  auto name = local(0, "0.0.0.0");
  EXPECT_EQ(call(SYS_bind, fd, &name, sizeof(name)), -EACCES);
  name = local(80, "192.0.2.1");
  EXPECT_EQ(call(SYS_connect, fd, &name, sizeof(name)), -EACCES);
  const auto datagram = call(SYS_socket, AF_INET, SOCK_DGRAM, 0);
  EXPECT_EQ(call(SYS_sendto, datagram, "x", 1, 0, &name, sizeof(name)), -EACCES);
  EXPECT_EQ(call(SYS_socket, AF_NETLINK, SOCK_RAW, 0), -EAFNOSUPPORT);
  EXPECT_EQ(call(SYS_socket, AF_INET, SOCK_RAW, 0), -ESOCKTNOSUPPORT);
  EXPECT_EQ(call(SYS_socket, AF_INET, SOCK_STREAM, IPPROTO_UDP), -EPROTONOSUPPORT);
  // The host holds the same rules against an enclave that asks all the same.
  std::vector<NetworkRule> all{
      {NetworkDirection::kBind, NetworkTransport::kTcp, NetworkFamily::kAny, 0, 0, 65535, {}, {}}};
  fs::allow_network(all);
  name = local(0, "0.0.0.0");
  EXPECT_EQ(call(SYS_bind, fd, &name, sizeof(name)), -EACCES);
}

TEST_F(Sockets, OptionsPassByATable) {
  const auto fd = call(SYS_socket, AF_INET, SOCK_STREAM, 0);
  int value = 1;
  socklen_t size = sizeof(value);
  EXPECT_EQ(call(SYS_setsockopt, fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof(value)), 0);
  value = 0;
  EXPECT_EQ(call(SYS_getsockopt, fd, IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
  EXPECT_EQ(value, 1);
  EXPECT_EQ(call(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &value, &size), 0);
  EXPECT_EQ(value, SOCK_STREAM);
  EXPECT_EQ(call(SYS_setsockopt, fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), -ENOPROTOOPT);
  EXPECT_EQ(call(SYS_setsockopt, fd, SOL_SOCKET, SO_ERROR, &value, sizeof(value)), -ENOPROTOOPT);
  EXPECT_EQ(call(SYS_setsockopt, fd, IPPROTO_TCP, TCP_NODELAY, &value, 1), -EINVAL);
  EXPECT_EQ(call(SYS_getsockopt, 0, SOL_SOCKET, SO_TYPE, &value, &size), -ENOTSOCK);
  const timeval soon{0, 20'000};
  EXPECT_EQ(call(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)), 0);
  const auto [client, server] = connect();
  EXPECT_EQ(call(SYS_setsockopt, client, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)), 0);
  EXPECT_EQ(receive(client), "error " + std::to_string(EAGAIN));
}

TEST_F(Sockets, AConnectionThatIsRefusedSaysSo) {
  const auto listener = listening();
  const auto name = local(port_of(listener));
  call(SYS_close, listener);
  const auto blocking = call(SYS_socket, AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(call(SYS_connect, blocking, &name, sizeof(name)), -ECONNREFUSED);
  const auto fd = call(SYS_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const auto begun = call(SYS_connect, fd, &name, sizeof(name));
  EXPECT_TRUE(begun == -EINPROGRESS || begun == -ECONNREFUSED) << begun;
  if (begun == -EINPROGRESS) {
    pollfd one{static_cast<int>(fd), POLLOUT, 0};
    EXPECT_EQ(call(SYS_poll, &one, 1, 5000), 1);
    EXPECT_NE(one.revents & POLLERR, 0);
    int reason = 0;
    socklen_t size = sizeof(reason);
    EXPECT_EQ(call(SYS_getsockopt, fd, SOL_SOCKET, SO_ERROR, &reason, &size), 0);
    EXPECT_EQ(reason, ECONNREFUSED);
  }
}

TEST_F(Sockets, PollWaitsForHostAndEnclaveAtOnce) {
  const auto [client, server] = connect();
  int ends[2];
  ASSERT_EQ(call(SYS_pipe2, ends, 0), 0);
  pollfd all[] = {{static_cast<int>(server), POLLIN, 0}, {ends[0], POLLIN, 0}, {0, POLLIN, 0}};
  EXPECT_EQ(call(SYS_poll, all, 3, 0), 0);
  EXPECT_EQ(call(SYS_poll, all, 3, 20), 0);
  std::thread inside([&] {
    ::usleep(20'000);
    call(SYS_write, ends[1], "x", 1);
  });
  EXPECT_EQ(call(SYS_poll, all, 3, -1), 1);
  EXPECT_EQ(all[1].revents, POLLIN);
  inside.join();
  char byte = 0;
  call(SYS_read, ends[0], &byte, 1);
  std::thread outside([&, client = client] {
    ::usleep(20'000);
    send(client, "y");
  });
  EXPECT_EQ(call(SYS_poll, all, 3, -1), 1);
  EXPECT_EQ(all[0].revents, POLLIN);
  outside.join();
  EXPECT_EQ(receive(server), "y");
  ASSERT_EQ(::write(input[1], "z", 1), 1);
  EXPECT_EQ(call(SYS_poll, all, 3, -1), 1);
  EXPECT_EQ(all[2].revents, POLLIN);
}

TEST_F(Sockets, LevelEventsGoOnUntilEverythingIsRead) {
  const auto set = call(SYS_epoll_create1, 0);
  ASSERT_GE(set, 0);
  const auto [client, server] = connect(SOCK_NONBLOCK);
  EXPECT_EQ(watch(set, EPOLL_CTL_ADD, server, EPOLLIN), 0);
  EXPECT_EQ(watch(set, EPOLL_CTL_ADD, server, EPOLLIN), -EEXIST);
  EXPECT_EQ(events(set, 0), "");
  send(client, "0123456789");
  EXPECT_EQ(events(set, -1), event(server, EPOLLIN));
  EXPECT_EQ(receive(server, 4), "0123");
  EXPECT_EQ(events(set, -1), event(server, EPOLLIN));
  send(client, "abc");
  EXPECT_EQ(events(set, -1), event(server, EPOLLIN));
  std::string all = receive(server, 100);
  if (all.size() < 9) all += receive(server, 100);
  EXPECT_EQ(all, "456789abc");
  EXPECT_EQ(events(set, 0), "");
  EXPECT_EQ(receive(server), "error " + std::to_string(EAGAIN));
  EXPECT_EQ(watch(set, EPOLL_CTL_MOD, server, EPOLLIN | EPOLLOUT), 0);
  EXPECT_EQ(events(set, -1), event(server, EPOLLOUT));
  EXPECT_EQ(watch(set, EPOLL_CTL_MOD, server, EPOLLIN | EPOLLRDHUP), 0);
  call(SYS_close, client);
  EXPECT_EQ(events(set, -1), event(server, EPOLLIN | EPOLLRDHUP));
  EXPECT_EQ(receive(server), "");
  EXPECT_EQ(watch(set, EPOLL_CTL_DEL, server, 0), 0);
  EXPECT_EQ(watch(set, EPOLL_CTL_DEL, server, 0), -ENOENT);
  EXPECT_EQ(events(set, 0), "");
}

TEST_F(Sockets, EdgesComeOncePerChange) {
  const auto set = call(SYS_epoll_create1, 0);
  const auto [client, server] = connect(SOCK_NONBLOCK);
  EXPECT_EQ(watch(set, EPOLL_CTL_ADD, server, EPOLLIN | EPOLLET | EPOLLRDHUP), 0);
  send(client, "one");
  EXPECT_EQ(events(set, -1), event(server, EPOLLIN));
  EXPECT_EQ(events(set, 0), "");  // not read, and told once
  EXPECT_EQ(receive(server), "one");
  EXPECT_EQ(receive(server), "error " + std::to_string(EAGAIN));
  send(client, "two");
  EXPECT_EQ(events(set, -1), event(server, EPOLLIN));
  EXPECT_EQ(receive(server), "two");
  send(client, "three");
  call(SYS_shutdown, client, SHUT_WR);
  // Bytes and end together, or one after the other: reading until there is no more meets both.
  EXPECT_NE(events(set, -1), "");
  std::string text;
  for (;;) {
    const std::string piece = receive(server);
    if (piece.starts_with("error")) {
      EXPECT_NE(events(set, 5000), "");
      continue;
    }
    if (piece.empty()) break;
    text += piece;
  }
  EXPECT_EQ(text, "three");
}

// epoll(7): who gets less than was asked for need not ask again before the next edge. Web servers rely on it.
TEST_F(Sockets, AShortReceiveSaysThatThereIsNoMore) {
  std::string text(600'000, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 31 + i / 251);
  enum class Way { kPieces, kLarge, kCounted };
  for (const Way way : {Way::kPieces, Way::kLarge, Way::kCounted}) {
    const auto set = call(SYS_epoll_create1, 0);
    const auto [client, server] = connect(SOCK_NONBLOCK);
    EXPECT_EQ(watch(set, EPOLL_CTL_ADD, server, EPOLLIN | EPOLLET | EPOLLRDHUP), 0);
    std::thread sender([&, client = client] { EXPECT_EQ(send(client, text), 600'000); });
    std::string all;
    std::vector<char> room(700'000);
    while (all.size() < text.size()) {
      ASSERT_NE(events(set, 5000), "") << "an edge was lost after " << all.size() << " bytes";
      for (bool more = true; more;) {
        std::size_t asked = 8192;
        std::int64_t count = 0;
        if (way == Way::kPieces) {
          const iovec pieces[2] = {{room.data(), 3000}, {room.data() + 3000, asked - 3000}};
          count = call(SYS_readv, server, pieces, 2);
        } else if (way == Way::kLarge) {
          asked = room.size();  // more than a request to the host holds
          count = call(SYS_recvfrom, server, room.data(), asked, 0, nullptr, nullptr);
        } else {
          // A little, and then exactly what the socket says is left.
          count = call(SYS_recvfrom, server, room.data(), 10, 0, nullptr, nullptr);
          int left = 0;
          if (count == 10) {
            EXPECT_EQ(call(SYS_ioctl, server, FIONREAD, &left), 0);
          }
          asked = 10 + std::min<std::size_t>(static_cast<std::size_t>(left), room.size() - 10);
          if (left > 0) count += call(SYS_recvfrom, server, room.data() + 10, asked - 10, 0, nullptr, nullptr);
          if (count >= 0) all.append(room.data(), static_cast<std::size_t>(count));
          break;  // what comes from now on raises an edge
        }
        if (count == -EAGAIN) break;
        ASSERT_GT(count, 0);
        all.append(room.data(), static_cast<std::size_t>(count));
        more = static_cast<std::size_t>(count) == asked;
      }
    }
    sender.join();
    EXPECT_EQ(all, text);
    call(SYS_close, client);
    call(SYS_close, server);
    call(SYS_close, set);
  }
}

TEST_F(Sockets, ADatagramGoesToAllPieces) {
  const auto one = call(SYS_socket, AF_INET, SOCK_DGRAM, 0);
  const auto name = local(0);
  EXPECT_EQ(call(SYS_bind, one, &name, sizeof(name)), 0);
  const auto there = local(port_of(one));
  for (const char* text : {"abcdefgh", "second"}) {
    EXPECT_EQ(call(SYS_sendto, one, text, std::strlen(text), 0, &there, sizeof(there)),
              static_cast<std::int64_t>(std::strlen(text)));
  }
  char begin[3], rest[10];
  const iovec pieces[2] = {{begin, sizeof(begin)}, {rest, sizeof(rest)}};
  EXPECT_EQ(call(SYS_readv, one, pieces, 2), 8);
  EXPECT_EQ(std::string(begin, 3) + std::string(rest, 5), "abcdefgh");
  EXPECT_EQ(call(SYS_readv, one, pieces, 2), 6);
}

TEST_F(Sockets, EdgesOfPipesAndCountersAreNotLost) {
  const auto set = call(SYS_epoll_create1, 0);
  const auto counter = call(SYS_eventfd2, 0, EFD_NONBLOCK);
  EXPECT_EQ(watch(set, EPOLL_CTL_ADD, counter, EPOLLIN | EPOLLET), 0);
  EXPECT_EQ(events(set, 0), "");
  std::uint64_t value = 1;
  for (int i = 0; i < 3; ++i) {
    call(SYS_write, counter, &value, 8);
    EXPECT_EQ(events(set, 0), event(counter, EPOLLIN));
    EXPECT_EQ(events(set, 0), "");
    EXPECT_EQ(call(SYS_read, counter, &value, 8), 8);
  }
  std::thread writer([&] {
    ::usleep(20'000);
    const std::uint64_t one = 1;
    call(SYS_write, counter, &one, 8);
  });
  EXPECT_EQ(events(set, -1), event(counter, EPOLLIN));
  writer.join();
}

TEST_F(Sockets, OneshotsRestUntilTheyAreArmedAgain) {
  const auto set = call(SYS_epoll_create1, 0);
  const auto [client, server] = connect(SOCK_NONBLOCK);
  EXPECT_EQ(watch(set, EPOLL_CTL_ADD, server, EPOLLIN | EPOLLONESHOT), 0);
  send(client, "one");
  EXPECT_EQ(events(set, -1), event(server, EPOLLIN));
  send(client, "two");
  EXPECT_EQ(events(set, 20), "");
  EXPECT_EQ(watch(set, EPOLL_CTL_MOD, server, EPOLLIN | EPOLLONESHOT), 0);
  EXPECT_EQ(events(set, -1), event(server, EPOLLIN));
  std::string all = receive(server);
  if (all.size() < 6) all += receive(server);
  EXPECT_EQ(all, "onetwo");
}

TEST_F(Sockets, ClosedDescriptorsLeaveTheSet) {
  const auto set = call(SYS_epoll_create1, 0);
  for (int i = 0; i < 20; ++i) {
    const auto [client, server] = connect(SOCK_NONBLOCK);
    EXPECT_EQ(watch(set, EPOLL_CTL_ADD, server, EPOLLIN), 0);
    send(client, "x");
    if (i % 2 == 0) {
      EXPECT_EQ(events(set, -1), event(server, EPOLLIN));
    }
    call(SYS_close, server);
    EXPECT_EQ(events(set, 0), "");
    call(SYS_close, client);
  }
  int ends[2];
  call(SYS_pipe2, ends, 0);
  EXPECT_EQ(watch(set, EPOLL_CTL_ADD, ends[0], EPOLLIN), 0);
  call(SYS_write, ends[1], "x", 1);
  call(SYS_close, ends[0]);
  EXPECT_EQ(events(set, 0), "");
  const auto file = open("/data/f", O_CREAT | O_RDWR);
  EXPECT_EQ(watch(set, EPOLL_CTL_ADD, file, EPOLLIN), -EPERM);
  EXPECT_EQ(watch(set, EPOLL_CTL_ADD, set, EPOLLIN), -EINVAL);
}

TEST_F(Sockets, ASetCanBePolledAndNested) {
  const auto inner = call(SYS_epoll_create1, 0);
  const auto outer = call(SYS_epoll_create1, 0);
  const auto [client, server] = connect(SOCK_NONBLOCK);
  EXPECT_EQ(watch(inner, EPOLL_CTL_ADD, server, EPOLLIN), 0);
  EXPECT_EQ(watch(outer, EPOLL_CTL_ADD, inner, EPOLLIN), 0);
  pollfd one{static_cast<int>(inner), POLLIN, 0};
  EXPECT_EQ(call(SYS_poll, &one, 1, 0), 0);
  EXPECT_EQ(events(outer, 0), "");
  send(client, "x");
  EXPECT_EQ(call(SYS_poll, &one, 1, -1), 1);
  EXPECT_EQ(events(outer, -1), event(inner, EPOLLIN));
  EXPECT_EQ(events(inner, -1), event(server, EPOLLIN));
}

TEST_F(Sockets, StandardInputIsWaitedFor) {
  const auto set = call(SYS_epoll_create1, 0);
  EXPECT_EQ(watch(set, EPOLL_CTL_ADD, 0, EPOLLIN), 0);
  EXPECT_EQ(events(set, 10), "");
  ASSERT_EQ(::write(input[1], "z", 1), 1);
  EXPECT_EQ(events(set, -1), event(0, EPOLLIN));
  ASSERT_EQ(call(SYS_fcntl, 0, F_SETFL, O_NONBLOCK), 0);
  char byte = 0;
  EXPECT_EQ(call(SYS_read, 0, &byte, 1), 1);
  EXPECT_EQ(call(SYS_read, 0, &byte, 1), -EAGAIN);
}

TEST_F(Sockets, PairsAreInside) {
  int ends[2];
  EXPECT_EQ(call(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, ends), -ESOCKTNOSUPPORT);
  ASSERT_EQ(call(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, ends), 0);
  EXPECT_EQ(send(ends[0], "there"), 5);
  EXPECT_EQ(receive(ends[1]), "there");
  EXPECT_EQ(send(ends[1], "back"), 4);
  EXPECT_EQ(receive(ends[0]), "back");
  pollfd one{ends[1], POLLIN | POLLOUT, 0};
  EXPECT_EQ(call(SYS_poll, &one, 1, 0), 1);
  EXPECT_EQ(one.revents, POLLOUT);
  EXPECT_EQ(call(SYS_shutdown, ends[0], SHUT_WR), 0);
  EXPECT_EQ(receive(ends[1]), "");
  EXPECT_EQ(send(ends[1], "last"), 4);
  call(SYS_close, ends[1]);
  EXPECT_EQ(receive(ends[0]), "last");
  EXPECT_EQ(receive(ends[0]), "");
}

// A signal, one day: whoever waits in the host comes back.
std::atomic<bool> interrupted{false};

TEST_F(Sockets, WaitsEndWhenTheThreadIsInterrupted) {
  const auto [client, server] = connect();
  const auto set = call(SYS_epoll_create1, 0);
  watch(set, EPOLL_CTL_ADD, server, EPOLLIN);
  const auto listener = listening();
  const auto locked = open("/data/locked", O_CREAT | O_RDWR);
  const auto refused = open("/data/locked", O_RDWR);
  ASSERT_EQ(call(SYS_flock, locked, LOCK_EX), 0);
  fs::use_interruption([] { return interrupted.load(); });
  pollfd one{static_cast<int>(server), POLLIN, 0};
  epoll_event event{};
  char byte = 0;
  const std::function<std::int64_t()> waits[] = {
      [&, server = server] { return call(SYS_read, server, &byte, 1); },
      [&] { return call(SYS_poll, &one, 1, -1); },
      [&] { return call(SYS_epoll_wait, set, &event, 1, -1); },
      [&] { return call(SYS_accept, listener, nullptr, nullptr); },
      [&] { return call(SYS_read, 0, &byte, 1); },
      [&] { return call(SYS_flock, refused, LOCK_EX); },
  };
  for (const auto& wait : waits) {
    std::atomic<std::uint32_t> waiter{0};
    std::atomic<bool> over{false};
    std::int64_t result = 0;
    std::thread thread([&] {
      waiter = testing::thread_index();
      result = wait();
      over = true;
    });
    ::usleep(10'000);
    interrupted = true;
    while (!over) {
      fs::wake_thread(waiter);
      std::this_thread::yield();
    }
    thread.join();
    EXPECT_EQ(result, -EINTR) << &wait - waits;
    interrupted = false;
  }
  fs::use_interruption(nullptr);
}

// One thread is told of bytes while another receives from the same socket: nothing is lost or out of order.
TEST_F(Sockets, BytesThatComeAlongStayInOrder) {
  const auto set = call(SYS_epoll_create1, 0);
  const auto [client, server] = connect(SOCK_NONBLOCK);
  ASSERT_EQ(watch(set, EPOLL_CTL_ADD, server, EPOLLIN), 0);
  constexpr std::size_t kBytes = 1 << 20;
  std::thread sender([client = client] {
    std::string piece(1000, '\0');
    std::uint8_t next = 0;
    for (std::size_t done = 0; done < kBytes;) {
      const std::size_t size = 1 + done % 997;
      for (std::size_t i = 0; i < size; ++i) piece[i] = static_cast<char>(next++);
      ASSERT_EQ(call(SYS_write, client, piece.data(), size), static_cast<std::int64_t>(size));
      done += size;
    }
    call(SYS_shutdown, client, SHUT_WR);
  });
  std::atomic<bool> over{false};
  std::thread watcher([&] {
    epoll_event found;
    while (!over) call(SYS_epoll_wait, set, &found, 1, 10);
  });
  std::uint8_t next = 0;
  std::size_t total = 0;
  bool right = true;
  for (;;) {
    std::uint8_t bytes[1500];
    const auto got = call(SYS_read, server, bytes, sizeof(bytes));
    if (got == -EAGAIN) {
      pollfd one{static_cast<int>(server), POLLIN, 0};
      call(SYS_poll, &one, 1, 1000);
      continue;
    }
    if (got <= 0) break;
    for (std::int64_t i = 0; i < got; ++i) right = right && bytes[i] == next++;
    total += static_cast<std::size_t>(got);
  }
  over = true;
  sender.join();
  watcher.join();
  EXPECT_TRUE(right);
  EXPECT_GE(total, kBytes);
}

}  // namespace
}  // namespace coffer::kernel
