#include "cli/top_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "cli/operating.h"

namespace coffer::cli {

namespace {

constexpr std::size_t kHistory = 240;

using operate::Counters;
using operate::EnclaveStatus;

const EnclaveStatus* find(const Look& look, const std::string& id) {
  for (const operate::ProcessStatus& process : look.processes) {
    for (const EnclaveStatus& enclave : process.enclaves) {
      if (enclave.id == id) return &enclave;
    }
  }
  return nullptr;
}

double growth(std::uint64_t now, std::uint64_t before) { return now > before ? static_cast<double>(now - before) : 0; }

TopRow row_of(int pid, const EnclaveStatus& now, const EnclaveStatus* before, double seconds) {
  static const EnclaveStatus kNothing;
  const EnclaveStatus& old = before != nullptr ? *before : kNothing;
  const Counters change = now.counters.since(old.counters);
  TopRow row{.pid = pid, .status = now, .rates = {}, .patched_share = change.patched_share()};
  if (change.system_calls == 0) row.patched_share = now.counters.patched_share();
  if (seconds <= 0) return row;
  const auto rate = [seconds](double count) { return count / seconds; };
  row.rates = {.ecalls = rate(static_cast<double>(change.ecalls)),
               .ocalls = rate(static_cast<double>(change.ocalls)),
               .aex = rate(static_cast<double>(change.aex())),
               .system_calls = rate(static_cast<double>(change.system_calls)),
               .trapped = rate(static_cast<double>(change.trapped_system_calls)),
               .evictions = rate(growth(now.epc.evictions, old.epc.evictions)),
               .reloads = rate(growth(now.epc.reloads, old.epc.reloads))};
  return row;
}

// At most `width` columns of `text`, which is ASCII but for graphs.
std::string cut(std::string text, std::size_t width) {
  if (text.size() > width) text.resize(width);
  return text;
}

void remember(std::deque<double>& history, double value) {
  history.push_back(value);
  if (history.size() > kHistory) history.pop_front();
}

}  // namespace

std::vector<TopRow> rows_between(const Look& before, const Look& now) {
  std::vector<TopRow> rows;
  const double between = static_cast<double>(now.ms - before.ms) / 1000;
  for (const operate::ProcessStatus& process : now.processes) {
    for (const EnclaveStatus& enclave : process.enclaves) {
      rows.push_back(row_of(process.pid, enclave, find(before, enclave.id), between));
    }
  }
  // Those that do the same stay in one order from look to look.
  std::ranges::sort(rows, {}, [](const TopRow& row) { return std::pair(-row.rates.system_calls, row.status.id); });
  return rows;
}

std::string rate_text(double per_second) {
  constexpr std::array kUnits = {"", "k", "M", "G"};
  std::size_t unit = 0;
  for (; per_second >= 1000 && unit + 1 < kUnits.size(); ++unit) per_second /= 1000;
  return fmt::format("{:.{}f}{}", per_second, unit == 0 || per_second >= 100 ? 0 : 1, kUnits[unit]);
}

std::string graph(const std::deque<double>& values, std::size_t width) {
  constexpr std::array kBars = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  const std::size_t shown = std::min(width, values.size());
  const auto begin = values.end() - static_cast<std::ptrdiff_t>(shown);
  const double most = shown == 0 ? 0 : *std::max_element(begin, values.end());
  std::string line(width - shown, ' ');
  for (auto value = begin; value != values.end(); ++value) {
    const double part = most > 0 ? *value / most : 0;
    // What is not zero is seen.
    const auto bar = static_cast<std::size_t>(std::ceil(part * (kBars.size() - 1)));
    line += kBars[std::min(bar, kBars.size() - 1)];
  }
  return line;
}

void TopModel::add(Look look) {
  const bool first = last_.ms == 0;
  rows_ = rows_between(first ? look : last_, look);
  last_ = std::move(look);
  if (first) return;  // nothing to compare with yet
  double system_calls = 0;
  double crossings = 0;
  for (const TopRow& row : rows_) {
    system_calls += row.rates.system_calls;
    crossings += row.rates.ecalls + row.rates.ocalls + row.rates.aex;
  }
  remember(system_calls_, system_calls);
  remember(crossings_, crossings);
}

std::vector<std::string> TopModel::screen(std::size_t width, std::size_t height) const {
  constexpr std::size_t kLabel = 34;
  std::uint64_t used = 0;
  std::uint64_t outside = 0;
  std::uint32_t threads = 0;
  for (const TopRow& row : rows_) {
    used += row.status.epc.used_pages;
    outside += row.status.epc.outside_pages;
    threads += row.status.threads;
  }
  const auto newest = [](const std::deque<double>& history) { return history.empty() ? 0 : history.back(); };
  const std::size_t room = width > kLabel + 4 ? std::min<std::size_t>(width - kLabel - 1, 120) : 0;
  std::vector<std::string> lines;
  lines.push_back(cut(fmt::format("coffer top   {} enclaves, {} threads, {} protected, {} written out   (q quits)",
                                  rows_.size(), threads, size_text(used * 4096), size_text(outside * 4096)),
                      width));
  for (const auto& [label, history] :
       {std::pair("system calls inside", &system_calls_), std::pair("crossings (calls, AEX)", &crossings_)}) {
    const std::string text = fmt::format("{:<23}{:>8}/s ", label, rate_text(newest(*history)));
    lines.push_back(room == 0 ? cut(text, width) : text + graph(*history, room));
  }
  lines.emplace_back();
  // What matters most fits into 80 columns.
  constexpr const char* kFormat = "{:<13}{:<12}{:>8}{:>8}{:>7}{:>7}{:>7}{:>9}{:>9}{:>8}{:>8}";
  lines.push_back(cut(fmt::format(kFormat, "ID", "NAME", "THREADS", "MEMORY", "ECALLS", "OCALLS", "AEX", "SYSCALLS",
                                  "PATCHED", "PAGING", "PID"),
                      width));
  for (const TopRow& row : rows_) {
    if (lines.size() + 1 >= height) break;
    lines.push_back(cut(fmt::format(kFormat, row.status.id, cut(row.status.name, 11),
                                    fmt::format("{}/{}", row.status.threads, row.status.max_threads),
                                    size_text(row.status.epc.used_pages * 4096), rate_text(row.rates.ecalls),
                                    rate_text(row.rates.ocalls), rate_text(row.rates.aex),
                                    rate_text(row.rates.system_calls), fmt::format("{:.2f}%", row.patched_share * 100),
                                    rate_text(row.rates.evictions + row.rates.reloads), row.pid),
                        width));
  }
  if (rows_.empty()) lines.emplace_back("no enclave of yours is running");
  if (lines.size() > height) lines.resize(height);
  return lines;
}

}  // namespace coffer::cli
