#include "node/quoting/tcb.h"

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/hex.h"

namespace coffer::node {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kStatuses[] = {"UpToDate",
                                          "SWHardeningNeeded",
                                          "ConfigurationNeeded",
                                          "ConfigurationAndSWHardeningNeeded",
                                          "OutOfDate",
                                          "OutOfDateConfigurationNeeded",
                                          "Revoked"};

std::string upper_hex(ByteView bytes) {
  std::string text = to_hex(bytes);
  std::transform(text.begin(), text.end(), text.begin(), [](char digit) {
    return digit >= 'a' && digit <= 'f' ? static_cast<char>(digit - 'a' + 'A') : digit;
  });
  return text;
}

Json level_json(const TcbLevel& level) {
  Json components = Json::array();
  for (const std::uint8_t svn : level.components) components.push_back({{"svn", svn}});
  Json json;
  json["tcb"] = {{"sgxtcbcomponents", components}, {"pcesvn", level.pce_svn}};
  json["tcbDate"] = level.date;
  json["tcbStatus"] = level.status;
  if (!level.advisories.empty()) json["advisoryIDs"] = level.advisories;
  return json;
}

// {"name":body,"signature":"..."}: the signature is over the body's own bytes.
Result<std::string> sign_body(std::string_view name, const Json& body, const AuthorityKey& signer) {
  const std::string text = body.dump();
  const auto signature = signer.sign(std::as_bytes(std::span(text)));
  if (!signature) return std::unexpected(signature.error());
  return "{\"" + std::string(name) + "\":" + text + ",\"signature\":\"" + to_hex(bytes_of(*signature)) + "\"}";
}

}  // namespace

bool is_tcb_status(std::string_view text) {
  return std::find(std::begin(kStatuses), std::end(kStatuses), text) != std::end(kStatuses);
}

std::string tcb_statuses() {
  std::string all;
  for (const std::string_view status : kStatuses) all += (all.empty() ? "" : ", ") + std::string(status);
  return all;
}

std::vector<TcbLevel> levels_for(const sgx::Bytes<16>& components, std::uint16_t pce_svn, const std::string& status,
                                 const std::vector<std::string>& advisories, const std::string& date) {
  TcbLevel own{.pce_svn = pce_svn, .date = date, .status = status, .advisories = advisories};
  std::copy(components.begin(), components.end(), own.components.begin());
  if (!status.starts_with("OutOfDate") && status != "Revoked") return {own};
  TcbLevel newer = own;
  if (newer.components[0] == 0xff) return {own};
  ++newer.components[0];
  newer.status = "UpToDate";
  newer.advisories.clear();
  return {newer, own};
}

Result<std::string> make_tcb_info(const TcbSettings& settings, const sgx::Bytes<6>& fmspc, const sgx::Bytes<2>& pce_id,
                                  const Issue& issue, const AuthorityKey& signer) {
  Json body;
  body["id"] = "SGX";
  body["version"] = 3;
  body["issueDate"] = iso8601(issue.issued);
  body["nextUpdate"] = iso8601(issue.next_update);
  body["fmspc"] = upper_hex(bytes_of(fmspc));
  body["pceId"] = upper_hex(bytes_of(pce_id));
  body["tcbType"] = 0;
  body["tcbEvaluationDataNumber"] = settings.evaluation_number;
  body["tcbLevels"] = Json::array();
  for (const TcbLevel& level : settings.levels) body["tcbLevels"].push_back(level_json(level));
  return sign_body("tcbInfo", body, signer);
}

Result<std::string> make_qe_identity(const TcbSettings& settings, const sgx::MrSigner& signer_of_enclave,
                                     std::uint16_t svn, const Issue& issue, const AuthorityKey& signer) {
  Json body;
  body["id"] = "QE";
  body["version"] = 2;
  body["issueDate"] = iso8601(issue.issued);
  body["nextUpdate"] = iso8601(issue.next_update);
  body["tcbEvaluationDataNumber"] = settings.evaluation_number;
  body["miscselect"] = "00000000";
  body["miscselectMask"] = "FFFFFFFE";                      // EXINFO or not: what the kernel learns of its own faults
  body["attributes"] = "01000000000000000000000000000000";  // INIT, not DEBUG
  body["attributesMask"] = "FBFFFFFFFFFFFFFF0000000000000000";  // whatever the mode and the CPU's vector registers
  body["mrsigner"] = upper_hex(bytes_of(signer_of_enclave.bytes));
  body["isvprodid"] = quoting::kQuotingProduct;
  Json level;
  level["tcb"] = {{"isvsvn", svn}};
  level["tcbDate"] = settings.levels.empty() ? iso8601(issue.issued) : settings.levels.back().date;
  level["tcbStatus"] = settings.quoting_status;
  if (!settings.quoting_advisories.empty()) level["advisoryIDs"] = settings.quoting_advisories;
  body["tcbLevels"] = Json::array({level});
  return sign_body("enclaveIdentity", body, signer);
}

Json to_json(const TcbSettings& settings) {
  Json json;
  json["levels"] = Json::array();
  for (const TcbLevel& level : settings.levels) json["levels"].push_back(level_json(level));
  json["quoting_status"] = settings.quoting_status;
  json["quoting_advisories"] = settings.quoting_advisories;
  json["evaluation_number"] = settings.evaluation_number;
  json["issued"] = settings.issued;
  json["next_update"] = settings.next_update;
  return json;
}

namespace {

Result<TcbLevel> level_from_json(const Json& json) {
  TcbLevel level;
  const Json& tcb = json.at("tcb");
  const Json& components = tcb.at("sgxtcbcomponents");
  if (!components.is_array() || components.size() != level.components.size()) {
    return input_error("\"sgxtcbcomponents\" must list 16 of {\"svn\": N}");
  }
  for (std::size_t at = 0; at < level.components.size(); ++at) {
    const auto svn = components.at(at).at("svn").get<std::int64_t>();
    if (svn < 0 || svn > 255) return input_error("an \"svn\" must be from 0 to 255");
    level.components[at] = static_cast<std::uint8_t>(svn);
  }
  const auto pce_svn = tcb.at("pcesvn").get<std::int64_t>();
  if (pce_svn < 0 || pce_svn > 65535) return input_error("\"pcesvn\" must be from 0 to 65535");
  level.pce_svn = static_cast<std::uint16_t>(pce_svn);
  const auto date = parse_time(json.at("tcbDate").get<std::string>());
  if (!date) return std::unexpected(date.error());
  level.date = iso8601(*date);
  level.status = json.at("tcbStatus").get<std::string>();
  if (!is_tcb_status(level.status)) {
    return input_error("\"tcbStatus\" is " + level.status + "; it must be one of " + tcb_statuses());
  }
  if (json.contains("advisoryIDs")) level.advisories = json.at("advisoryIDs").get<std::vector<std::string>>();
  return level;
}

Result<std::vector<TcbLevel>> levels_from_json(const Json& json) {
  if (!json.is_array() || json.empty()) return input_error("a list of TCB levels is needed, with one at least");
  std::vector<TcbLevel> levels;
  for (const Json& entry : json) {
    auto level = level_from_json(entry);
    if (!level) return std::unexpected(level.error());
    levels.push_back(std::move(*level));
  }
  return levels;
}

}  // namespace

Result<TcbSettings> settings_from_json(const Json& json) {
  try {
    TcbSettings settings;
    auto levels = levels_from_json(json.at("levels"));
    if (!levels) return std::unexpected(levels.error());
    settings.levels = std::move(*levels);
    settings.quoting_status = json.at("quoting_status").get<std::string>();
    settings.quoting_advisories = json.at("quoting_advisories").get<std::vector<std::string>>();
    settings.evaluation_number = json.at("evaluation_number").get<std::uint32_t>();
    settings.issued = json.at("issued").get<Seconds>();
    settings.next_update = json.at("next_update").get<Seconds>();
    return settings;
  } catch (const nlohmann::json::exception& error) {
    return input_error(std::string("TCB settings: ") + error.what());
  }
}

Result<std::vector<TcbLevel>> parse_levels(std::string_view text, const std::string& name) {
  try {
    auto levels = levels_from_json(Json::parse(text));
    if (!levels) return input_error(name + ": " + levels.error().message);
    return levels;
  } catch (const nlohmann::json::exception& error) {
    return input_error(name + ": no list of TCB levels: " + error.what());
  }
}

std::string iso8601(Seconds time) {
  std::tm parts{};
  const auto value = static_cast<std::time_t>(time);
  ::gmtime_r(&value, &parts);
  char text[32];
  const std::size_t size = std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text, size};
}

Result<Seconds> parse_time(const std::string& text) {
  std::tm parts{};
  const char* form = text.size() == 10 ? "%Y-%m-%d" : "%Y-%m-%dT%H:%M:%SZ";
  const char* end = ::strptime(text.c_str(), form, &parts);
  if (end == nullptr || *end != '\0' || (text.size() != 10 && text.size() != 20)) {
    return input_error(text + ": not a time; give it as 2026-11-23T12:00:00Z or 2026-11-23");
  }
  return static_cast<Seconds>(::timegm(&parts));
}

}  // namespace coffer::node
