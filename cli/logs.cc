// coffer logs, coffer wait: what a detached run said, and how it ended.
#include <fmt/format.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <memory>
#include <string>

#include "base/file.h"
#include "cli/operating.h"
#include "cli/verbs.h"
#include "host/operate/client.h"
#include "host/operate/detached.h"
#include "host/operate/log_file.h"
#include "host/operate/places.h"

namespace coffer::cli {
namespace {

struct Options {
  std::string run;
  bool follow = false, times = false, json = false;
};

using operate::DetachedRun;

void print_line(const operate::LogLine& line, bool times) {
  std::FILE* out = line.stream == 'e' ? stderr : stdout;
  if (times) std::fprintf(out, "%s ", operate::iso_time(line.ms).c_str());
  std::fwrite(line.text.data(), 1, line.text.size(), out);
  std::fputc('\n', out);
}

// Until something in the folder changes, or a moment has passed.
void wait_for_change(int watch) {
  constexpr int kLongest = 1000;
  pollfd event{watch, POLLIN, 0};
  if (::poll(&event, 1, kLongest) <= 0) return;
  std::array<char, 4096> ignored{};
  [[maybe_unused]] const ssize_t size = ::read(watch, ignored.data(), ignored.size());
}

// A run by its id or name. Where that is an enclave that runs, but not detached, the error says so.
Result<DetachedRun> find_run(const std::string& wanted) {
  auto run = operate::find_detached(wanted);
  if (run && run->state == DetachedRun::State::kRunning) return run;
  const auto processes = operate::list_running();
  if (!processes) return run;
  const auto running = operate::find_running(*processes, wanted);
  // An ended run of the same name is not what is meant while another runs.
  if (!running || running->enclave->detached) return run;
  return input_error(fmt::format(
      "{} runs in the foreground of process {}: its output is where that was started and is not kept, and its exit "
      "status is that process's; `coffer run --detach` keeps both",
      wanted, running->process->status.pid));
}

int print_log(const Options& options) {
  auto run = find_run(options.run);
  if (!run) return report(run.error());
  operate::LogReader log(run->folder);
  const auto visit = [&options](const operate::LogLine& line) { print_line(line, options.times); };
  const FileDescriptor watch(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  ::inotify_add_watch(watch.get(), run->folder.c_str(), IN_MODIFY | IN_MOVED_TO | IN_CREATE);
  while (true) {
    // First whether it has ended: what it said before is then all there.
    const bool ended = run->state != DetachedRun::State::kRunning;
    log.read(visit);
    std::fflush(stdout);
    if (!options.follow || ended) return 0;
    wait_for_change(watch.get());
    run = operate::wait_for_end(*run, 0);
    if (!run) return report(run.error());
  }
}

int wait_for(const Options& options) {
  auto run = find_run(options.run);
  if (run) run = operate::wait_for_end(*run);
  if (!run) return report(run.error());
  if (options.json) {
    std::puts(detached_json(*run).c_str());
  } else {
    std::puts(end_text(*run).c_str());
  }
  std::fflush(stdout);
  if (run->state == DetachedRun::State::kExited) return run->code;
  constexpr int kSignalled = 128;
  if (run->state == DetachedRun::State::kKilled) return kSignalled + run->signal;
  return report({ErrorKind::kLost, "how " + run->id + " ended is not known: its keeper was killed before"});
}

}  // namespace

void add_logs(CLI::App& app, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("logs", "Print what a detached run has said");
  verb->footer(
      "Examples:\n  coffer run --detach --name web web.enclave && coffer logs --follow web\n"
      "  coffer logs --times 3f9c2a 2>&1 | tail\n\n"
      "Standard output goes to standard output and standard error to standard error. The newest megabyte at least is\n"
      "kept, also for some time after the end (`coffer ps --all`). Runs in the foreground keep no log: their output "
      "is\n"
      "where they were started.");
  verb->add_option("ID", options->run, "The run's id, its beginning, or its name")->required();
  verb->add_flag("--follow,-f", options->follow, "Go on until the run ends");
  verb->add_flag("--times,-t", options->times, "Begin each line with its time");
  verb->callback([options, &status] { status = print_log(*options); });
}

void add_wait(CLI::App& app, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("wait", "Wait until a detached run has ended");
  verb->footer(
      "Example:\n  coffer wait web && echo fine\n\n"
      "The exit status is the program's, or 128 and the signal that it died of.");
  verb->add_option("ID", options->run, "The run's id, its beginning, or its name")->required();
  verb->add_flag("--json", options->json, "Print JSON for machines");
  verb->callback([options, &status] { status = wait_for(*options); });
}

}  // namespace coffer::cli
