// What a provisioning service answers about this platform (Intel PCS API, version 4, as caches of it serve it). Pure.
#pragma once

#include <string_view>

#include "node/collateral/http.h"
#include "node/quoting/platform.h"

namespace coffer::node {

inline constexpr std::string_view kServicePath = "/sgx/certification/v4";

// `target`: path and query of a GET. Known: pckcert, pckcrl, tcb, qe/identity, rootcacrl below kServicePath. 404 for
// platforms that are not this one, and for paths that it has nothing for (TDX, QvE identities); 400 where a parameter
// is missing or malformed.
[[nodiscard]] HttpAnswer answer_collateral(const Platform& platform, std::string_view target);

}  // namespace coffer::node
