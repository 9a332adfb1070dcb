#include "host/image/network_rules.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

namespace coffer::image {
namespace {

using boundary::NetworkAddress;
using boundary::NetworkDirection;
using boundary::NetworkTransport;

NetworkAddress ip(const char* text, std::uint16_t port, NetworkTransport transport = NetworkTransport::kTcp) {
  sockaddr_in6 six{};
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_port = six.sin6_port = htons(port);
  six.sin6_family = AF_INET6;
  NetworkAddress address;
  const bool v6 = ::inet_pton(AF_INET6, text, &six.sin6_addr) == 1;
  EXPECT_TRUE(v6 || ::inet_pton(AF_INET, text, &four.sin_addr) == 1);
  const auto bytes = v6 ? std::as_bytes(std::span(&six, 1)) : std::as_bytes(std::span(&four, 1));
  EXPECT_TRUE(boundary::read_socket_address(bytes, transport, &address));
  return address;
}

bool allowed(const char* pattern, const NetworkAddress& address) {
  const auto rule = parse_network_rule(pattern, NetworkDirection::kConnect);
  EXPECT_TRUE(rule) << pattern;
  return rule && boundary::allows(*rule, NetworkDirection::kConnect, address);
}

TEST(NetworkRules, AddressesAndPorts) {
  EXPECT_TRUE(allowed("tcp:*:*", ip("192.0.2.1", 1)));
  EXPECT_TRUE(allowed("tcp:*:*", ip("2001:db8::1", 65535)));
  EXPECT_TRUE(allowed("tcp:127.0.0.1:80", ip("127.0.0.1", 80)));
  EXPECT_FALSE(allowed("tcp:127.0.0.1:80", ip("127.0.0.1", 81)));
  EXPECT_FALSE(allowed("tcp:127.0.0.1:80", ip("127.0.0.2", 80)));
  EXPECT_FALSE(allowed("tcp:127.0.0.1:80", ip("127.0.0.1", 80, NetworkTransport::kUdp)));
  EXPECT_TRUE(allowed("udp:10.0.0.0/9:5000-5010", ip("10.127.255.255", 5010, NetworkTransport::kUdp)));
  EXPECT_FALSE(allowed("udp:10.0.0.0/9:5000-5010", ip("10.128.0.0", 5005, NetworkTransport::kUdp)));
  EXPECT_TRUE(allowed("tcp:[2001:db8::]/32:443", ip("2001:db8:ffff::1", 443)));
  EXPECT_FALSE(allowed("tcp:[2001:db8::]/32:443", ip("2001:db9::1", 443)));
  EXPECT_FALSE(allowed("tcp:0.0.0.0/0:443", ip("2001:db8::1", 443)));
}

TEST(NetworkRules, AMappedAddressIsTheIpv4AddressThatItIs) {
  EXPECT_TRUE(allowed("tcp:127.0.0.1:80", ip("::ffff:127.0.0.1", 80)));
  EXPECT_FALSE(allowed("tcp:[::]/0:80", ip("::ffff:127.0.0.1", 80)));
}

TEST(NetworkRules, Paths) {
  const auto unix_path = [](std::string_view path) {
    return NetworkAddress{.transport = NetworkTransport::kUnix, .family = {}, .port = 0, .address = {}, .path = path};
  };
  EXPECT_TRUE(allowed("unix:/run/app.sock", unix_path("/run/app.sock")));
  EXPECT_FALSE(allowed("unix:/run/app.sock", unix_path("/run/app.sock2")));
  EXPECT_TRUE(allowed("unix:/run/app/", unix_path("/run/app/x")));
  for (const char* outside :
       {"/run/app", "/run/app/", "/run/app/x/y", "/run/app/..", "/run/app/../x", "run/app/x", ""}) {
    EXPECT_FALSE(allowed("unix:/run/app/", unix_path(outside))) << outside;
  }
}

TEST(NetworkRules, ADirectionIsNotTheOther) {
  const auto rule = parse_network_rule("tcp:*:*", NetworkDirection::kBind);
  ASSERT_TRUE(rule);
  EXPECT_FALSE(boundary::allows(*rule, NetworkDirection::kConnect, ip("192.0.2.1", 1)));
  EXPECT_FALSE(boundary::any_allows({}, NetworkDirection::kBind, ip("192.0.2.1", 1)));
}

TEST(NetworkRules, PatternsAreWrittenAsTheyAreRead) {
  for (const char* pattern : {"tcp:*:*", "udp:*:53", "tcp:127.0.0.1:8080", "tcp:10.0.0.0/8:80-90", "tcp:[::1]:0",
                              "udp:[2001:db8::]/32:*", "unix:/run/app.sock", "unix:/run/app/"}) {
    const auto rule = parse_network_rule(pattern, NetworkDirection::kBind);
    ASSERT_TRUE(rule) << pattern;
    EXPECT_EQ(network_pattern(*rule), pattern);
    EXPECT_TRUE(is_network_rule(*rule));
  }
}

TEST(NetworkRules, WrongPatternsAreRefusedInOneLine) {
  for (const char* pattern : {"",
                              "tcp",
                              "tcp:",
                              "tcp:127.0.0.1",
                              "sctp:*:1",
                              "tcp:*:65536",
                              "tcp:*:-1",
                              "tcp:*:9-8",
                              "tcp:256.0.0.1:1",
                              "tcp:10.0.0.0/33:1",
                              "tcp:::1:80",
                              "tcp:[::1]/129:80",
                              "tcp:[::1:80",
                              "tcp:[::ffff:1.2.3.4]:80",
                              "unix:",
                              "unix:relative",
                              "unix:/",
                              "unix:/a/../b",
                              "unix:/a//b",
                              "tcp:localhost:80"}) {
    const auto rule = parse_network_rule(pattern, NetworkDirection::kBind);
    ASSERT_FALSE(rule) << pattern;
    EXPECT_EQ(rule.error().kind, ErrorKind::kInput);
    EXPECT_EQ(rule.error().message.find('\n'), std::string::npos);
  }
  EXPECT_FALSE(parse_network_rule("unix:/" + std::string(200, 'x'), NetworkDirection::kBind));
}

TEST(NetworkRules, DamagedRulesOfAnImageAreNone) {
  auto rule = *parse_network_rule("tcp:127.0.0.1:80", NetworkDirection::kBind);
  rule.prefix = 33;
  EXPECT_FALSE(is_network_rule(rule));
  EXPECT_FALSE(boundary::allows(rule, NetworkDirection::kBind, ip("127.0.0.1", 80)));
  rule = {};
  EXPECT_FALSE(is_network_rule(rule));
}

}  // namespace
}  // namespace coffer::image
