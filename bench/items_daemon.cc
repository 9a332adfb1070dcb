// What the daemon's warm memory saves a launch.
#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>

#include "bench/items.h"

namespace coffer::bench {

namespace {

constexpr double kMillisecond = 1e6;
constexpr std::uint64_t kHeap = std::uint64_t{64} << 20;
constexpr double kReach = 1.0 / 3;

// A daemon of this run: its own socket, its own platform.
class Daemon {
 public:
  static Result<std::unique_ptr<Daemon>> start(const std::filesystem::path& folder) {
    auto daemon = std::unique_ptr<Daemon>(new Daemon(folder / "cofferd.sock"));
    const auto program = measured_program().parent_path().parent_path() / "bin" / "cofferd";
    std::array<int, 2> pipe{};
    if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return system_error("cannot make a pipe", errno);
    const FileDescriptor words(pipe[0]);
    FileDescriptor its_words(pipe[1]);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, its_words.get(), 1);
    std::array<std::string, 9> arguments = {program, "--socket", daemon->socket_,  "--state", folder / "platform",
                                            "--epc", "64G",      "--epc-per-user", "64G"};
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    const int error = ::posix_spawn(&daemon->pid_, program.c_str(), &actions, nullptr, pointers.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) return system_error("cannot start " + program.string(), error);
    its_words.reset();
    // Its first line comes when its warm memory is there.
    std::array<char, 256> line{};
    if (::read(words.get(), line.data(), line.size()) <= 0) return fail(ErrorKind::kSystem, "cofferd ended at once");
    return daemon;
  }
  ~Daemon() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  [[nodiscard]] const std::string& socket() const { return socket_; }

 private:
  explicit Daemon(std::string socket) : socket_(std::move(socket)) {}
  std::string socket_;
  pid_t pid_ = -1;
};

// Load, and main() to its end, with the cell from where `daemon` says.
Result<double> launch(const std::filesystem::path& image, const std::string& daemon) {
  ::setenv("COFFER_DAEMON", daemon.c_str(), 1);
  const auto start = Clock::now();
  auto enclave = Enclave::load(image);
  if (!enclave) return std::unexpected(enclave.error());
  auto status = enclave->run({.arguments = {"touch-heap"}});
  const double took = std::chrono::duration<double, std::nano>(Clock::now() - start).count();
  if (!status) return std::unexpected(status.error());
  if (status->code != 0 || status->signal != 0) return fail(ErrorKind::kSystem, "the launched program failed");
  return took;
}

Result<std::vector<Row>> warm_launch(Bench& bench) {
  // A little more than what is touched: the program's own pages and the C library's.
  const auto image = make_image(bench.workshop(), {.name = "warm", .heap = kHeap + (kHeap >> 3)});
  if (!image) return std::unexpected(image.error());
  auto daemon = Daemon::start(bench.workshop().folder());
  if (!daemon) return std::unexpected(daemon.error());
  const auto best = sample_by_turns(
      bench.budget(5, 4), [&] { return launch(image->path, (*daemon)->socket()); },
      [&] { return launch(image->path, "none"); });
  ::unsetenv("COFFER_DAEMON");
  if (!best) return std::unexpected(best.error());
  return std::vector{compare_cost("launch with the daemon, 64 MB touched", "ms", best->ours / kMillisecond,
                                  "without the daemon", best->theirs / kMillisecond, kReach)};
}

}  // namespace

std::vector<Item> daemon_items() { return {{"launch with the daemon, 64 MB touched", warm_launch}}; }

}  // namespace coffer::bench
