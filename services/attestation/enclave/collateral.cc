#include "services/attestation/enclave/collateral.h"

#include <coffer/attest/openenclave.h>

#include <algorithm>
#include <string_view>

namespace coffer::attestation_service {
namespace {

std::string_view text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string fmspc_of(const attest::Verification& answer) {
  const auto* claim = answer.claims.find("fmspc");
  const auto* text = claim == nullptr ? nullptr : claim->as<std::string>();
  return text == nullptr ? std::string() : *text;
}

}  // namespace

std::vector<CollateralFiles::Entry> CollateralFiles::entries(std::int64_t now) {
  const std::lock_guard lock(mutex_);
  if (looked_ && now - *looked_ < kLookAgain && now >= *looked_) return entries_;
  looked_ = now;
  const auto index = read_("index");
  if (!index) return entries_;
  std::vector<Entry> found;
  std::string_view names = text_of(*index);
  for (std::size_t count = 0; !names.empty() && count < kMostFiles; ++count) {
    const std::size_t end = std::min(names.find('\n'), names.size());
    const std::string name(names.substr(0, end));
    names.remove_prefix(std::min(end + 1, names.size()));
    const auto file = name.ends_with(".json") ? read_(name) : std::nullopt;
    if (!file) continue;
    auto collateral = attest::dcap::Collateral::parse(text_of(*file), roots_);
    if (!collateral) continue;  // not collateral: the folder may hold other things
    // Which evidence it is for is said by the TCB info (version 3) alone; the answer's checks name a wrong guess.
    const bool tdx = text_of(*file).find("\"TDX\"") != std::string_view::npos ||
                     text_of(*file).find("\\\"TDX\\\"") != std::string_view::npos;
    found.push_back({.tdx = tdx, .fmspc = collateral->fmspc(), .collateral = std::move(*collateral)});
  }
  entries_ = std::move(found);
  return entries_;
}

Result<attest::Verification> CollateralFiles::verify(std::span<const std::byte> evidence, bool open_enclave,
                                                     attest::UnixTime at, std::int64_t now) {
  // What is no quote is said so, whatever collateral there is.
  std::span<const std::byte> quote = evidence;
  if (open_enclave) {
    const auto parsed = attest::openenclave::parse_evidence(evidence);
    if (!parsed) return std::unexpected(parsed.error());
    quote = parsed->quote;
  }
  if (const auto claims = attest::dcap::read_claims(quote); !claims) return std::unexpected(claims.error());
  const std::vector<Entry> known = entries(now);
  if (known.empty()) return fail(ErrorKind::kSystem, "the service has no collateral for quotes");
  const auto verify_with = [&](const Entry& entry) {
    return open_enclave ? attest::openenclave::verify_evidence(evidence, entry.collateral, at, &chains_)
                        : attest::dcap::verify(evidence, entry.collateral, at, &chains_);
  };
  auto best = verify_with(known.front());
  if (!best || best->authentic()) return best;
  const std::string fmspc = fmspc_of(*best);
  const bool tdx = best->tee == attest::Tee::kTdx;
  for (const Entry& entry : known) {
    if (entry.fmspc != fmspc || entry.tdx != tdx) continue;
    auto answer = verify_with(entry);
    if (!answer) return answer;
    const bool better = answer->authentic();
    best = std::move(answer);
    if (better) break;  // several of different dates can be there
  }
  return best;
}

}  // namespace coffer::attestation_service
