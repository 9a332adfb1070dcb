#include "host/operate/crash_report.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/hex.h"
#include "host/operate/places.h"

namespace coffer::operate {

namespace {

using boundary::CrashRegister;
using nlohmann::ordered_json;

// In DWARF's order, as CrashRecord has them.
constexpr const char* kRegisterNames[boundary::kCrashRegisters] = {"rax", "rdx", "rcx", "rbx", "rsi", "rdi",
                                                                   "rbp", "rsp", "r8",  "r9",  "r10", "r11",
                                                                   "r12", "r13", "r14", "r15", "rip"};
constexpr const char* kFormat = "coffer crash report";

std::string hex_number(std::uint64_t value) {
  std::array<char, 20> text{'0', 'x'};
  const auto end = std::to_chars(text.data() + 2, text.data() + text.size(), value, 16).ptr;
  return {text.data(), end};
}

std::uint64_t number_of(const nlohmann::json& json) {
  const auto text = json.get<std::string>();
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  if (!text.starts_with("0x") || std::from_chars(text.data() + 2, end, value, 16).ptr != end) {
    throw nlohmann::json::other_error::create(500, "not an address: " + text, &json);
  }
  return value;
}

std::uint64_t reg(const boundary::CrashRecord& record, CrashRegister name) {
  return record.registers[static_cast<std::uint32_t>(name)];
}

ordered_json json_of(const CrashReport::Machine& machine) {
  const boundary::CrashRecord& record = machine.record;
  ordered_json json = {{"base", hex_number(record.base)},
                       {"thread", record.thread},
                       {"vector", record.vector},
                       {"error_code", record.error_code}};
  for (std::size_t i = 0; i < boundary::kCrashRegisters; ++i) {
    json["registers"][kRegisterNames[i]] = hex_number(record.registers[i]);
  }
  json["registers"]["rflags"] = hex_number(record.rflags);
  json["backtrace"] = ordered_json::array();
  for (const std::uint64_t address : frame_pointer_chain(machine)) {
    json["backtrace"].push_back(hex_number(address - record.base));
  }
  json["stack_begin"] = hex_number(record.stack_begin);
  json["stack"] = to_hex(machine.stack);
  return json;
}

CrashReport::Machine machine_of(const nlohmann::json& json) {
  CrashReport::Machine machine;
  boundary::CrashRecord& record = machine.record;
  record.magic = boundary::kCrashMagic;
  record.base = number_of(json.at("base"));
  record.thread = json.at("thread").get<std::uint32_t>();
  record.vector = json.at("vector").get<std::uint32_t>();
  record.error_code = json.at("error_code").get<std::uint32_t>();
  for (std::size_t i = 0; i < boundary::kCrashRegisters; ++i) {
    record.registers[i] = number_of(json.at("registers").at(kRegisterNames[i]));
  }
  record.rflags = number_of(json.at("registers").at("rflags"));
  record.stack_begin = number_of(json.at("stack_begin"));
  if (auto stack = from_hex(json.at("stack").get<std::string>())) machine.stack = std::move(*stack);
  record.stack_size = static_cast<std::uint32_t>(machine.stack.size());
  return machine;
}

void remove_oldest(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> reports;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".json") reports.push_back(entry.path());
  }
  std::ranges::sort(reports);  // their names begin with the time
  for (std::size_t i = 0; i + kCrashReportsKept < reports.size(); ++i) std::filesystem::remove(reports[i], error);
}

}  // namespace

std::optional<CrashReport::Machine> read_record(const boundary::CrashRecord& record, ByteView stack) {
  if (record.magic != boundary::kCrashMagic) return std::nullopt;
  const std::size_t size = std::min<std::size_t>({record.stack_size, boundary::kCrashStack, stack.size()});
  CrashReport::Machine machine{.record = record, .stack = {stack.begin(), stack.begin() + size}};
  machine.record.stack_size = static_cast<std::uint32_t>(size);
  return machine;
}

std::vector<std::uint64_t> frame_pointer_chain(const CrashReport::Machine& machine) {
  constexpr std::size_t kMostFrames = 256;
  const boundary::CrashRecord& record = machine.record;
  const auto word = [&machine, &record](std::uint64_t address) -> std::optional<std::uint64_t> {
    std::uint64_t value = 0;
    if (address < record.stack_begin ||
        !range_fits(address - record.stack_begin, sizeof(value), machine.stack.size())) {
      return std::nullopt;
    }
    std::memcpy(&value, machine.stack.data() + (address - record.stack_begin), sizeof(value));
    return value;
  };
  std::vector<std::uint64_t> chain = {reg(record, CrashRegister::kRip)};
  std::uint64_t frame = reg(record, CrashRegister::kRbp);
  while (chain.size() < kMostFrames) {
    const auto next = word(frame);
    const auto back = word(frame + sizeof(std::uint64_t));
    if (!next || !back || *back == 0) break;
    chain.push_back(*back);
    if (*next <= frame) break;  // the chain only goes up the stack
    frame = *next;
  }
  return chain;
}

std::string to_json(const CrashReport& report) {
  const char* signal = ::sigabbrev_np(report.signal);
  ordered_json json = {{"format", kFormat},
                       {"version", 1},
                       {"time", iso_time(report.time_ms)},
                       {"time_ms", report.time_ms},
                       {"id", report.id},
                       {"name", report.name},
                       {"image", report.image},
                       {"mrenclave", report.mrenclave},
                       {"mrsigner", report.mrsigner},
                       {"debug", report.debug},
                       {"signal", report.signal},
                       {"signal_name", signal != nullptr ? std::string("SIG") + signal : "?"},
                       {"granularity", report.granularity},
                       {"address", hex_number(report.address)},
                       {"fault_address", hex_number(report.fault_address)},
                       {"program_base", hex_number(report.program_base)},
                       {"program_size", hex_number(report.program_size)}};
  if (report.machine) json["machine"] = json_of(*report.machine);
  return json.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

Result<CrashReport> parse_crash_report(std::string_view text) {
  try {
    const auto json = nlohmann::json::parse(text);
    if (json.at("format").get<std::string>() != kFormat) return input_error("it is no crash report of Coffer");
    CrashReport report;
    report.time_ms = json.at("time_ms").get<std::int64_t>();
    report.id = json.at("id").get<std::string>();
    report.name = json.at("name").get<std::string>();
    report.image = json.at("image").get<std::string>();
    report.mrenclave = json.at("mrenclave").get<std::string>();
    report.mrsigner = json.at("mrsigner").get<std::string>();
    report.debug = json.at("debug").get<bool>();
    report.signal = json.at("signal").get<int>();
    report.granularity = json.at("granularity").get<std::uint64_t>();
    report.address = number_of(json.at("address"));
    report.fault_address = number_of(json.at("fault_address"));
    report.program_base = number_of(json.at("program_base"));
    report.program_size = number_of(json.at("program_size"));
    if (json.contains("machine")) report.machine = machine_of(json.at("machine"));
    return report;
  } catch (const nlohmann::json::exception& error) {
    return input_error(std::string("it is no crash report of Coffer: ") + error.what());
  }
}

Result<std::string> keep(const CrashReport& report) {
  auto folder = crash_folder();
  if (!folder) return std::unexpected(folder.error());
  std::string name = iso_time(report.time_ms) + "-" + report.id + ".json";
  std::ranges::replace(name, ':', '.');
  const std::filesystem::path path = *folder / name;
  const std::string text = to_json(report);
  if (auto written = write_file_atomically(path, std::as_bytes(std::span(text)), 0600); !written) {
    return std::unexpected(written.error());
  }
  remove_oldest(*folder);
  return path.string();
}

}  // namespace coffer::operate
