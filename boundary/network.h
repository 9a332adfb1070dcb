// What an image may do on the network, and how sockets cross the boundary (freestanding; both sides include it).
//
// The rules are measured: the kernel asks them before every bind, connect and send to an address. The host asks the
// same rules again for its own protection, and the narrower ones that it was started with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace coffer::boundary {

enum class NetworkDirection : std::uint8_t { kBind = 1, kConnect = 2 };
enum class NetworkTransport : std::uint8_t { kTcp = 1, kUdp = 2, kUnix = 3 };
enum class NetworkFamily : std::uint8_t { kAny = 0, kV4 = 4, kV6 = 6 };

inline constexpr std::size_t kMaxNetworkRules = 256;
inline constexpr std::size_t kUnixPathRoom = 108;  // sun_path

// One pattern of coffer.toml's [network]. IP: `prefix` leading bits of `address` and the ports from first_port to
// last_port; family kAny is every address of both families. Unix: `path`, NUL-terminated; one that ends in '/' stands
// for everything directly in that directory.
struct NetworkRule {
  NetworkDirection direction{};
  NetworkTransport transport{};
  NetworkFamily family{};
  std::uint8_t prefix = 0;
  std::uint16_t first_port = 0, last_port = 0;
  std::uint8_t address[16] = {};
  char path[kUnixPathRoom] = {};
};
static_assert(sizeof(NetworkRule) == 132);

// An address that a rule can be asked about. IPv4 addresses mapped into IPv6 are kV4: one host has one rule.
struct NetworkAddress {
  NetworkTransport transport{};
  NetworkFamily family{};
  std::uint16_t port = 0;  // host byte order
  std::uint8_t address[16] = {};
  std::string_view path;  // Unix
};

// The text of a field that ends at a NUL or with the field.
inline std::string_view text_of(const char* field, std::size_t room) {
  std::size_t size = 0;
  while (size < room && field[size] != 0) ++size;
  return {field, size};
}

inline bool same_prefix(const std::uint8_t* a, const std::uint8_t* b, unsigned bits) {
  const unsigned whole = bits / 8;
  if (std::memcmp(a, b, whole) != 0) return false;
  const unsigned rest = bits % 8;
  return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

// A path that names one place: absolute, no "." or "..", no empty part.
inline bool is_plain_path(std::string_view path) {
  if (path.size() < 2 || path.front() != '/' || path.back() == '/') return false;
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == ".." || part.find('\0') != std::string_view::npos) return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash);
  }
  return true;
}

inline bool allows(const NetworkRule& rule, NetworkDirection direction, const NetworkAddress& to) {
  if (rule.direction != direction || rule.transport != to.transport) return false;
  if (rule.transport == NetworkTransport::kUnix) {
    const std::string_view pattern = text_of(rule.path, sizeof(rule.path));
    if (pattern.empty() || !is_plain_path(to.path)) return false;
    if (pattern.back() != '/') return pattern == to.path;
    return to.path.starts_with(pattern) && to.path.find('/', pattern.size()) == std::string_view::npos;
  }
  if (to.port < rule.first_port || to.port > rule.last_port) return false;
  if (rule.family == NetworkFamily::kAny) return true;
  if (rule.family != to.family) return false;
  const unsigned most = rule.family == NetworkFamily::kV4 ? 32 : 128;
  return rule.prefix <= most && same_prefix(rule.address, to.address, rule.prefix);
}

inline bool any_allows(std::span<const NetworkRule> rules, NetworkDirection direction, const NetworkAddress& to) {
  for (const NetworkRule& rule : rules) {
    if (allows(rule, direction, to)) return true;
  }
  return false;
}

// Socket addresses as the Linux ABI has them, at most this long, stand at the start of the exchange area; data of a
// send or receive follows at kSocketDataOffset.
inline constexpr std::size_t kSocketAddressRoom = 128;
inline constexpr std::size_t kSocketDataOffset = kSocketAddressRoom;

// The address in `bytes` (a sockaddr of `transport`'s family). False where it is not whole or of no family we know.
inline bool read_socket_address(std::span<const std::byte> bytes, NetworkTransport transport, NetworkAddress* address) {
  constexpr std::uint16_t kUnixFamily = 1;
  constexpr std::uint16_t kV4Family = 2;
  constexpr std::uint16_t kV6Family = 10;
  constexpr std::size_t kV4Size = 16;
  constexpr std::size_t kV6Least = 24;
  std::uint16_t family = 0;
  if (bytes.size() < sizeof(family) || bytes.size() > kSocketAddressRoom) return false;
  std::memcpy(&family, bytes.data(), sizeof(family));
  *address = {};
  address->transport = transport;
  if (transport == NetworkTransport::kUnix) {
    if (family != kUnixFamily) return false;
    const auto* text = reinterpret_cast<const char*>(bytes.data()) + sizeof(family);
    address->path = text_of(text, bytes.size() - sizeof(family));
    return address->path.size() < kUnixPathRoom;
  }
  std::uint8_t port[2] = {};
  if (bytes.size() < sizeof(family) + sizeof(port)) return false;
  std::memcpy(port, bytes.data() + sizeof(family), sizeof(port));
  address->port = static_cast<std::uint16_t>(port[0] << 8 | port[1]);
  if (family == kV4Family && bytes.size() >= kV4Size) {
    address->family = NetworkFamily::kV4;
    std::memcpy(address->address, bytes.data() + 4, 4);
    return true;
  }
  if (family != kV6Family || bytes.size() < kV6Least) return false;
  address->family = NetworkFamily::kV6;
  std::memcpy(address->address, bytes.data() + 8, sizeof(address->address));
  constexpr std::uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::memcmp(address->address, kMapped, sizeof(kMapped)) == 0) {
    address->family = NetworkFamily::kV4;
    std::memmove(address->address, address->address + sizeof(kMapped), 4);
    std::memset(address->address + 4, 0, sizeof(address->address) - 4);
  }
  return true;
}

// Socket options that pass. Everything else is ENOPROTOOPT on either side. Numbers of the Linux x86-64 ABI.
struct SocketOption {
  std::int32_t level, name;
  std::uint32_t size;  // bytes of the value; a get may answer fewer
  bool can_set;
};
inline constexpr SocketOption kSocketOptions[] = {
    {1, 2, 4, true},      // SO_REUSEADDR
    {1, 4, 4, false},     // SO_ERROR
    {1, 6, 4, true},      // SO_BROADCAST
    {1, 7, 4, true},      // SO_SNDBUF
    {1, 8, 4, true},      // SO_RCVBUF
    {1, 9, 4, true},      // SO_KEEPALIVE
    {1, 10, 4, true},     // SO_OOBINLINE
    {1, 13, 8, true},     // SO_LINGER
    {1, 15, 4, true},     // SO_REUSEPORT
    {1, 30, 4, false},    // SO_ACCEPTCONN
    {6, 1, 4, true},      // TCP_NODELAY
    {6, 2, 4, true},      // TCP_MAXSEG
    {6, 3, 4, true},      // TCP_CORK
    {6, 4, 4, true},      // TCP_KEEPIDLE
    {6, 5, 4, true},      // TCP_KEEPINTVL
    {6, 6, 4, true},      // TCP_KEEPCNT
    {6, 7, 4, true},      // TCP_SYNCNT
    {6, 8, 4, true},      // TCP_LINGER2
    {6, 9, 4, true},      // TCP_DEFER_ACCEPT
    {6, 11, 104, false},  // TCP_INFO
    {6, 12, 4, true},     // TCP_QUICKACK
    {6, 18, 4, true},     // TCP_USER_TIMEOUT
    {6, 23, 4, true},     // TCP_FASTOPEN
    {0, 1, 4, true},      // IP_TOS
    {0, 2, 4, true},      // IP_TTL
    {0, 10, 4, true},     // IP_MTU_DISCOVER
    {0, 24, 4, true},     // IP_BIND_ADDRESS_NO_PORT
    {41, 16, 4, true},    // IPV6_UNICAST_HOPS
    {41, 23, 4, true},    // IPV6_MTU_DISCOVER
    {41, 26, 4, true},    // IPV6_V6ONLY
    {41, 67, 4, true},    // IPV6_TCLASS
};
inline const SocketOption* find_socket_option(std::int32_t level, std::int32_t name) {
  for (const SocketOption& option : kSocketOptions) {
    if (option.level == level && option.name == name) return &option;
  }
  return nullptr;
}

// kWaitFor: descriptors that one request waits for.
struct HostWait {
  std::int32_t handle;
  std::uint16_t events;   // POLL*
  std::uint16_t revents;  // the answer
};
static_assert(sizeof(HostWait) == 8);

// kPollerWait: changes to the set of a poller, before it waits.
enum class PollerOperation : std::uint32_t { kAdd = 1, kChange = 2, kRemove = 3 };
struct PollerChange {
  PollerOperation operation;
  std::int32_t handle;
  std::uint32_t events;  // EPOLL*
  std::uint32_t flags;   // kPollerPrefetch
  std::uint64_t token;   // comes back with events
};
static_assert(sizeof(PollerChange) == 24);
// Whatever has arrived comes along with the event that says so (at most kPrefetchMost bytes): stream sockets only.
inline constexpr std::uint32_t kPollerPrefetch = 1;
inline constexpr std::size_t kPrefetchMost = 4096;

// The answer: this many of these, then the bytes that came along, one piece behind the other.
struct PollerEvent {
  std::uint64_t token;
  std::uint64_t stream_offset;  // where the piece stands in all that was ever received from this socket
  std::uint32_t events;         // EPOLL*
  std::uint32_t size;           // bytes that came along; 0: none
};
static_assert(sizeof(PollerEvent) == 24);
inline constexpr std::size_t kMaxPollerEvents = 512;

}  // namespace coffer::boundary
