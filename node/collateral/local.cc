#include "node/collateral/local.h"

#include "base/file.h"
#include "node/collateral/cache.h"
#include "node/collateral/service.h"
#include "node/quoting/platform.h"

namespace coffer::node {
namespace {

// What the own platform's service would answer.
std::vector<std::string> own_answers(const Platform& platform, const PlatformKind& kind) {
  std::vector<std::string> answers;
  for (const std::string& target : {"/tcb?fmspc=" + kind.fmspc, std::string("/qe/identity"),
                                    std::string("/pckcrl?ca=platform&encoding=der"), std::string("/rootcacrl")}) {
    answers.push_back(as_cached_file(answer_collateral(platform, std::string(kServicePath) + target)));
  }
  return answers;
}

std::vector<std::string> cached_answers(const CollateralCache& cache) {
  std::vector<std::string> answers;
  if (cache.expires() == 0) return answers;  // not all of it is there
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(cache.folder(), error)) {
    const auto content = read_file(entry.path(), kMostAnswer + kMostHeaders);
    if (content) answers.emplace_back(reinterpret_cast<const char*>(content->data()), content->size());
  }
  return answers;
}

}  // namespace

Result<std::filesystem::path> default_cache() {
  const auto state = state_directory();
  if (!state) return std::unexpected(state.error());
  return *state / "collateral";
}

std::vector<std::string> local_collateral(ByteView quote) {
  const auto kind = kind_of_quote(quote);
  const auto state = state_directory();
  if (!kind || !state) return {};
  const auto platform = Platform::look(*state);
  if (platform && *platform && kind->root == root_name((*platform)->certificates().root)) {
    const auto fresh = Platform::open(*state);  // issued again where it is about to end
    return own_answers(fresh ? *fresh : **platform, *kind);
  }
  return cached_answers(CollateralCache(*state / "collateral", *kind));
}

}  // namespace coffer::node
