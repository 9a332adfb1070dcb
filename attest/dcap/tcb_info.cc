#include "attest/dcap/tcb_info.h"

#include <algorithm>
#include <tuple>

#include "attest/dcap/json.h"
#include "base/hex.h"

namespace coffer::attest::dcap {

namespace {

constexpr std::size_t kMostLevels = 256;

// Reads members of objects; the first that is missing or of another form makes it fail for good, with its name.
class Members {
 public:
  explicit Members(std::string_view what) : what_(what) {}

  [[nodiscard]] bool failed() const { return !failure_.empty(); }
  [[nodiscard]] std::unexpected<Error> error() const { return input_error(what_ + ": " + failure_); }
  void fail(std::string_view name, std::string_view wanted) {
    if (failure_.empty()) failure_ = "\"" + std::string(name) + "\" " + std::string(wanted);
  }

  std::optional<JsonValue> member(const JsonValue& object, std::string_view name) {
    if (failed()) return std::nullopt;
    auto found = object.find(name);
    if (!found) fail(name, "is missing");
    return found;
  }
  std::uint32_t number(const JsonValue& object, std::string_view name, std::uint32_t most = 0xffff'ffff) {
    const auto value = member(object, name);
    const auto number = value ? value->number() : std::nullopt;
    if (!number || *number > most) {
      fail(name, "is not a whole number up to " + std::to_string(most));
      return 0;
    }
    return *number;
  }
  std::string text(const JsonValue& object, std::string_view name) {
    const auto value = member(object, name);
    const auto text = value ? value->text() : std::nullopt;
    if (!text) fail(name, "is not plain text");
    return std::string(text.value_or(""));
  }
  UnixTime time(const JsonValue& object, std::string_view name) {
    const std::string value = text(object, name);
    const auto time = value.size() == 20 ? parse_iso8601(value) : std::nullopt;
    if (!time) fail(name, "is not a time like 2025-06-11T19:18:17Z");
    return time.value_or(UnixTime{});
  }
  template <std::size_t N>
  std::array<std::byte, N> bytes(const JsonValue& object, std::string_view name) {
    const std::string value = text(object, name);
    std::array<std::byte, N> out{};
    const auto decoded = value.size() == 2 * N ? from_hex(value) : std::nullopt;
    if (decoded) {
      std::ranges::copy(*decoded, out.begin());
    } else {
      fail(name, "is not " + std::to_string(N) + " bytes in hexadecimal");
    }
    return out;
  }
  // The elements of an array that is not empty.
  std::vector<JsonValue> elements(const JsonValue& object, std::string_view name, std::size_t most) {
    std::vector<JsonValue> found;
    const auto array = member(object, name);
    for (auto element = array ? array->first() : std::nullopt; element && found.size() <= most;
         element = element->next()) {
      found.push_back(*element);
    }
    if (found.empty() || found.size() > most) fail(name, "is not an array of 1 to " + std::to_string(most) + " values");
    return failed() ? std::vector<JsonValue>{} : found;
  }
  std::vector<std::string> advisory_ids(const JsonValue& object) {
    const auto array = object.find("advisoryIDs");
    if (!array) return {};
    if (array->kind() != JsonKind::kArray) fail("advisoryIDs", "is not an array");
    std::vector<std::string> ids;
    for (auto element = array->first(); element; element = element->next()) {
      const auto id = element->text();
      if (!id) fail("advisoryIDs", "has an element that is not plain text");
      ids.emplace_back(id.value_or(""));
    }
    return ids;
  }

 private:
  std::string what_;
  std::string failure_;
};

std::uint32_t big_endian(const std::array<std::byte, 4>& bytes) {
  std::uint32_t value = 0;
  for (const std::byte byte : bytes) value = value << 8U | std::to_integer<std::uint32_t>(byte);
  return value;
}

Svns components_v2(Members& members, const JsonValue& tcb) {
  Svns svns{};
  for (std::size_t i = 0; i < svns.size(); ++i) {
    const std::string number = std::to_string(i + 1);
    const std::string name = "sgxtcbcomp" + std::string(number.size() == 1 ? "0" : "") + number + "svn";
    svns.at(i) = static_cast<std::uint8_t>(members.number(tcb, name, 255));
  }
  return svns;
}

Svns components_v3(Members& members, const JsonValue& tcb, std::string_view name) {
  Svns svns{};
  const auto elements = members.elements(tcb, name, svns.size());
  if (!members.failed() && elements.size() != svns.size()) members.fail(name, "does not have 16 components");
  for (std::size_t i = 0; i < elements.size() && !members.failed(); ++i) {
    svns.at(i) = static_cast<std::uint8_t>(members.number(elements[i], "svn", 255));
  }
  return svns;
}

TcbStatus status(Members& members, const JsonValue& level, bool platform) {
  const std::string name = members.text(level, "tcbStatus");
  const auto status = parse_tcb_status(name);
  const bool narrow =
      status == TcbStatus::kUpToDate || status == TcbStatus::kOutOfDate || status == TcbStatus::kRevoked;
  const bool wide = status && *status != TcbStatus::kRelaunchAdvised && *status != TcbStatus::kNoMatchingTcbLevel &&
                    *status != TcbStatus::kRelaunchAdvisedConfigurationNeeded;
  if (platform ? !wide : !narrow) members.fail("tcbStatus", "is none of the statuses that levels have");
  return status.value_or(TcbStatus::kNoMatchingTcbLevel);
}

TcbLevel platform_level(Members& members, const JsonValue& value, const TcbInfo& info) {
  TcbLevel level;
  const auto tcb = members.member(value, "tcb");
  if (!tcb) return level;
  level.sgx = info.version == 2 ? components_v2(members, *tcb) : components_v3(members, *tcb, "sgxtcbcomponents");
  if (info.tdx) level.tdx = components_v3(members, *tcb, "tdxtcbcomponents");
  level.pcesvn = static_cast<std::uint16_t>(members.number(*tcb, "pcesvn", 0xffff));
  level.date = members.time(value, "tcbDate");
  level.status = status(members, value, true);
  level.advisory_ids = members.advisory_ids(value);
  return level;
}

// Levels of an enclave, or of a TDX module: of those Intel's library takes any status, and refuses where it is
// selected.
SvnLevel svn_level(Members& members, const JsonValue& value, bool module) {
  SvnLevel level;
  const auto tcb = members.member(value, "tcb");
  if (!tcb) return level;
  level.isvsvn = members.number(*tcb, "isvsvn", module ? 0xffff : 0xffff'ffff);
  level.date = members.time(value, "tcbDate");
  if (module) {
    const auto known = parse_tcb_status(members.text(value, "tcbStatus"));
    const bool narrow = known == TcbStatus::kUpToDate || known == TcbStatus::kOutOfDate || known == TcbStatus::kRevoked;
    level.status = narrow ? *known : TcbStatus::kNoMatchingTcbLevel;
  } else {
    level.status = status(members, value, false);
  }
  level.advisory_ids = members.advisory_ids(value);
  return level;
}

// Levels by their order, the highest first; the same twice is refused, since which counts would be a matter of chance.
std::vector<SvnLevel> svn_levels(Members& members, const JsonValue& object, bool module) {
  std::vector<SvnLevel> levels;
  for (const JsonValue& value : members.elements(object, "tcbLevels", kMostLevels)) {
    levels.push_back(svn_level(members, value, module));
  }
  const auto svn = [](const SvnLevel& level) { return level.isvsvn; };
  std::ranges::sort(levels, std::ranges::greater{}, svn);
  if (std::ranges::adjacent_find(levels, {}, svn) != levels.end()) members.fail("tcbLevels", "has a level twice");
  return levels;
}

std::vector<TcbLevel> platform_levels(Members& members, const JsonValue& object, const TcbInfo& info) {
  std::vector<TcbLevel> levels;
  for (const JsonValue& value : members.elements(object, "tcbLevels", kMostLevels)) {
    levels.push_back(platform_level(members, value, info));
    if (members.failed()) return {};
  }
  const auto order = [](const TcbLevel& level) { return std::tie(level.sgx, level.pcesvn, level.tdx); };
  std::ranges::sort(levels, [&](const TcbLevel& a, const TcbLevel& b) { return order(a) > order(b); });
  const auto twice =
      std::ranges::adjacent_find(levels, [&](const TcbLevel& a, const TcbLevel& b) { return order(a) == order(b); });
  if (twice != levels.end()) members.fail("tcbLevels", "has a level twice");
  return levels;
}

TdxModule module_of(Members& members, const JsonValue& value) {
  TdxModule module;
  module.mrsigner = members.bytes<48>(value, "mrsigner");
  module.attributes = members.bytes<8>(value, "attributes");
  module.attributes_mask = members.bytes<8>(value, "attributesMask");
  return module;
}

void read_tdx(Members& members, const JsonValue& object, TcbInfo& info) {
  if (const auto module = members.member(object, "tdxModule")) info.tdx_module = module_of(members, *module);
  if (!object.find("tdxModuleIdentities")) return;
  for (const JsonValue& value : members.elements(object, "tdxModuleIdentities", kMostLevels)) {
    TdxModule module = module_of(members, value);
    module.id = members.text(value, "id");
    module.levels = svn_levels(members, value, true);
    info.tdx_module_identities.push_back(std::move(module));
  }
}

}  // namespace

Result<TcbInfo> parse_tcb_info(std::string_view json) {
  const auto document = JsonDocument::parse(json, "TCB info");
  if (!document) return std::unexpected(document.error());
  const JsonValue object = document->root();
  Members members("TCB info");
  TcbInfo info;
  info.version = members.number(object, "version");
  if (!members.failed() && info.version != 2 && info.version != 3) members.fail("version", "is neither 2 nor 3");
  if (info.version == 3) {
    const std::string id = members.text(object, "id");
    if (id != "SGX" && id != "TDX") members.fail("id", "is neither SGX nor TDX");
    info.tdx = id == "TDX";
  }
  info.issue_date = members.time(object, "issueDate");
  info.next_update = members.time(object, "nextUpdate");
  info.fmspc = members.bytes<6>(object, "fmspc");
  // Older answers have none; a PCK certificate then matches no TCB info.
  if (object.find("pceId")) info.pce_id = members.bytes<2>(object, "pceId");
  if (members.number(object, "tcbType") != 0) members.fail("tcbType", "is not 0, the only type there is");
  info.evaluation_data_number = members.number(object, "tcbEvaluationDataNumber");
  const bool modules = object.find("tdxModule") || object.find("tdxModuleIdentities");
  if (info.version == 3 && !info.tdx && modules) members.fail("tdxModule", "stands in TCB info of SGX");
  if (info.tdx) read_tdx(members, object, info);
  info.levels = platform_levels(members, object, info);
  if (members.failed()) return members.error();
  return info;
}

Result<EnclaveIdentity> parse_enclave_identity(std::string_view json) {
  const auto document = JsonDocument::parse(json, "enclave identity");
  if (!document) return std::unexpected(document.error());
  const JsonValue object = document->root();
  Members members("enclave identity");
  EnclaveIdentity identity;
  identity.id = members.text(object, "id");
  const bool known = identity.id == "QE" || identity.id == "TD_QE" || identity.id == "QVE";
  if (!members.failed() && !known) members.fail("id", "is none of QE, TD_QE, QVE");
  identity.version = members.number(object, "version");
  if (!members.failed() && identity.version != 2) members.fail("version", "is not 2");
  identity.issue_date = members.time(object, "issueDate");
  identity.next_update = members.time(object, "nextUpdate");
  identity.evaluation_data_number = members.number(object, "tcbEvaluationDataNumber");
  identity.miscselect = big_endian(members.bytes<4>(object, "miscselect"));
  identity.miscselect_mask = big_endian(members.bytes<4>(object, "miscselectMask"));
  identity.attributes = members.bytes<16>(object, "attributes");
  identity.attributes_mask = members.bytes<16>(object, "attributesMask");
  identity.mrsigner = members.bytes<32>(object, "mrsigner");
  identity.isv_prod_id = members.number(object, "isvprodid");
  identity.levels = svn_levels(members, object, false);
  if (members.failed()) return members.error();
  return identity;
}

std::optional<std::array<std::byte, 64>> parse_signature(std::string_view hex) {
  const auto bytes = hex.size() == 128 ? from_hex(hex) : std::nullopt;
  if (!bytes) return std::nullopt;
  std::array<std::byte, 64> signature{};
  std::ranges::copy(*bytes, signature.begin());
  return signature;
}

Result<SignedJson> parse_signed_json(std::string_view json, std::string_view member) {
  const std::string what(member);
  const auto document = JsonDocument::parse(json, what);
  if (!document) return std::unexpected(document.error());
  const auto body = document->root().find(member);
  if (!body || body->kind() != JsonKind::kObject) return input_error(what + ": \"" + what + "\" is not an object");
  const auto text = document->root().find("signature");
  const auto hex = text ? text->text() : std::nullopt;
  const auto signature = hex ? parse_signature(*hex) : std::nullopt;
  if (!signature) return input_error(what + ": \"signature\" is not 64 bytes in hexadecimal");
  return SignedJson{.body = body->raw(), .signature = *signature};
}

}  // namespace coffer::attest::dcap
