// Collateral that this machine has already: its own platform's, and the cache.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace coffer::node {

// Where fetched collateral is kept where nothing else is said: $state/collateral.
[[nodiscard]] Result<std::filesystem::path> default_cache();

// Answers, as dcap::Collateral::parse_answers() takes them, for the platform that a quote names: of the local platform
// where it is that, else from the cache; none where there are none. The quote is not verified.
[[nodiscard]] std::vector<std::string> local_collateral(ByteView quote);

}  // namespace coffer::node
