#include "host/operate/status.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace coffer::operate {

namespace {

using nlohmann::ordered_json;

struct CounterField {
  const char* name;  // in JSON; in Prometheus coffer_<name>_total
  const char* help;
  std::uint64_t Counters::* value;
};
constexpr CounterField kCounterFields[] = {
    {"ecalls", "Calls into the enclave.", &Counters::ecalls},
    {"ocalls", "Requests of the enclave that the host program served.", &Counters::ocalls},
    {"entries", "EENTER and ERESUME.", &Counters::entries},
    {"aex_exceptions", "Asynchronous exits because of a fault or a trapped system call.", &Counters::exceptions},
    {"aex_interrupts", "Asynchronous exits for no reason of the enclave's.", &Counters::interrupts},
    {"system_calls", "System calls of the program, served inside.", &Counters::system_calls},
    {"system_calls_trapped", "System calls that took the trap instead of a patched site.",
     &Counters::trapped_system_calls},
};

struct EpcField {
  const char* name;
  const char* help;
  bool grows;
  std::uint64_t boundary::EpcCounters::* value;
};
constexpr EpcField kEpcFields[] = {
    {"total_pages", "Pages of protected memory that the enclave may hold.", false, &boundary::EpcCounters::total_pages},
    {"used_pages", "Pages of protected memory that it holds.", false, &boundary::EpcCounters::used_pages},
    {"added_later_pages", "Pages added after the start (EAUG).", true, &boundary::EpcCounters::added_later_pages},
    {"outside_pages", "Pages that are written out, encrypted.", false, &boundary::EpcCounters::outside_pages},
    {"evictions", "Pages written out (EWB).", true, &boundary::EpcCounters::evictions},
    {"reloads", "Pages read back (ELDU, ELDB).", true, &boundary::EpcCounters::reloads},
};

ordered_json json_of(const EnclaveStatus& e) {
  ordered_json json = {{"id", e.id},
                       {"name", e.name},
                       {"image", e.image},
                       {"mrenclave", e.mrenclave},
                       {"mrsigner", e.mrsigner},
                       {"rung", e.rung},
                       {"debug", e.debug},
                       {"detached", e.detached},
                       {"carrier_pid", e.carrier_pid},
                       {"started_ms", e.started_ms},
                       {"threads", e.threads},
                       {"max_threads", e.max_threads}};
  ordered_json& counters = json["counters"];
  for (const CounterField& field : kCounterFields) counters[field.name] = e.counters.*field.value;
  counters["patched_share"] = e.counters.patched_share();
  ordered_json& epc = json["epc"];
  for (const EpcField& field : kEpcFields) epc[field.name] = e.epc.*field.value;
  return json;
}

EnclaveStatus enclave_of(const nlohmann::json& json) {
  // Another process wrote it, and a terminal or a label will show it.
  constexpr std::size_t kLongest = 4096;
  const auto text = [&](const char* key) { return one_line(json.at(key).get<std::string>(), kLongest); };
  EnclaveStatus e;
  e.id = text("id");
  e.name = text("name");
  e.image = text("image");
  e.mrenclave = text("mrenclave");
  e.mrsigner = text("mrsigner");
  e.rung = text("rung");
  e.debug = json.at("debug").get<bool>();
  e.detached = json.at("detached").get<bool>();
  e.carrier_pid = json.at("carrier_pid").get<int>();
  e.started_ms = json.at("started_ms").get<std::int64_t>();
  e.threads = json.at("threads").get<std::uint32_t>();
  e.max_threads = json.at("max_threads").get<std::uint32_t>();
  const nlohmann::json& counters = json.at("counters");
  for (const CounterField& field : kCounterFields)
    e.counters.*field.value = counters.value(field.name, std::uint64_t{0});
  const nlohmann::json& epc = json.at("epc");
  for (const EpcField& field : kEpcFields) e.epc.*field.value = epc.value(field.name, std::uint64_t{0});
  return e;
}

std::string escaped_label(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '\\' || c == '"') result += '\\';
    result += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return result;
}

class Exposition {
 public:
  void family(const std::string& name, const char* help, const char* type) {
    text_ += "# HELP " + name + " " + help + "\n# TYPE " + name + " " + type + "\n";
  }
  void sample(const std::string& name, const EnclaveStatus& e, std::uint64_t value) {
    text_ += name + "{enclave=\"" + e.id + "\",name=\"" + escaped_label(e.name) + "\"} " + std::to_string(value) + "\n";
  }
  void plain(const std::string& name, std::uint64_t value) { text_ += name + " " + std::to_string(value) + "\n"; }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

std::uint64_t difference(std::uint64_t now, std::uint64_t before) { return now > before ? now - before : 0; }

}  // namespace

double Counters::patched_share() const {
  // The two counts come from two sides and at two moments.
  if (system_calls == 0) return trapped_system_calls == 0 ? 1 : 0;
  return static_cast<double>(difference(system_calls, trapped_system_calls)) / static_cast<double>(system_calls);
}

Counters Counters::since(const Counters& before) const {
  Counters result;
  for (const CounterField& field : kCounterFields) {
    result.*field.value = difference(this->*field.value, before.*field.value);
  }
  return result;
}

Counters& Counters::operator+=(const Counters& other) {
  for (const CounterField& field : kCounterFields) this->*field.value += other.*field.value;
  return *this;
}

std::string enclave_json(const EnclaveStatus& enclave) { return json_of(enclave).dump(); }

std::string to_json(const ProcessStatus& process) {
  ordered_json json = {{"version", 1}, {"pid", process.pid}, {"command", process.command}};
  json["enclaves"] = ordered_json::array();
  for (const EnclaveStatus& enclave : process.enclaves) json["enclaves"].push_back(json_of(enclave));
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

Result<ProcessStatus> parse_status(std::string_view text) {
  try {
    const auto json = nlohmann::json::parse(text);
    ProcessStatus process;
    process.pid = json.at("pid").get<int>();
    process.command = json.at("command").get<bool>();
    for (const auto& one : json.at("enclaves")) process.enclaves.push_back(enclave_of(one));
    return process;
  } catch (const nlohmann::json::exception& error) {
    return input_error(std::string("a host process answers what is no status: ") + error.what());
  }
}

std::string to_prometheus(const ProcessStatus& process) {
  Exposition text;
  text.family("coffer_enclaves", "Enclaves of this process.", "gauge");
  text.plain("coffer_enclaves", process.enclaves.size());
  const auto gauge = [&](const char* name, const char* help, auto value_of) {
    text.family(name, help, "gauge");
    for (const EnclaveStatus& e : process.enclaves) text.sample(name, e, value_of(e));
  };
  gauge("coffer_start_time_seconds", "When the enclave started, since 1970.",
        [](const EnclaveStatus& e) { return static_cast<std::uint64_t>(e.started_ms / 1000); });
  gauge("coffer_threads", "Threads of the program.", [](const EnclaveStatus& e) { return std::uint64_t{e.threads}; });
  gauge("coffer_threads_max", "Threads that the image has room for.",
        [](const EnclaveStatus& e) { return std::uint64_t{e.max_threads}; });
  for (const CounterField& field : kCounterFields) {
    const std::string name = std::string("coffer_") + field.name + "_total";
    text.family(name, field.help, "counter");
    for (const EnclaveStatus& e : process.enclaves) text.sample(name, e, e.counters.*field.value);
  }
  for (const EpcField& field : kEpcFields) {
    const std::string name = std::string("coffer_epc_") + field.name + (field.grows ? "_total" : "");
    text.family(name, field.help, field.grows ? "counter" : "gauge");
    for (const EnclaveStatus& e : process.enclaves) text.sample(name, e, e.epc.*field.value);
  }
  return text.take();
}

}  // namespace coffer::operate
