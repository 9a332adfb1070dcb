#include <algorithm>
#include <nlohmann/json.hpp>

#include <coffer/attest/tpm.h>

#include "attest/tpm/hash.h"
#include "base/hex.h"

namespace coffer::attest {

namespace {

using Json = nlohmann::json;

constexpr std::uint32_t kMostPcrs = 32;

std::unexpected<Error> not_of_form(const std::string& what) { return input_error("PCR values: " + what); }

// {"0": "<hex>", ...}
Result<PcrValues::Bank> read_bank(const Json& json) {
  PcrValues::Bank bank;
  for (const auto& [name, value] : json.items()) {
    const bool number =
        !name.empty() && name.size() <= 2 && std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
    const auto index = number ? static_cast<std::uint32_t>(std::stoul(name)) : kMostPcrs;
    auto bytes = value.is_string() ? from_hex(value.get_ref<const std::string&>()) : std::nullopt;
    if (index >= kMostPcrs || !bytes || bytes->empty()) {
      return not_of_form("'" + name.substr(0, 20) + "' is no PCR with a hexadecimal value");
    }
    bank[index] = std::move(*bytes);
  }
  return bank;
}

std::string bank_of_size(std::size_t size) {
  for (const tpm::HashId hash :
       {tpm::HashId::kSha1, tpm::HashId::kSha256, tpm::HashId::kSha384, tpm::HashId::kSha512}) {
    if (tpm::digest_size(hash) == size) return std::string(name_of(hash));
  }
  return {};
}

}  // namespace

Result<PcrValues> PcrValues::parse(std::span<const std::byte> bytes) {
  PcrValues values;
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) {
    if (text.find_first_not_of(" \t\r\n") == text.find('{')) return not_of_form("they are no JSON");
    values.joined_.assign(bytes.begin(), bytes.end());
    return values;
  }
  if (!json.is_object() || json.empty()) return not_of_form("no JSON object of banks or PCRs");
  const bool of_banks = json.begin()->is_object();
  const Json all = of_banks ? json : Json{{"", json}};
  for (const auto& [name, bank] : all.items()) {
    if (!bank.is_object()) return not_of_form("'" + name.substr(0, 20) + "' is no bank");
    auto read = read_bank(bank);
    if (!read) return std::unexpected(read.error());
    if (read->empty()) continue;
    const std::size_t size = read->begin()->second.size();
    const std::string bank_name = of_banks ? name : bank_of_size(size);
    const auto hash = tpm::hash_of_name(bank_name);
    if (!hash) return not_of_form("'" + bank_name.substr(0, 20) + "' is no hash algorithm; sha256 is one");
    for (const auto& [index, value] : *read) {
      if (value.size() == tpm::digest_size(*hash)) continue;
      return not_of_form("PCR " + std::to_string(index) + " has " + std::to_string(value.size()) + " bytes");
    }
    values.banks_[bank_name] = std::move(*read);
  }
  return values;
}

}  // namespace coffer::attest
