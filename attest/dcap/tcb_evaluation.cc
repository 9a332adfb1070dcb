#include "attest/dcap/tcb_evaluation.h"

#include <algorithm>
#include <array>

#include "base/hex.h"

namespace coffer::attest::dcap {

namespace {

// Every component from `first` on at least the level's.
bool reaches(const Svns& own, const Svns& level, std::size_t first = 0) {
  for (std::size_t i = first; i < own.size(); ++i) {
    if (own.at(i) < level.at(i)) return false;
  }
  return true;
}

const SvnLevel* level_of(const std::vector<SvnLevel>& levels, std::uint32_t svn) {
  const auto found = std::ranges::find_if(levels, [&](const SvnLevel& level) { return level.isvsvn <= svn; });
  return found != levels.end() ? &*found : nullptr;
}

// What was matched, to be merged.
struct Matched {
  const TcbLevel* platform = nullptr;
  const SvnLevel* quoting_enclave = nullptr;
  const SvnLevel* module = nullptr;
};

TcbEvaluation none(std::string why) { return {.advisory_ids = {}, .detail = std::move(why)}; }

TcbStatus with_outdated_part(TcbStatus platform) {
  switch (platform) {
    case TcbStatus::kUpToDate:
    case TcbStatus::kSwHardeningNeeded:
      return TcbStatus::kOutOfDate;
    case TcbStatus::kConfigurationNeeded:
    case TcbStatus::kConfigurationAndSwHardeningNeeded:
      return TcbStatus::kOutOfDateConfigurationNeeded;
    default:
      return platform;
  }
}

void take(const std::vector<std::string>& ids, std::vector<std::string>& into) {
  into.insert(into.end(), ids.begin(), ids.end());
}

TcbEvaluation merge(const Matched& matched) {
  TcbEvaluation result{.status = matched.platform->status,
                       .date = matched.platform->date,
                       .advisory_ids = matched.platform->advisory_ids,
                       .detail = "platform " + std::string(name_of(matched.platform->status))};
  bool outdated = false;
  bool revoked = false;
  const std::array<std::pair<std::string_view, const SvnLevel*>, 2> parts{
      {{", quoting enclave ", matched.quoting_enclave}, {", TDX module ", matched.module}}};
  for (const auto& [name, part] : parts) {
    if (part == nullptr) continue;
    result.date = std::min(result.date, part->date);
    take(part->advisory_ids, result.advisory_ids);
    outdated = outdated || part->status == TcbStatus::kOutOfDate;
    revoked = revoked || part->status == TcbStatus::kRevoked;
    result.detail += std::string(name) + std::string(name_of(part->status));
  }
  if (outdated) result.status = with_outdated_part(result.status);
  if (revoked) result.status = TcbStatus::kRevoked;
  std::ranges::sort(result.advisory_ids);
  const auto doubled = std::ranges::unique(result.advisory_ids);
  result.advisory_ids.erase(doubled.begin(), doubled.end());
  return result;
}

}  // namespace

const TdxModule* find_module(const TcbInfo& info, std::uint8_t version) {
  const std::byte byte{version};
  const std::string wanted = "tdx_" + to_hex(ByteView(&byte, 1));
  const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b; };
  const auto found = std::ranges::find_if(
      info.tdx_module_identities, [&](const TdxModule& module) { return std::ranges::equal(module.id, wanted, same); });
  return found != info.tdx_module_identities.end() ? &*found : nullptr;
}

TcbEvaluation evaluate_sgx(const PckExtensions& platform, std::uint16_t qe_svn, const TcbInfo& info,
                           const EnclaveIdentity& identity) {
  const auto level = std::ranges::find_if(info.levels, [&](const TcbLevel& candidate) {
    return reaches(platform.components, candidate.sgx) && platform.pcesvn >= candidate.pcesvn;
  });
  if (level == info.levels.end()) return none("the platform's SVNs are below every level of the TCB info");
  const SvnLevel* enclave = level_of(identity.levels, qe_svn);
  if (enclave == nullptr) return none("the quoting enclave's SVN is below every level of its identity");
  return merge({.platform = &*level, .quoting_enclave = enclave});
}

TcbEvaluation evaluate_tdx(const PckExtensions& platform, std::uint16_t qe_svn, ByteView tee_tcb_svn,
                           const TcbInfo& info, const EnclaveIdentity& identity) {
  Svns svns{};
  std::ranges::transform(tee_tcb_svn.first(svns.size()), svns.begin(),
                         [](std::byte byte) { return std::to_integer<std::uint8_t>(byte); });
  // The first two are the TDX module's SVN and major version; where the version says so, they are looked up among the
  // modules' identities and not compared with the levels.
  const std::uint8_t version = svns[1];
  const std::size_t first = version > 0 ? 2 : 0;
  const auto level = std::ranges::find_if(info.levels, [&](const TcbLevel& candidate) {
    return reaches(platform.components, candidate.sgx) && platform.pcesvn >= candidate.pcesvn &&
           reaches(svns, candidate.tdx, first);
  });
  if (level == info.levels.end()) return none("the platform's SVNs are below every level of the TCB info");
  Matched matched{.platform = &*level};
  if (version > 0) {
    const TdxModule* module = find_module(info, version);
    if (module == nullptr) return none("there is no identity of TDX module " + std::to_string(version));
    matched.module = level_of(module->levels, svns[0]);
    if (matched.module == nullptr || matched.module->status == TcbStatus::kNoMatchingTcbLevel) {
      return none("the TDX module's SVN matches no level of " + module->id);
    }
  }
  matched.quoting_enclave = level_of(identity.levels, qe_svn);
  if (matched.quoting_enclave == nullptr) return none("the quoting enclave's SVN is below every level of its identity");
  return merge(matched);
}

TcbStatus relaunch(TcbStatus launched, TcbStatus current) {
  const bool old = launched == TcbStatus::kOutOfDate || launched == TcbStatus::kOutOfDateConfigurationNeeded;
  const bool configuration =
      current == TcbStatus::kConfigurationNeeded || current == TcbStatus::kConfigurationAndSwHardeningNeeded;
  const bool good = configuration || current == TcbStatus::kUpToDate || current == TcbStatus::kSwHardeningNeeded;
  if (!old || !good) return launched;
  const bool needed = configuration || launched == TcbStatus::kOutOfDateConfigurationNeeded;
  return needed ? TcbStatus::kRelaunchAdvisedConfigurationNeeded : TcbStatus::kRelaunchAdvised;
}

}  // namespace coffer::attest::dcap
