#include "host/image/network_rules.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace coffer::image {

using boundary::NetworkDirection;
using boundary::NetworkFamily;
using boundary::NetworkRule;
using boundary::NetworkTransport;

namespace {

constexpr unsigned kV4Bits = 32, kV6Bits = 128, kMostPort = 65535;

std::optional<unsigned> number(std::string_view text, unsigned most) {
  unsigned value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end != text.data() + text.size() || text.empty() || value > most) return std::nullopt;
  return value;
}

bool read_ports(std::string_view text, NetworkRule& rule) {
  if (text == "*") {
    rule.last_port = kMostPort;
    return true;
  }
  const std::size_t dash = text.find('-');
  const auto first = number(text.substr(0, dash), kMostPort);
  const auto last = dash == std::string_view::npos ? first : number(text.substr(dash + 1), kMostPort);
  if (!first || !last || *first > *last) return false;
  rule.first_port = static_cast<std::uint16_t>(*first);
  rule.last_port = static_cast<std::uint16_t>(*last);
  return true;
}

// "ADDRESS" or "ADDRESS/BITS", IPv6 in brackets.
bool read_address(std::string_view text, NetworkRule& rule) {
  if (text == "*") return true;
  const std::size_t slash = text.rfind('/');
  std::string address(text.substr(0, slash));
  const bool v6 = address.size() > 2 && address.front() == '[' && address.back() == ']';
  if (v6) address = address.substr(1, address.size() - 2);
  rule.family = v6 ? NetworkFamily::kV6 : NetworkFamily::kV4;
  if (::inet_pton(v6 ? AF_INET6 : AF_INET, address.c_str(), rule.address) != 1) return false;
  const unsigned most = v6 ? kV6Bits : kV4Bits;
  const auto bits = slash == std::string_view::npos ? most : number(text.substr(slash + 1), most);
  if (!bits) return false;
  rule.prefix = static_cast<std::uint8_t>(*bits);
  // A mapped address is asked about as the IPv4 address that it is, so a rule for it would never hold.
  constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return !v6 || !std::equal(kMapped.begin(), kMapped.end(), rule.address);
}

std::unexpected<Error> wrong(std::string_view pattern) {
  return input_error(fmt::format(
      "\"{}\" is no network pattern: write tcp:ADDRESS:PORT, udp:ADDRESS:PORT or unix:/PATH, with * for any address or "
      "port, e.g. \"tcp:127.0.0.1:8080\", \"tcp:10.0.0.0/8:443\", \"udp:[::1]:53\"",
      pattern));
}

bool is_unix_path(std::string_view path) {
  if (path.size() >= boundary::kUnixPathRoom) return false;
  if (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  return boundary::is_plain_path(path);
}

}  // namespace

Result<NetworkRule> parse_network_rule(std::string_view pattern, NetworkDirection direction) {
  NetworkRule rule;
  rule.direction = direction;
  const std::size_t colon = pattern.find(':');
  if (colon == std::string_view::npos || pattern.find('\0') != std::string_view::npos) return wrong(pattern);
  const std::string_view transport = pattern.substr(0, colon);
  const std::string_view rest = pattern.substr(colon + 1);
  if (transport == "unix") {
    rule.transport = NetworkTransport::kUnix;
    if (!is_unix_path(rest)) return wrong(pattern);
    std::ranges::copy(rest, rule.path);
    return rule;
  }
  if (transport != "tcp" && transport != "udp") return wrong(pattern);
  rule.transport = transport == "tcp" ? NetworkTransport::kTcp : NetworkTransport::kUdp;
  const std::size_t last = rest.rfind(':');
  if (last == std::string_view::npos || !read_address(rest.substr(0, last), rule) ||
      !read_ports(rest.substr(last + 1), rule)) {
    return wrong(pattern);
  }
  return rule;
}

std::string network_pattern(const NetworkRule& rule) {
  if (rule.transport == NetworkTransport::kUnix) {
    return fmt::format("unix:{}", boundary::text_of(rule.path, sizeof(rule.path)));
  }
  std::string address = "*";
  if (rule.family != NetworkFamily::kAny) {
    const bool v6 = rule.family == NetworkFamily::kV6;
    std::array<char, INET6_ADDRSTRLEN> text{};
    ::inet_ntop(v6 ? AF_INET6 : AF_INET, rule.address, text.data(), text.size());
    address = v6 ? fmt::format("[{}]", text.data()) : text.data();
    if (rule.prefix != (v6 ? kV6Bits : kV4Bits)) address += fmt::format("/{}", rule.prefix);
  }
  std::string ports = "*";
  if (rule.first_port == rule.last_port) {
    ports = fmt::format("{}", rule.first_port);
  } else if (rule.first_port != 0 || rule.last_port != kMostPort) {
    ports = fmt::format("{}-{}", rule.first_port, rule.last_port);
  }
  return fmt::format("{}:{}:{}", rule.transport == NetworkTransport::kTcp ? "tcp" : "udp", address, ports);
}

bool is_network_rule(const NetworkRule& rule) {
  if (rule.direction != NetworkDirection::kBind && rule.direction != NetworkDirection::kConnect) return false;
  switch (rule.transport) {
    case NetworkTransport::kUnix:
      return is_unix_path(boundary::text_of(rule.path, sizeof(rule.path)));
    case NetworkTransport::kTcp:
    case NetworkTransport::kUdp:
      break;
    default:
      return false;
  }
  if (rule.first_port > rule.last_port) return false;
  switch (rule.family) {
    case NetworkFamily::kAny:
      return true;
    case NetworkFamily::kV4:
      return rule.prefix <= kV4Bits;
    case NetworkFamily::kV6:
      return rule.prefix <= kV6Bits;
    default:
      return false;
  }
}

}  // namespace coffer::image
