// coffer stop: ends a running enclave, first by asking.
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "cli/verbs.h"
#include "host/operate/client.h"
#include "host/operate/detached.h"

namespace coffer::cli {
namespace {

struct Options {
  std::vector<std::string> enclaves;
  int seconds = 10;
};

bool is_listed(const std::string& id) {
  const auto processes = operate::list_running();
  return processes && operate::find_running(*processes, id).has_value();
}

// A process that is `coffer run`: SIGTERM, and SIGKILL where that was not enough.
Result<void> end_command(const operate::Running& running, int seconds) {
  const pid_t pid = running.process->status.pid;
  const FileDescriptor process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  // Between the answer on its socket and here the process may have ended, and another one have its number.
  if (!process || !is_listed(running.enclave->id)) return {};
  const auto send = [&process](int signal) {
    return ::syscall(SYS_pidfd_send_signal, process.get(), signal, nullptr, 0) == 0 || errno == ESRCH;
  };
  const auto ended = [&process](int milliseconds) {
    pollfd event{process.get(), POLLIN, 0};
    return ::poll(&event, 1, milliseconds) > 0;
  };
  if (!send(SIGTERM)) return system_error("cannot signal process " + std::to_string(pid), errno);
  constexpr int kLastWait = 5000;
  if (!ended(seconds * 1000) && (!send(SIGKILL) || !ended(kLastWait))) {
    return fail(ErrorKind::kSystem, "process " + std::to_string(pid) + " does not end");
  }
  if (running.enclave->detached) {  // until its keeper has written down how it ended
    if (const auto run = operate::find_detached(running.enclave->id)) {
      [[maybe_unused]] const auto over = operate::wait_for_end(*run, kLastWait);
    }
  }
  return {};
}

// A program of somebody's that has loaded an enclave: that ends, the program goes on.
Result<void> end_enclave(const operate::Running& running, int seconds) {
  if (auto asked = operate::ask_to_stop(*running.process, running.enclave->id); !asked) return asked;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  constexpr std::chrono::milliseconds kPause{50};
  while (is_listed(running.enclave->id)) {
    if (std::chrono::steady_clock::now() > end) return {};  // destroyed; its program has not looked yet
    std::this_thread::sleep_for(kPause);
  }
  return {};
}

int stop(const Options& options) {
  int status = 0;
  for (const std::string& wanted : options.enclaves) {
    const auto processes = operate::list_running();
    if (!processes) return report(processes.error());
    const auto running = operate::find_running(*processes, wanted);
    Result<void> ended = {};
    if (!running) {
      ended = std::unexpected(running.error());
    } else {
      ended = running->process->status.command ? end_command(*running, options.seconds)
                                               : end_enclave(*running, options.seconds);
    }
    if (ended) {
      std::puts(running->enclave->id.c_str());
    } else {
      status = report(ended.error());
    }
  }
  return status;
}

}  // namespace

void add_stop(CLI::App& app, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("stop", "End a running enclave");
  verb->footer(
      "Examples:\n  coffer stop web\n  coffer stop --time 60 3f9c2a\n  coffer stop $(coffer ps --quiet)\n\n"
      "An enclave that `coffer run` started gets SIGTERM, and is killed where it has not ended in time. In another\n"
      "program the enclave alone is destroyed. Prints the ids of those that have ended.");
  verb->add_option("ID", options->enclaves, "Ids, their beginnings, or names, as `coffer ps` shows them")->required();
  verb->add_option("--time,-t", options->seconds, "Seconds to wait before it is killed (10)")
      ->check(CLI::Range(0, 86400).description(""))
      ->type_name("SECONDS");
  verb->callback([options, &status] { status = stop(*options); });
}

}  // namespace coffer::cli
