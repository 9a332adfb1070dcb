#include "attest/tpm/hcl.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

namespace coffer::attest::tpm {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::array kMagic{std::byte{'H'}, std::byte{'C'}, std::byte{'L'}, std::byte{'A'}};
constexpr std::size_t kHeader = 32, kHardwareReport = 1184;

std::unexpected<Error> not_of_form(const std::string& what) { return input_error("HCL report: " + what); }

std::optional<crypto::Hash> hash_of_type(std::uint32_t type) {
  if (type == 1) return crypto::Hash::kSha256;
  if (type == 2) return crypto::Hash::kSha384;
  if (type == 3) return crypto::Hash::kSha512;
  return std::nullopt;
}

std::optional<std::vector<std::byte>> from_base64url(std::string_view text) {
  std::vector<std::byte> bytes;
  std::uint32_t held = 0;
  unsigned bits = 0;
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  for (const char each : text) {
    constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const std::size_t digit = kDigits.find(each);
    if (digit == std::string_view::npos) return std::nullopt;
    held = held << 6 | static_cast<std::uint32_t>(digit);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push_back(static_cast<std::byte>(held >> bits & 0xff));
  }
  return bytes;
}

std::optional<crypto::PublicKey> read_key(const Json& key) {
  const auto member = [&key](const char* name) -> std::optional<std::vector<std::byte>> {
    const auto found = key.find(name);
    if (found == key.end() || !found->is_string()) return std::nullopt;
    return from_base64url(found->get_ref<const std::string&>());
  };
  const auto modulus = member("n"), exponent = member("e");
  if (!modulus || !exponent) return std::nullopt;
  auto read = crypto::PublicKey::from_rsa(*modulus, *exponent);
  if (!read) return std::nullopt;
  return std::move(*read);
}

// Two levels are enough: the configuration is flat.
std::optional<ClaimValue> claim_of(const Json& value, int depth) {
  if (value.is_boolean()) return ClaimValue(value.get<bool>());
  if (value.is_number_unsigned()) return ClaimValue(value.get<std::uint64_t>());
  if (value.is_number_integer()) return ClaimValue(value.get<std::int64_t>());
  if (value.is_string()) return ClaimValue(value.get<std::string>());
  if (!value.is_object() || depth == 0) return std::nullopt;
  Claims claims;
  for (const auto& [name, member] : value.items()) {
    if (claims.size() >= 64) break;
    if (auto claim = claim_of(member, depth - 1)) claims.set(name, std::move(*claim));
  }
  return ClaimValue(std::move(claims));
}

}  // namespace

bool looks_like_hcl_report(ByteView bytes) {
  return bytes.size() >= kMagic.size() && std::ranges::equal(bytes.first(kMagic.size()), kMagic);
}

Result<HclReport> HclReport::parse(ByteView bytes) {
  if (!looks_like_hcl_report(bytes)) return not_of_form("it does not start with HCLA");
  ByteReader reader(bytes);
  const auto header = reader.take(kHeader);
  const auto report = header ? reader.take(kHardwareReport) : std::nullopt;
  if (!report) return not_of_form("it is cut short");
  HclReport hcl;
  hcl.report = *report;
  const auto size = reader.read<std::uint32_t>();  // of what follows, with this header
  const auto version = reader.read<std::uint32_t>();
  const auto type = reader.read<std::uint32_t>();
  const auto hash = reader.read<std::uint32_t>();
  const auto length = reader.read<std::uint32_t>();
  const auto data = size && version && type && hash && length ? reader.take(*length) : std::nullopt;
  if (!data) return not_of_form("its data is cut short");
  if (*type != static_cast<std::uint32_t>(Hardware::kSnp) && *type != static_cast<std::uint32_t>(Hardware::kTdx)) {
    return not_of_form("it holds a hardware report of type " + std::to_string(*type) +
                       ", and 2 (SEV-SNP) and 4 (TDX) are "
                       "known");
  }
  hcl.hardware = static_cast<Hardware>(*type);
  hcl.hash = hash_of_type(*hash);
  hcl.data = *data;
  return hcl;
}

Result<HclData> read_hcl_data(ByteView data) {
  const std::string_view text(reinterpret_cast<const char*>(data.data()), data.size());
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return not_of_form("its data is no JSON object");
  const auto keys = json.find("keys");
  if (keys == json.end() || !keys->is_array()) return not_of_form("its data has no list of keys");
  HclData read;
  for (const Json& key : *keys) {
    if (!key.is_object()) continue;
    const auto name = key.find("kid");
    if (name == key.end() || *name != "HCLAkPub") continue;
    read.attestation_key = read_key(key);
    break;
  }
  for (const char* name : {"vm-configuration", "user-data"}) {
    const auto member = json.find(name);
    if (member == json.end()) continue;
    if (auto claim = claim_of(*member, 2)) read.claims.set(name, std::move(*claim));
  }
  return read;
}

}  // namespace coffer::attest::tpm
