// coffer ps: which enclaves of this user run, and which detached runs have ended.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/operating.h"
#include "cli/verbs.h"
#include "host/operate/client.h"
#include "host/operate/detached.h"
#include "host/operate/places.h"

namespace coffer::cli {
namespace {

struct Options {
  bool all = false, json = false, quiet = false;
};

struct Row {
  std::string id, name, state, rung, pid, threads, memory, age, image;
};

using operate::DetachedRun;
using operate::RunningProcess;

std::string short_image(const std::string& path) { return std::filesystem::path(path).filename().string(); }

std::vector<Row> running_rows(const std::vector<RunningProcess>& processes) {
  std::vector<Row> rows;
  for (const RunningProcess& process : processes) {
    const std::string pid = std::to_string(process.status.pid);
    if (!process.answering) rows.push_back({"-", "-", "not answering", "-", pid, "-", "-", "-", "-"});
    for (const operate::EnclaveStatus& e : process.status.enclaves) {
      rows.push_back({e.id, e.name, e.debug ? "running, DEBUG" : "running", e.rung, pid,
                      fmt::format("{}/{}", e.threads, e.max_threads), size_text(e.epc.used_pages * 4096),
                      age_text(operate::now_ms() - e.started_ms), short_image(e.image)});
    }
  }
  return rows;
}

std::vector<Row> ended_rows(const std::vector<DetachedRun>& runs) {
  std::vector<Row> rows;
  for (const DetachedRun& run : runs) {
    rows.push_back({run.id, run.name, end_text(run), "-", "-", "-", "-",
                    run.ended_ms == 0 ? "-" : age_text(operate::now_ms() - run.ended_ms) + " ago",
                    short_image(run.image)});
  }
  return rows;
}

void print_rows(const std::vector<Row>& rows) {
  constexpr const char* kFormat = "{:<13} {:<16} {:<16} {:<8} {:>7} {:>8} {:>8} {:>10}  {}\n";
  fmt::print(kFormat, "ID", "NAME", "STATE", "RUNG", "PID", "THREADS", "MEMORY", "SINCE", "IMAGE");
  for (const Row& r : rows) {
    fmt::print(kFormat, r.id, r.name, r.state, r.rung, r.pid, r.threads, r.memory, r.age, r.image);
  }
}

void print_json(const std::vector<RunningProcess>& processes, const std::vector<DetachedRun>& ended) {
  auto list = nlohmann::ordered_json::array();
  for (const RunningProcess& process : processes) {
    if (!process.answering) list.push_back({{"state", "not answering"}, {"pid", process.status.pid}});
    for (const operate::EnclaveStatus& enclave : process.status.enclaves) {
      auto one = nlohmann::ordered_json::parse(operate::enclave_json(enclave));
      one["state"] = "running";
      one["pid"] = process.status.pid;
      one["socket"] = process.socket;
      list.push_back(std::move(one));
    }
  }
  for (const DetachedRun& run : ended) list.push_back(nlohmann::ordered_json::parse(detached_json(run)));
  std::puts(list.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
}

void print_ids(const std::vector<RunningProcess>& processes, const std::vector<DetachedRun>& ended) {
  for (const RunningProcess& process : processes) {
    for (const operate::EnclaveStatus& enclave : process.status.enclaves) std::puts(enclave.id.c_str());
  }
  for (const DetachedRun& run : ended) std::puts(run.id.c_str());
}

int list(const Options& options) {
  auto processes = operate::list_running();
  if (!processes) return report(processes.error());
  std::vector<DetachedRun> ended;
  if (options.all) {
    auto runs = operate::list_detached();
    if (!runs) return report(runs.error());
    ended = std::move(*runs);
    std::erase_if(ended, [](const DetachedRun& run) { return run.state == DetachedRun::State::kRunning; });
  }
  if (options.json) {
    print_json(*processes, ended);
  } else if (options.quiet) {
    print_ids(*processes, ended);
  } else {
    auto rows = running_rows(*processes);
    for (Row& row : ended_rows(ended)) rows.push_back(std::move(row));
    print_rows(rows);
  }
  return 0;
}

}  // namespace

void add_ps(CLI::App& app, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("ps", "List the enclaves that run");
  verb->footer(
      "Examples:\n  coffer ps\n  coffer ps --all                 with the detached runs that have ended\n"
      "  coffer ps --json                all there is to know, and each process's socket\n"
      "  curl --unix-socket \"$(coffer ps --json | jq -r '.[0].socket')\" http://coffer/metrics\n\n"
      "Every enclave of this user is listed, whichever program loaded it. A process that was killed leaves at the "
      "next\n"
      "look. MEMORY is the protected memory that the enclave holds.");
  verb->add_flag("--all,-a", options->all, "Also detached runs that have ended, and how they ended");
  verb->add_flag("--json", options->json, "Print JSON for machines");
  verb->add_flag("--quiet,-q", options->quiet, "Print ids alone");
  verb->callback([options, &status] { status = list(*options); });
}

}  // namespace coffer::cli
