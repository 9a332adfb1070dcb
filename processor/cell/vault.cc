#include "processor/cell/vault.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "processor/cell/lockdown.h"
#include "processor/launch/launch.h"

namespace coffer::cell {

using processor::KeyOutcome;
using processor::KeySource;

namespace {

enum class Operation : std::uint32_t { kBind = 1, kKey = 2, kReport = 3, kCounter = 4 };

// One form for all; the fields that an operation does not use stay zero.
struct Question {
  Operation operation = Operation::kBind;
  std::uint32_t reserved = 0;
  sgx::Secs secs;
  sgx::KeyRequest key;
  sgx::TargetInfo target;
  sgx::Bytes<64> data{};
  boundary::CounterQuestion counter;
};

struct Reply {
  std::uint64_t error = 0;
  std::array<std::byte, 16> key{};
  sgx::Report report;
  boundary::CounterAnswer counter;
};

template <class T>
bool send_whole(int socket, const T& message) {
  ssize_t sent = 0;
  do {
    sent = ::send(socket, &message, sizeof(message), MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == sizeof(message);
}

template <class T>
bool receive_whole(int socket, T& message) {
  ssize_t got = 0;
  do {
    got = ::recv(socket, &message, sizeof(message), 0);
  } while (got < 0 && errno == EINTR);
  return got == sizeof(message);
}

class RemoteVault final : public KeySource {
 public:
  explicit RemoteVault(FileDescriptor socket) : socket_(std::move(socket)) {}

  void bind(const sgx::Secs& secs) const override { (void)ask({.operation = Operation::kBind, .secs = secs}); }
  KeyOutcome derive(const sgx::Secs&, const sgx::KeyRequest& request) const override {
    Reply reply = ask({.operation = Operation::kKey, .key = request});
    KeyOutcome outcome{static_cast<sgx::LeafError>(reply.error), {}};
    std::memcpy(outcome.key.bytes().data(), reply.key.data(), reply.key.size());
    wipe(&reply, sizeof(reply));
    return outcome;
  }
  sgx::Report report(const sgx::Secs&, const sgx::TargetInfo& target, const sgx::Bytes<64>& data) const override {
    return ask({.operation = Operation::kReport, .target = target, .data = data}).report;
  }
  boundary::CounterAnswer counter(const sgx::Secs&, const boundary::CounterQuestion& question) const override {
    return ask({.operation = Operation::kCounter, .counter = question}).counter;
  }

 private:
  Reply ask(const Question& question) const {
    const std::scoped_lock guard(lock_);
    Reply reply;
    if (!send_whole(socket_.get(), question) || !receive_whole(socket_.get(), reply)) std::abort();
    return reply;
  }

  FileDescriptor socket_;
  mutable std::mutex lock_;
};

Reply answer(const KeySource& fuses, const sgx::Secs& secs, const Question& question) {
  Reply reply;
  if (question.operation == Operation::kKey) {
    const KeyOutcome outcome = fuses.derive(secs, question.key);
    reply.error = static_cast<std::uint64_t>(outcome.error);
    std::memcpy(reply.key.data(), outcome.key.bytes().data(), reply.key.size());
  } else if (question.operation == Operation::kReport) {
    reply.report = fuses.report(secs, question.target, question.data);
  } else if (question.operation == Operation::kCounter) {
    reply.counter = fuses.counter(secs, question.counter);
  }
  return reply;
}

// The vault process. Its first message is empty, or the line that says why there are no fuses.
[[noreturn]] void run_vault(FileDescriptor socket) {
  std::array<char, 512> line{};
  auto state = state_directory();
  auto fuses = state ? processor::Fuses::load_or_make(*state) : std::unexpected(state.error());
  if (!fuses) std::strncpy(line.data(), fuses.error().message.c_str(), line.size() - 1);
  if (!send_whole(socket.get(), line) || !fuses) ::_exit(2);
  processor::KeyVault vault(std::move(*fuses));
  (void)vault.keep_counters(*state);  // without: a platform that has none, which enclaves that ask for one are told
  (void)leave_namespaces();
  if (!install_vault_filter()) ::_exit(2);
  serve_vault(socket.get(), vault);
  ::_exit(0);
}

}  // namespace

void serve_vault(int socket, const KeySource& fuses) {
  sgx::Secs bound;
  bool is_bound = false;
  Question question;
  while (receive_whole(socket, question)) {
    if (question.operation == Operation::kBind) {
      if (is_bound) return;  // only a cell that is no longer its own asks twice
      bound = question.secs;
      is_bound = true;
    } else if (!is_bound) {
      return;
    }
    Reply reply = answer(fuses, bound, question);
    const bool sent = send_whole(socket, reply);
    wipe(&reply, sizeof(reply));
    if (!sent) return;
  }
}

std::shared_ptr<const KeySource> connect_vault(FileDescriptor socket) {
  return std::make_shared<const RemoteVault>(std::move(socket));
}

Result<std::shared_ptr<const KeySource>> start_vault() {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    return system_error("cannot make the vault's socket", errno);
  }
  FileDescriptor ours(pair[0]);
  FileDescriptor theirs(pair[1]);
  // A sibling, not a child: a cell is ended by SIGKILL and could not wait for it. Nothing but this thread exists yet.
  const auto child = static_cast<pid_t>(::syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0));
  if (child < 0) return system_error("cannot start the vault", errno);
  if (child == 0) {
    ours.reset();
    // Everything else of the cell's is not the vault's: its control socket must not stay open when the cell dies.
    FileDescriptor socket(::fcntl(theirs.get(), F_DUPFD_CLOEXEC, 0));
    constexpr int kHighest = processor::kFirstWarmFile + static_cast<int>(processor::kMaxWarmFiles) + 16;
    for (int fd = 0; fd < kHighest; ++fd) {
      if (fd != socket.get()) ::close(fd);
    }
    (void)theirs.release();
    run_vault(std::move(socket));
  }
  theirs.reset();
  std::array<char, 512> line{};
  if (!receive_whole(ours.get(), line)) return fail(ErrorKind::kSystem, "the vault ended before it was ready");
  line.back() = '\0';
  if (line.front() != '\0') return input_error(line.data());
  return connect_vault(std::move(ours));
}

}  // namespace coffer::cell
