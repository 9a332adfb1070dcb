#include "host/operate/registry.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <map>
#include <mutex>
#include <thread>

#include "base/local_socket.h"
#include "host/operate/places.h"

namespace coffer::operate {

namespace {

constexpr int kPatience = 1000;  // ms for one client
constexpr std::size_t kRequestLimit = 4096;

struct Reply {
  const char* status;
  const char* type;
  std::string body;
};

std::string http(const Reply& reply) {
  return std::string("HTTP/1.0 ") + reply.status + "\r\nContent-Type: " + reply.type +
         "\r\nContent-Length: " + std::to_string(reply.body.size()) + "\r\nConnection: close\r\n\r\n" + reply.body;
}

// The request up to its empty line; "" where the client is too slow or says too much.
std::string read_request(int socket) {
  std::string text;
  std::array<char, 1024> piece{};
  while (text.find("\r\n\r\n") == std::string::npos && text.find("\n\n") == std::string::npos) {
    const ssize_t got = ::recv(socket, piece.data(), piece.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || text.size() + static_cast<std::size_t>(got) > kRequestLimit) return {};
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
  return text;
}

class Register {
 public:
  // Never destroyed: enclaves may end while the process exits.
  static Register& instance() {
    static auto* one = new Register;
    return *one;
  }

  Result<void> add(const std::string& id, Registrant registrant) {
    const std::scoped_lock change(change_lock_);
    if (!thread_.joinable()) {
      if (auto opened = open(); !opened) return opened;
    }
    const std::scoped_lock guard(lock_);
    registrants_.emplace(id, std::move(registrant));
    return {};
  }

  void remove(const std::string& id) {
    const std::scoped_lock change(change_lock_);
    {
      const std::scoped_lock guard(lock_);
      registrants_.erase(id);
      if (!registrants_.empty()) return;
    }
    close();
  }

  void set_command() { command_ = true; }

 private:
  Register() = default;

  Result<void> open() {
    auto folder = run_folder();
    if (!folder) return std::unexpected(folder.error());
    const std::string name = std::to_string(::getpid()) + "-" + new_id() + ".socket";
    auto socket = listen_at(*folder / name, SocketKind::kStream, 0600);
    if (!socket) return std::unexpected(socket.error());
    wake_ = FileDescriptor(::eventfd(0, EFD_CLOEXEC));
    socket_ = std::move(*socket);
    path_ = *folder / name;
    // The process's signals are for its own threads.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      thread_ = std::thread([this] { serve(); });
    } catch (const std::system_error& error) {
      ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
      ::unlink(path_.c_str());
      return system_error("cannot start a thread", error.code().value());
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return {};
  }

  void close() {
    ::unlink(path_.c_str());
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t woken = ::write(wake_.get(), &one, sizeof(one));
    thread_.join();
    socket_.reset();
    wake_.reset();
  }

  void serve() {
    std::array<pollfd, 2> events{{{socket_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
    while (true) {
      if (::poll(events.data(), events.size(), -1) < 0 && errno != EINTR) return;
      if (events[1].revents != 0) return;
      if (events[0].revents == 0) continue;
      const FileDescriptor client(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!client || trusted_peer(client.get()) == 0) continue;
      set_timeout(client.get(), kPatience);
      const std::string request = read_request(client.get());
      if (request.empty()) continue;
      [[maybe_unused]] const bool sent = send_whole(client.get(), http(answer(request)));
    }
  }

  Reply answer(const std::string& request) {
    const std::string line = request.substr(0, request.find_first_of("\r\n"));
    const std::size_t space = line.find(' ');
    const std::string method = line.substr(0, space);
    std::string path = space == std::string::npos ? "" : line.substr(space + 1);
    path.resize(std::min(path.size(), path.find(' ')));
    constexpr std::string_view kStop = "/stop/";
    if (method == "GET" && path == "/status") return {"200 OK", "application/json", to_json(status())};
    if (method == "GET" && path == "/metrics") {
      return {"200 OK", "text/plain; version=0.0.4", to_prometheus(status())};
    }
    if (method == "POST" && path.starts_with(kStop)) {
      const std::scoped_lock guard(lock_);
      const auto found = registrants_.find(path.substr(kStop.size()));
      if (found == registrants_.end()) return {"404 Not Found", "text/plain", "no such enclave\n"};
      found->second.stop();
      return {"202 Accepted", "text/plain", "stopping\n"};
    }
    return {"404 Not Found", "text/plain", "GET /status, GET /metrics, POST /stop/ID\n"};
  }

  ProcessStatus status() {
    ProcessStatus process{.pid = ::getpid(), .command = command_, .enclaves = {}};
    const std::scoped_lock guard(lock_);
    for (const auto& [id, registrant] : registrants_) process.enclaves.push_back(registrant.status());
    return process;
  }

  std::mutex change_lock_;  // opening and closing; taken before lock_
  std::mutex lock_;         // registrants_
  std::map<std::string, Registrant> registrants_;
  FileDescriptor socket_, wake_;
  std::filesystem::path path_;
  std::thread thread_;
  std::atomic<bool> command_{false};
};

}  // namespace

Registration::~Registration() { Register::instance().remove(id_); }

Result<std::unique_ptr<Registration>> register_enclave(const std::string& id, Registrant registrant) {
  if (auto added = Register::instance().add(id, std::move(registrant)); !added) return std::unexpected(added.error());
  return std::make_unique<Registration>(id);
}

void announce_command() { Register::instance().set_command(); }

}  // namespace coffer::operate
