// Hostile hosts under the kernel's files and sockets: a program makes system calls, and whatever the host answers, with
// any bytes in the exchange area, the program gets an errno or no more than it asked for, and its wait ends when a
// signal comes.
//
// Input: pieces, used up in turn by the program's choice of its next call and by the host's answers, each of which is
// an honest one with parts of it replaced. At its end the host fails everything and a signal comes.
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "enclave/kernel/fs/files.h"
#include "enclave/kernel/fs/shared_mappings.h"
#include "enclave/kernel/fs/waiters.h"
#include "enclave/kernel/testing/call.h"
#include "enclave/kernel/testing/fake_host.h"

namespace {

using namespace coffer;
using namespace coffer::kernel;
using boundary::Request;
using kernel::testing::call;
using Arguments = std::array<std::uint64_t, 4>;

constexpr int kMostCalls = 60;
constexpr std::size_t kPage = 4096;
constexpr std::int64_t kMostDescriptors = 64;
// Requests that one call may make after the input's end, when each of them fails. Letting go of what is open is the
// longest: a write-back and a close for each.
constexpr int kMostFailures = 2000;

void require(bool holds) {
  if (!holds) std::abort();
}

// --- the host

class InputHost final : public testing::FakeHost {
 public:
  ByteReader input{{}};
  bool signal = false;
  int failures = 0;

  void renew(ByteReader from) {
    input = from;
    signal = false;
    failures = 0;
    tokens_.clear();
    received_.clear();
  }

  // Time passes as it is looked at; sleeps end at once, as they may.
  std::optional<Answer> serve_local(Request request, const Arguments& arguments) override {
    if (request != Request::kClock && !input.read<std::uint8_t>()) fail();
    if (request == Request::kPark && arguments[0] != boundary::kNoTimeout) now_ns_ += arguments[0] % kLongestSleep;
    if (request != Request::kClock) return Answer{};
    now_ns_ += 1000;
    return Answer{0, {now_ns_ / 1'000'000'000, now_ns_ % 1'000'000'000, 0}};
  }

  Answer serve(Request request, const Arguments& arguments, std::span<std::byte> area) override {
    const auto head = input.read<std::array<std::uint8_t, 8>>();
    if (!head) return fail();
    if (request == Request::kPollerWait) remember_tokens(arguments[1], area);
    const auto& [lies, value, kind, other, extra, where, size, last] = *head;
    Answer answer = honest(request, value, arguments, area);
    if ((lies & 1) != 0) answer.result = static_cast<std::int64_t>(number(kind, other, arguments));
    if ((lies & 2) != 0) answer.extra[extra % 3] = number(kind / 8, last, arguments);
    if ((lies & 4) != 0) {
      const auto bytes = input.take(std::min<std::size_t>(size, input.remaining()));
      std::memcpy(area.data() + where, bytes->data(), bytes->size());
    }
    if ((lies & 0xf0) == 0xf0) signal = true;
    return answer;
  }

 private:
  static constexpr std::uint64_t kLongestSleep = std::uint64_t{1} << 40;

  Answer fail() {
    signal = true;
    require(++failures < kMostFailures);
    return {-EIO, {}};
  }

  template <class T>
  static void put(std::span<std::byte> area, std::size_t offset, const T& value) {
    std::memcpy(area.data() + offset, &value, sizeof(value));
  }

  Answer honest(Request request, std::uint8_t value, const Arguments& arguments, std::span<std::byte> area) {
    constexpr std::array<std::uint8_t, 16> kAddress = {AF_INET, 0, 0, 80, 127, 0, 0, 1};
    switch (request) {
      case Request::kFileOpen:
        return {3 + value % 8, {}};
      case Request::kSocketOpen:
      case Request::kPollerOpen:
      case Request::kSocketAccept:
        put(area, 0, kAddress);
        return {boundary::kFirstSocketHandle + value % 8, {kAddress.size()}};
      case Request::kFileRead:
      case Request::kFileWrite:
        return {part(arguments[2], value), {}};
      case Request::kSocketSend:
        return {part(arguments[1], value), {}};
      case Request::kFileStat:
      case Request::kPathStat:
        put(area, 0, status(value, arguments[0]));
        return {};
      case Request::kDirectoryRead:
        return {arguments[1] >= 4 ? 0 : put_names(value, area), {}};
      case Request::kPathReadLink:
        return {put_target(value, area), {}};
      case Request::kSocketReceive: {
        const std::int64_t count = part(arguments[1], value);
        std::uint64_t& position = received_[arguments[0]];
        const std::uint64_t offset = position;
        if ((arguments[2] & MSG_PEEK) == 0) position += static_cast<std::uint64_t>(count);
        put(area, 0, kAddress);
        return {count, {kAddress.size(), 0, offset}};
      }
      case Request::kSocketGetOption:
        return {part(arguments[2], value), {}};
      case Request::kSocketName:
        put(area, 0, kAddress);
        return {kAddress.size(), {}};
      case Request::kWaitFor:
        for (std::size_t i = 0; i < arguments[0]; ++i) {
          put(area, i * sizeof(boundary::HostWait) + offsetof(boundary::HostWait, revents), std::uint16_t{value});
        }
        return {static_cast<std::int64_t>(arguments[0]), {}};
      case Request::kPollerWait:
        return {put_events(value, arguments[3], area), {}};
      case Request::kBytesWaiting:
        return {value, {}};
      case Request::kTerminalSize:
        return {0, {std::uint64_t{24} << 32 | 80, 0, 0}};
      default:
        return {};
    }
  }

  static std::int64_t part(std::uint64_t whole, std::uint8_t value) {
    return static_cast<std::int64_t>(value >= 128 ? whole : std::min<std::uint64_t>(whole, value));
  }

  static boundary::HostStat status(std::uint8_t value, std::uint64_t handle) {
    constexpr std::uint32_t kTypes[] = {S_IFREG, S_IFREG, S_IFREG, S_IFDIR, S_IFDIR, S_IFLNK, S_IFIFO, S_IFCHR};
    boundary::HostStat status{};
    status.device = 1;
    status.inode = handle % 4;
    status.size = std::uint64_t{value} * 99;
    status.mode = kTypes[value % 8] | 0700;
    status.links = 1;
    return status;
  }

  static std::int64_t put_names(std::uint8_t count, std::span<std::byte> area) {
    constexpr std::size_t kRecord = sizeof(boundary::HostDirent) + 8;
    for (std::size_t i = 0; i < count; ++i) {
      const boundary::HostDirent header{i + 1, static_cast<std::uint16_t>(1 + i % 8), DT_REG, {}};
      put(area, i * kRecord, header);
      put(area, i * kRecord + sizeof(header), std::array<char, 8>{'n', 'a', 'm', 'e', 's', 'a', 'b', 'c'});
      // A name of less than eight bytes is followed by padding.
    }
    return static_cast<std::int64_t>(count * kRecord);
  }

  static std::int64_t put_target(std::uint8_t value, std::span<std::byte> area) {
    constexpr std::string_view kTargets[] = {"file", "../file",     "/data/d", "/data/link",     "d/../../..",
                                             "link", "/fixed/./a/", "/",       "/proc/self/fd/3"};
    const std::string_view target = kTargets[value % std::size(kTargets)];
    std::memcpy(area.data(), target.data(), target.size());
    return static_cast<std::int64_t>(target.size());
  }

  // What the kernel calls the files that it watches.
  void remember_tokens(std::uint64_t count, std::span<const std::byte> area) {
    ByteReader reader(area);
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto change = reader.read<boundary::PollerChange>();
      require(change.has_value());
      tokens_.push_back(change->token);
    }
  }

  std::int64_t put_events(std::uint8_t value, std::uint64_t most, std::span<std::byte> area) {
    const std::size_t count = std::min<std::size_t>({most, tokens_.size(), std::size_t{value} % 8});
    for (std::size_t i = 0; i < count; ++i) {
      const boundary::PollerEvent event{tokens_[(value + i) % tokens_.size()], 0, EPOLLIN | EPOLLOUT,
                                        value % 3 == 0 ? 40U : 0U};
      put(area, i * sizeof(event), event);
    }
    return static_cast<std::int64_t>(count);
  }

  static std::uint64_t number(unsigned kind, std::uint8_t value, const Arguments& arguments) {
    switch (kind % 8) {
      case 0:
        return value;
      case 1:
        return arguments[value % 4];  // as much as was asked for
      case 2:
        return arguments[value % 4] + 1;
      case 3:
        return -std::uint64_t{value};  // errnos
      case 4:
        return -(std::uint64_t{4095} + value % 2);
      case 5:
        return boundary::kFirstSocketHandle - 1 + value % 4;
      case 6:
        return std::uint64_t{value} << 56 | value;
      default:
        return std::uint64_t{1} << value % 64;
    }
  }

  std::uint64_t now_ns_ = 1'000'000'000;
  std::vector<std::uint64_t> tokens_;
  std::map<std::uint64_t, std::uint64_t> received_;  // bytes, by handle
};

InputHost& host() {
  static InputHost one;
  return one;
}

// --- the program

// What a shared mapping is made of: memory that the sanitizer knows the ends of.
class Heap final : public fs::MappingMemory {
 public:
  std::uint64_t reserve(std::size_t size) override {
    return size > kMost ? 0 : reinterpret_cast<std::uint64_t>(std::aligned_alloc(kPage, size));
  }
  fs::Expected<void> reserve_at(std::uint64_t, std::size_t, bool) override { return fs::error(ENOMEM); }
  void release(std::uint64_t address, std::size_t) override { std::free(reinterpret_cast<void*>(address)); }
  void empty(std::uint64_t address, std::size_t size) override {
    std::memset(reinterpret_cast<void*>(address), 0, size);
  }
  bool protect(std::uint64_t, std::size_t, int) override { return true; }
  bool prepare(std::uint64_t, std::size_t, bool) override { return true; }

 private:
  static constexpr std::size_t kMost = std::size_t{64} << 20;
};

struct Mapping {
  std::uint64_t address, length;
};
std::vector<Mapping> mappings;

// What the program chose: a call, a descriptor, and two bytes for the rest.
struct Turn {
  std::uint8_t what, descriptor, a, b;
  [[nodiscard]] int file() const { return number_of(descriptor); }
  [[nodiscard]] int other_file() const { return number_of(b); }
  [[nodiscard]] std::size_t size() const { return a < 250 ? std::size_t{a} * 3 : std::size_t{a} * 1000; }
  [[nodiscard]] const char* path() const { return path_of(a); }
  [[nodiscard]] const char* other_path() const { return path_of(b); }

 private:
  // Mostly one of the first few that the program opened.
  static int number_of(std::uint8_t value) { return value < 32 ? value % 16 : 3 + value % 4; }
  static const char* path_of(std::uint8_t number) {
    constexpr std::array kPaths = {"/data/file",  "/data", "/fixed/a",     "/data/d/e",
                                   "/data/new",   ".",     "/fixed/x/y/z", "/data/../data/link",
                                   "/dev/stdout", "",      "/data/d/",     "/data/link/./file"};
    return kPaths[number % kPaths.size()];
  }
};

// Of exactly the size that the kernel is told: the sanitizer sees the first byte too many.
class Buffer {
 public:
  explicit Buffer(std::size_t size) : bytes_(std::make_unique<std::byte[]>(size)), size_(size) {}
  [[nodiscard]] std::byte* data() const { return bytes_.get(); }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  std::size_t size_;
};

// The result is an errno, or at most this.
std::int64_t within(std::int64_t result, std::uint64_t most) {
  require(result >= -4095 && result <= static_cast<std::int64_t>(most));
  return result;
}
void nothing(std::int64_t result) { within(result, 0); }
void new_descriptor(std::int64_t result) { within(result, kMostDescriptors - 1); }

void check_names(const Buffer& buffer, std::int64_t result) {
  constexpr std::size_t kNameOffset = 19;
  for (std::int64_t at = 0; at < result;) {
    std::uint16_t length = 0;
    std::memcpy(&length, buffer.data() + at + offsetof(dirent64, d_reclen), sizeof(length));
    require(length > kNameOffset && length <= result - at);
    const auto* name = reinterpret_cast<const char*>(buffer.data() + at + kNameOffset);
    const std::size_t size = ::strnlen(name, length - kNameOffset);
    require(size > 0 && size < length - kNameOffset && std::memchr(name, '/', size) == nullptr);
    at += length;
  }
}

void check_status(const Buffer& buffer, std::int64_t result) {
  struct stat status{};
  nothing(result);
  if (result != 0) return;
  std::memcpy(&status, buffer.data(), sizeof(status));
  constexpr std::array<mode_t, 8> kTypes = {0,       S_IFREG, S_IFDIR, S_IFLNK,  // 0: an epoll has none
                                            S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK};
  require(std::ranges::count(kTypes, status.st_mode & S_IFMT) == 1 && (status.st_mode & ~mode_t{S_IFMT | 07777}) == 0);
  require(status.st_size >= 0 && status.st_mtim.tv_nsec < 1'000'000'000);
}

void call_with_file(const Turn& turn) {
  const Buffer buffer(turn.size());
  const Buffer status(sizeof(struct stat));
  switch (turn.what / 8 % 12) {
    case 0:
      within(call(SYS_read, turn.file(), buffer.data(), buffer.size()), buffer.size());
      break;
    case 1:
      within(call(SYS_pread64, turn.file(), buffer.data(), buffer.size(), turn.b), buffer.size());
      break;
    case 2:
      within(call(SYS_write, turn.file(), buffer.data(), buffer.size()), buffer.size());
      break;
    case 3:
      check_status(status, call(SYS_fstat, turn.file(), status.data()));
      break;
    case 4:
      check_names(buffer, within(call(SYS_getdents64, turn.file(), buffer.data(), buffer.size()), buffer.size()));
      break;
    case 5:
      (void)call(SYS_lseek, turn.file(), turn.a, turn.b % 5);
      break;
    case 6:
      nothing(call(SYS_ftruncate, turn.file(), turn.a));
      break;
    case 7:
      nothing(call(turn.a % 2 == 0 ? SYS_fsync : SYS_syncfs, turn.file()));
      break;
    case 8:
      nothing(call(SYS_fallocate, turn.file(), 0, turn.a, turn.b));
      break;
    case 9:
      within(call(SYS_copy_file_range, turn.file(), 0, turn.other_file(), 0, turn.size(), 0), turn.size());
      break;
    case 10: {
      const Buffer more(turn.b);
      const std::array<iovec, 2> pieces = {{{buffer.data(), buffer.size()}, {more.data(), more.size()}}};
      const long number = turn.a % 2 == 0 ? SYS_readv : SYS_writev;
      within(call(number, turn.file(), pieces.data(), pieces.size()), buffer.size() + more.size());
      break;
    }
    default:
      if (turn.file() > 2) nothing(call(SYS_close, turn.file()));
      break;
  }
}

void change_path(const Turn& turn) {
  const timespec times[2] = {{turn.b, turn.b}, {0, turn.b % 2 == 0 ? UTIME_NOW : UTIME_OMIT}};
  switch (turn.b % 5) {
    case 0:
      nothing(call(SYS_fchmodat, AT_FDCWD, turn.path(), turn.b * 16));
      break;
    case 1:
      nothing(call(SYS_utimensat, AT_FDCWD, turn.path(), times, turn.b / 8 % 2 * AT_SYMLINK_NOFOLLOW));
      break;
    case 2:
      nothing(call(SYS_linkat, AT_FDCWD, turn.path(), AT_FDCWD, turn.other_path(), turn.b / 8 % 2 * AT_SYMLINK_FOLLOW));
      break;
    case 3:
      nothing(call(SYS_symlinkat, turn.other_path(), AT_FDCWD, turn.path()));
      break;
    default:
      nothing(call(SYS_chdir, turn.path()));
      break;
  }
}

void call_with_path(const Turn& turn) {
  const Buffer buffer(turn.size());
  const Buffer status(sizeof(struct stat));
  constexpr int kFlags[] = {O_RDONLY, O_RDWR | O_CREAT,     O_RDONLY | O_DIRECTORY, O_WRONLY | O_APPEND,
                            O_RDWR,   O_WRONLY | O_NOFOLLOW};
  switch (turn.what / 8 % 8) {
    case 0:
      check_status(status,
                   call(SYS_newfstatat, AT_FDCWD, turn.path(), status.data(), turn.b % 2 * AT_SYMLINK_NOFOLLOW));
      break;
    case 1:
      within(call(SYS_readlinkat, AT_FDCWD, turn.path(), buffer.data(), buffer.size()), buffer.size());
      break;
    case 2:
      nothing(call(SYS_renameat2, AT_FDCWD, turn.path(), AT_FDCWD, turn.other_path(), 0));
      break;
    case 3:
      nothing(call(SYS_unlinkat, AT_FDCWD, turn.path(), turn.b % 2 * AT_REMOVEDIR));
      break;
    case 4:
      nothing(call(SYS_mkdirat, AT_FDCWD, turn.path(), 0700));
      break;
    case 5:
      nothing(call(SYS_faccessat, AT_FDCWD, turn.path(), turn.b % 8));
      break;
    case 6:
      change_path(turn);
      break;
    default:
      new_descriptor(call(SYS_openat, turn.descriptor % 4 == 0 ? turn.other_file() : AT_FDCWD, turn.path(),
                          kFlags[turn.b % std::size(kFlags)], 0600));
      break;
  }
}

void move_bytes(const Turn& turn) {
  const Buffer buffer(turn.size());
  const int flags = (turn.b & 1) * MSG_DONTWAIT | (turn.b >> 1 & 1) * MSG_PEEK | (turn.b >> 2 & 1) * MSG_WAITALL;
  const std::array<std::uint8_t, 16> address = {AF_INET, 0, 0, 80, 127, 0, 0, 1};
  switch (turn.what / 8 % 4) {
    case 0:
      within(call(SYS_recvfrom, turn.file(), buffer.data(), buffer.size(), flags, 0, 0), buffer.size());
      break;
    case 1: {
      std::array<std::byte, 128> name{};
      iovec piece{buffer.data(), buffer.size()};
      msghdr message{name.data(), name.size(), &piece, 1, nullptr, 0, 0};
      // With MSG_TRUNC the size of the whole datagram is told, which only the host knows.
      const std::uint64_t most = turn.b >= 192 ? 0x7fffffff : buffer.size();
      within(call(SYS_recvmsg, turn.file(), &message, flags | (turn.b >= 192 ? MSG_TRUNC : 0)), most);
      require(message.msg_namelen <= name.size());
      break;
    }
    case 2:
      within(call(SYS_sendto, turn.file(), buffer.data(), buffer.size(), flags & MSG_DONTWAIT, 0, 0), buffer.size());
      break;
    default:
      within(call(SYS_sendto, turn.file(), buffer.data(), buffer.size(), flags & MSG_DONTWAIT, address.data(),
                  address.size()),
             buffer.size());
      break;
  }
}

void call_with_socket(const Turn& turn) {
  constexpr std::array<std::uint8_t, 16> kAddress = {AF_INET, 0, 0, 80, 127, 0, 0, 1};
  std::array<std::byte, 128> name{};
  std::uint32_t size = turn.a % 129;
  switch (turn.what / 8 % 8) {
    case 0:
    case 1:
      new_descriptor(
          call(SYS_socket, AF_INET, (turn.a % 2 == 0 ? SOCK_STREAM : SOCK_DGRAM) | turn.b % 2 * SOCK_NONBLOCK));
      break;
    case 2:
      nothing(call(SYS_bind, turn.file(), kAddress.data(), kAddress.size()));
      nothing(call(SYS_listen, turn.file(), turn.a));
      break;
    case 3:
      nothing(call(SYS_connect, turn.file(), kAddress.data(), kAddress.size()));
      break;
    case 4:
      new_descriptor(call(SYS_accept4, turn.file(), name.data(), &size, turn.b % 2 * SOCK_NONBLOCK));
      require(size <= name.size());
      break;
    case 5:
      nothing(call(turn.b % 2 == 0 ? SYS_getsockname : SYS_getpeername, turn.file(), name.data(), &size));
      require(size <= name.size());
      break;
    case 6: {
      const boundary::SocketOption& option = boundary::kSocketOptions[turn.b % std::size(boundary::kSocketOptions)];
      const std::uint32_t room = size;
      const Buffer value(room);
      nothing(call(SYS_getsockopt, turn.file(), option.level, option.name, value.data(), &size));
      require(size <= room);
      nothing(call(SYS_setsockopt, turn.file(), option.level, option.name, value.data(), room));
      break;
    }
    default:
      nothing(call(SYS_shutdown, turn.file(), turn.a % 3));
      break;
  }
}

void wait_for_something(const Turn& turn) {
  const int timeout = turn.b % 4 == 3 ? -1 : turn.b % 4 * 50;
  switch (turn.what / 8 % 8) {
    case 0: {
      std::array<pollfd, 2> asked = {{{turn.file(), POLLIN, 0}, {turn.other_file(), POLLOUT, 0}}};
      within(call(SYS_poll, asked.data(), asked.size(), timeout), asked.size());
      break;
    }
    case 1: {
      fd_set reads{};
      FD_SET(turn.file(), &reads);
      fd_set writes{};
      FD_SET(turn.other_file(), &writes);
      timeval time{0, 1000};
      within(call(SYS_select, 16, &reads, &writes, 0, timeout < 0 ? nullptr : &time), 2);
      break;
    }
    case 2:
      new_descriptor(call(SYS_epoll_create1, 0));
      break;
    case 3: {
      epoll_event event{.events = turn.a % 2 == 0 ? EPOLLIN : EPOLLIN | EPOLLOUT | EPOLLET, .data = {.u64 = turn.b}};
      nothing(call(SYS_epoll_ctl, turn.file(), 1 + turn.a % 3, turn.other_file(), &event));
      break;
    }
    case 4: {
      const std::size_t most = 1 + turn.a % 16;
      const Buffer events(most * sizeof(epoll_event));
      within(call(SYS_epoll_wait, turn.file(), events.data(), most, timeout), most);
      break;
    }
    case 5:
      nothing(call(SYS_flock, turn.file(), turn.a % 4 == 3 ? LOCK_UN : turn.a % 2 == 0 ? LOCK_EX : LOCK_SH));
      break;
    case 6: {
      struct flock lock{};
      lock.l_type = static_cast<short>(turn.a % 3);
      lock.l_len = turn.b;
      nothing(call(SYS_fcntl, turn.file(), F_OFD_SETLKW, &lock));
      break;
    }
    default: {
      int count = 0;
      nothing(call(SYS_ioctl, turn.file(), FIONREAD, &count));
      require(count >= 0);
      winsize terminal{};
      nothing(call(SYS_ioctl, turn.file() % 3, TIOCGWINSZ, &terminal));
      break;
    }
  }
}

void map(const Turn& turn) {
  const auto description = fs::files().descriptors.get(turn.file());
  if (!description) return;
  const std::uint64_t length = 1 + turn.size() % (3 * kPage);
  const auto mapped = fs::map_shared(**description, turn.b % 8 * kPage, length, PROT_READ | PROT_WRITE);
  if (!mapped) return;
  require(*mapped % kPage == 0);
  std::memset(reinterpret_cast<void*>(*mapped), turn.b, length);
  mappings.push_back({*mapped, length});
}

void unmap(std::size_t number) {
  const Mapping gone = mappings[number];
  mappings.erase(mappings.begin() + static_cast<std::ptrdiff_t>(number));
  fs::unmap_shared(gone.address, gone.length);
}

void use_mappings(const Turn& turn) {
  switch (turn.what / 8 % 4) {
    case 0:
      map(turn);
      break;
    case 1:
      if (!mappings.empty()) unmap(turn.a % mappings.size());
      break;
    case 2:
      if (!mappings.empty()) {
        const Mapping& one = mappings[turn.a % mappings.size()];
        fs::ignore_failure(fs::sync_shared(one.address, one.length, turn.b % 2 == 0));
      }
      break;
    default: {
      const Buffer buffer(turn.size());
      const auto count = fs::read_for_mapping(turn.file(), turn.b % 8 * kPage, {buffer.data(), buffer.size()});
      require(!count || *count <= buffer.size());
      break;
    }
  }
}

void one_call() {
  const auto turn = host().input.read<Turn>();
  if (!turn) return;
  constexpr void (*kKinds[])(const Turn&) = {call_with_file,   call_with_path,     call_with_path, move_bytes,
                                             call_with_socket, wait_for_something, use_mappings,   call_with_file};
  host().signal = false;
  host().failures = 0;
  kKinds[turn->what % 8](*turn);
}

// Once: a kernel's files never end.
void start() {
  static Heap heap;
  const fs::MountSetup mounts[] = {
      {"/data", boundary::MountKind::kPlain, 1, false, nullptr},
      {"/fixed", boundary::MountKind::kPlain, 2, true, nullptr},
  };
  const std::string_view arguments[] = {"program"};
  std::vector<boundary::NetworkRule> rules;
  for (const auto direction : {boundary::NetworkDirection::kBind, boundary::NetworkDirection::kConnect}) {
    for (const auto transport : {boundary::NetworkTransport::kTcp, boundary::NetworkTransport::kUdp}) {
      rules.push_back({direction, transport, boundary::NetworkFamily::kAny, 0, 0, 65535, {}, {}});
    }
  }
  fs::FilesSetup setup;
  setup.mounts = mounts;
  setup.program = "program";
  setup.arguments = arguments;
  setup.terminals[0] = true;
  setup.descriptor_limit = kMostDescriptors;
  setup.temporary_limit = 1 << 20;
  setup.current_thread_index = testing::thread_index;
  setup.network = rules;
  testing::use_host(&host());
  fs::init_files(setup);
  fs::use_mapping_memory(&heap);
  fs::use_interruption([] { return host().signal; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool started = [] {
    start();
    return true;
  }();
  (void)started;
  host().renew(ByteReader(std::as_bytes(std::span(data, size))));
  for (int i = 0; i < kMostCalls && host().input.remaining() > 0; ++i) one_call();
  host().renew(ByteReader({}));
  while (!mappings.empty()) unmap(mappings.size() - 1);
  for (const int number : fs::files().descriptors.open_numbers()) {
    if (number > 2) (void)fs::files().descriptors.close(number);
  }
  require(!fs::has_shared_mappings());
  return 0;
}
