// coffer top: what running enclaves do, live.
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "base/file.h"
#include "cli/top_model.h"
#include "cli/verbs.h"
#include "host/operate/client.h"

namespace coffer::cli {
namespace {

struct Options {
  int interval_ms = 1000;
  bool once = false, json = false;
};

Result<Look> look() {
  auto processes = operate::list_running();
  if (!processes) return std::unexpected(processes.error());
  using namespace std::chrono;
  Look now{.ms = duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count(), .processes = {}};
  for (operate::RunningProcess& process : *processes) now.processes.push_back(std::move(process.status));
  return now;
}

// A screen of its own and keys without an end of line, until it is destroyed: the terminal is then as it was.
class Terminal {
 public:
  Terminal() {
    ::tcgetattr(0, &before_);
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    ::tcsetattr(0, TCSANOW, &raw);
    say("\x1b[?1049h\x1b[?25l");
    sigset_t ends;
    sigemptyset(&ends);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH}) sigaddset(&ends, signal);
    ::sigprocmask(SIG_BLOCK, &ends, &signals_before_);
    signals_ = FileDescriptor(::signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK));
  }
  ~Terminal() {
    say("\x1b[?25h\x1b[?1049l");
    ::tcsetattr(0, TCSANOW, &before_);
    ::sigprocmask(SIG_SETMASK, &signals_before_, nullptr);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void show(const TopModel& model) const {
    winsize size{};
    if (::ioctl(1, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) size = {24, 80, 0, 0};
    std::string text = "\x1b[H";
    for (const std::string& line : model.screen(size.ws_col, size.ws_row)) {
      text += (text.size() > 3 ? "\r\n" : "") + line + "\x1b[K";
    }
    say(text + "\x1b[J");
  }

  // False where somebody has asked to end: q, Ctrl-C, a signal, the end of the input. Comes back early where the window
  // has another size.
  [[nodiscard]] bool wait(int milliseconds) const {
    std::array<pollfd, 2> events{{{0, POLLIN, 0}, {signals_.get(), POLLIN, 0}}};
    if (::poll(events.data(), events.size(), milliseconds) <= 0) return true;
    if (events[1].revents != 0) {
      signalfd_siginfo info{};
      return ::read(signals_.get(), &info, sizeof(info)) == sizeof(info) && info.ssi_signo == SIGWINCH;
    }
    char key = 0;
    return ::read(0, &key, 1) == 1 && key != 'q' && key != 'Q';
  }

 private:
  static void say(std::string_view text) {
    while (!text.empty()) {
      const ssize_t written = ::write(1, text.data(), text.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(written));
    }
  }

  termios before_{};
  sigset_t signals_before_{};
  FileDescriptor signals_;
};

int show_live(const Options& options) {
  if (::isatty(0) == 0 || ::isatty(1) == 0) {
    return report({ErrorKind::kInput, "coffer top draws on a terminal; for anything else use `coffer top --once`"});
  }
  TopModel model;
  Result<void> failed = {};
  {
    const Terminal terminal;
    do {
      auto now = look();
      if (!now) {
        failed = std::unexpected(now.error());
        break;
      }
      model.add(std::move(*now));
      terminal.show(model);
    } while (terminal.wait(options.interval_ms));
  }
  return failed ? 0 : report(failed.error());
}

nlohmann::ordered_json json_of(const TopRow& row) {
  auto json = nlohmann::ordered_json::parse(operate::enclave_json(row.status));
  json["pid"] = row.pid;
  json["rates"] = {{"ecalls", row.rates.ecalls},
                   {"ocalls", row.rates.ocalls},
                   {"aex", row.rates.aex},
                   {"system_calls", row.rates.system_calls},
                   {"system_calls_trapped", row.rates.trapped},
                   {"evictions", row.rates.evictions},
                   {"reloads", row.rates.reloads}};
  json["patched_share"] = row.patched_share;
  return json;
}

int show_once(const Options& options) {
  TopModel model;
  for (int i = 0; i < 2; ++i) {
    if (i == 1) std::this_thread::sleep_for(std::chrono::milliseconds(options.interval_ms));
    auto now = look();
    if (!now) return report(now.error());
    model.add(std::move(*now));
  }
  if (!options.json) {
    for (const std::string& line : model.screen(200, 10000)) std::puts(line.c_str());
    return 0;
  }
  auto list = nlohmann::ordered_json::array();
  for (const TopRow& row : model.rows()) list.push_back(json_of(row));
  std::puts(list.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  return 0;
}

}  // namespace

void add_top(CLI::App& app, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("top", "Show what running enclaves do, live");
  verb->footer(
      "Examples:\n  coffer top\n  coffer top --once --json --interval 5000\n\n"
      "Rates are per second since the last look. PAGING counts pages of protected memory written out and read back, "
      "AEX\n"
      "the times that a fault, a trap or an interrupt took a thread out of its enclave, PATCHED the share of the\n"
      "program's system calls that needed no trap. An enclave tells its count of system calls when it leaves anyway.\n"
      "Keys: q quits.");
  verb->add_flag("--once", options->once, "Look twice, print, end");
  verb->add_flag("--json", options->json, "With --once: print JSON for machines");
  verb->add_option("--interval", options->interval_ms, "Milliseconds between two looks (1000)")
      ->check(CLI::Range(50, 3'600'000).description(""))
      ->type_name("MS");
  verb->callback([options, &status] {
    if (options->json && !options->once) {
      status = report({ErrorKind::kInput, "--json goes with --once; see `coffer top --help`"});
    } else {
      status = options->once ? show_once(*options) : show_live(*options);
    }
  });
}

}  // namespace coffer::cli
