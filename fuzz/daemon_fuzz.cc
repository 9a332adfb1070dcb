// Hostile clients of cofferd: any message with any number of descriptors is answered with a message of known form, or
// the connection is closed. Cells are /bin/true: what a started one does with its control socket is cell_control_fuzz's
// subject.
//
// Input: for each connection one byte of descriptors (how many, which kind), one of size, and the message.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "base/descriptor_passing.h"
#include "base/local_socket.h"
#include "node/daemon.h"

namespace {

using namespace coffer;
using boundary::LaunchAnswer;
using boundary::LaunchRequest;
using boundary::LaunchStatus;

constexpr int kMostConnections = 4;

// One daemon for the process, on a thread of its own, as long as the process lives.
const std::string& daemon_socket() {
  static const std::string path = [] {
    char name[] = "/tmp/coffer-fuzz-XXXXXX";
    if (::mkdtemp(name) == nullptr) std::abort();
    static const std::string folder = name;
    const std::string socket = folder + "/cofferd.sock";
    std::atexit([] {
      ::unlink((folder + "/cofferd.sock").c_str());
      ::rmdir(folder.c_str());
    });
    auto listener = node::Listener::at(socket);
    if (!listener) std::abort();
    const node::Limits limits{.total = 1 << 20, .per_user = 1 << 18, .enclaves_per_user = 3};
    auto* cells = new node::Cells("/bin/true", folder, limits, {});
    auto daemon = node::Daemon::make(std::move(*listener), *cells, [](const std::string& line) {
      if (line.find('\n') != std::string::npos) std::abort();
    });
    if (!daemon) std::abort();
    std::thread([one = std::move(*daemon)] {
      (void)one->serve();
      std::abort();  // no message ends a daemon
    }).detach();
    return socket;
  }();
  return path;
}

// False where nothing comes for five seconds. The fuzzer's own timer interrupts the wait.
bool answers(int socket) {
  pollfd waiting{.fd = socket, .events = POLLIN, .revents = 0};
  int ready = 0;
  do {
    ready = ::poll(&waiting, 1, 5000);
  } while (ready < 0 && errno == EINTR);
  return ready == 1;
}

void one_connection(ByteReader& input) {
  static const FileDescriptor memory(::memfd_create("arena", MFD_CLOEXEC));
  static const FileDescriptor device(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const auto head = input.read<std::array<std::uint8_t, 3>>();
  if (!head) return;
  LaunchRequest usual{.arena_base = 1 << 20, .arena_size = 1 << 16, .epc_size = 4096};
  std::array<std::byte, 2 * sizeof(LaunchRequest)> message{};
  std::memcpy(message.data(), &usual, sizeof(usual));
  const std::size_t size = (*head)[0] % 4 != 0 ? sizeof(LaunchRequest) : (*head)[1] % message.size() + 1;
  const std::size_t offset = (*head)[2] % sizeof(LaunchRequest);
  if (const auto bytes = input.take(std::min({input.remaining(), std::size_t{16}, sizeof(LaunchRequest) - offset}))) {
    std::memcpy(message.data() + offset, bytes->data(), bytes->size());
  }
  const std::size_t count = (*head)[0] / 4 % 4 == 0 ? (*head)[1] % 5 : 1;
  const std::vector<int> descriptors(count, (*head)[0] / 16 % 4 == 0 ? device.get() : memory.get());
  const Connected daemon = connect_to(daemon_socket(), SocketKind::kPackets);
  if (!daemon.socket) std::abort();
  if (!send_with_descriptors(daemon.socket.get(), ByteView(message).first(size), descriptors)) return;
  if (!answers(daemon.socket.get())) std::abort();  // it is not dropped for a message
  LaunchAnswer answer;
  auto given = receive_with_descriptors(daemon.socket.get(), std::as_writable_bytes(std::span(&answer, 1)));
  if (!given) std::abort();
  const bool started = answer.status == LaunchStatus::kStarted;
  if (answer.version != boundary::kDaemonVersion || answer.status > LaunchStatus::kFailed ||
      std::memchr(answer.text, 0, sizeof(answer.text)) == nullptr || given->size() != (started ? 1 : 0) ||
      started != (answer.text[0] == '\0')) {
    std::abort();
  }
  if (started && (size != sizeof(LaunchRequest) || count != 1 || descriptors[0] != memory.get())) std::abort();
}

}  // namespace

// Before the fuzzer starts threads of its own, which would take the daemon's SIGCHLD otherwise.
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ByteReader input(std::as_bytes(std::span(data, size)));
  for (int i = 0; i < kMostConnections && input.remaining() > 0; ++i) one_connection(input);
  return 0;
}
