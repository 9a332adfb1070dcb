// The same web server inside and outside, both under wrk: one connection after the other asks again and again for 1
// KiB.
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <thread>

#include "bench/items.h"

namespace coffer::bench {

namespace {

constexpr double kReach = 0.35;
constexpr int kPortInside = 18471, kPortOutside = 18472;
constexpr const char* kProgram = "bench-web";
constexpr const char* kHow = "epoll";

// Nanoseconds for one request; wrk's second is spent on the other CPU where there is one.
Result<double> load_with_wrk(int port) {
  const std::string command =
      "wrk -t1 -c16 -d1s http://127.0.0.1:" + std::to_string(port) + "/ 2>/dev/null | grep -E 'Requests/sec|errors'";
  std::FILE* output = ::popen(command.c_str(), "r");
  if (output == nullptr) return system_error("cannot run wrk", errno);
  std::array<char, 256> line{};
  double rate = 0;
  bool errors = false;
  while (std::fgets(line.data(), line.size(), output) != nullptr) {
    constexpr std::string_view kRate = "Requests/sec:";
    if (std::string_view(line.data()).starts_with(kRate)) {
      rate = std::strtod(line.data() + kRate.size(), nullptr);
    } else {
      errors = true;
    }
  }
  ::pclose(output);
  if (rate <= 0) return fail(ErrorKind::kSystem, "wrk gave no rate: is the package wrk installed?");
  if (errors) return fail(ErrorKind::kSystem, "wrk met errors");
  return 1e9 / rate;
}

// Until the server answers, or for ten seconds.
Result<void> await_server(int port) {
  const std::string command = "curl -s -o /dev/null --max-time 1 http://127.0.0.1:" + std::to_string(port) + "/";
  for (int i = 0; i < 100; ++i) {
    if (std::system(command.c_str()) == 0) return {};
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return fail(ErrorKind::kSystem, "the web server does not answer at port " + std::to_string(port));
}

class Outside {
 public:
  Outside() {
    std::string program = program_beside(kProgram).string();
    std::string how = kHow;
    std::string port = std::to_string(kPortOutside);
    std::array<char*, 4> arguments = {program.data(), how.data(), port.data(), nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", 1 /* O_WRONLY */, 0);
    if (::posix_spawn(&process_, program.c_str(), &actions, nullptr, arguments.data(), environ) != 0) process_ = 0;
    posix_spawn_file_actions_destroy(&actions);
  }
  ~Outside() {
    if (process_ == 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  Outside(const Outside&) = delete;
  Outside& operator=(const Outside&) = delete;

 private:
  pid_t process_ = 0;
};

Result<std::vector<Row>> web_server(Bench& bench) {
  if (bench.late()) return std::vector<Row>{};
  auto image = make_image(
      bench.workshop(), {.name = "web", .program = kProgram, .bind = {"tcp:127.0.0.1:" + std::to_string(kPortInside)}});
  if (!image) return std::unexpected(image.error());
  auto loaded = load(image->path);
  if (!loaded) return std::unexpected(loaded.error());
  RunOptions options{.arguments = {kHow, std::to_string(kPortInside)}};
  options.standard_output = 2;
  if (auto started = loaded->enclave.start(options); !started) return std::unexpected(started.error());
  const Outside outside;
  for (const int port : {kPortInside, kPortOutside}) {
    if (auto there = await_server(port); !there) return std::unexpected(there.error());
  }
  const auto best = sample_by_turns(
      bench.budget(12), [] { return load_with_wrk(kPortInside); }, [] { return load_with_wrk(kPortOutside); });
  if (!best) return std::unexpected(best.error());
  return std::vector{compare_speed("web server, 1 KiB answers, keep-alive", "us a request", best->ours / 1e3,
                                   best->theirs / 1e3, kReach)};
}

}  // namespace

std::vector<Item> network_items() { return {{"web server", web_server}}; }

}  // namespace coffer::bench
