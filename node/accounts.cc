#include "node/accounts.h"

#include <fmt/format.h>

namespace coffer::node {

namespace {

// Whole mebibytes, rounded up: limits are written so.
std::string mebibytes(std::uint64_t bytes) { return fmt::format("{} MiB", (bytes >> 20) + ((bytes & 0xfffff) != 0)); }

}  // namespace

Result<void> Accounts::reserve(uid_t user, std::uint64_t bytes) {
  const Use mine = of(user);
  if (mine.enclaves >= limits_.enclaves_per_user) {
    return refused(fmt::format("user {} has {} enclaves, as many as enclaves_per_user permits", user, mine.enclaves));
  }
  // Differences: a sum could overflow.
  if (bytes > limits_.per_user - mine.bytes) {
    return refused(fmt::format("user {} has {} of protected memory and asks for {}; epc_per_user is {}", user,
                               mebibytes(mine.bytes), mebibytes(bytes), mebibytes(limits_.per_user)));
  }
  if (bytes > limits_.total - all_.bytes) {
    return refused(fmt::format("{} of protected memory are in use and {} are asked for; epc is {}",
                               mebibytes(all_.bytes), mebibytes(bytes), mebibytes(limits_.total)));
  }
  Use& use = users_[user];
  use.bytes += bytes;
  ++use.enclaves;
  all_.bytes += bytes;
  ++all_.enclaves;
  return {};
}

void Accounts::release(uid_t user, std::uint64_t bytes) {
  const auto found = users_.find(user);
  if (found == users_.end()) return;
  found->second.bytes -= bytes;
  all_.bytes -= bytes;
  --all_.enclaves;
  if (--found->second.enclaves == 0) users_.erase(found);
}

Accounts::Use Accounts::of(uid_t user) const {
  const auto found = users_.find(user);
  return found == users_.end() ? Use{} : found->second;
}

}  // namespace coffer::node
