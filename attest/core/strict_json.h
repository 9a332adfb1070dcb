// Reads JSON that somebody else wrote: one text, of bounded size and depth, every name of an object once (RFC 8259
// leaves open what two mean, and two readers that differ are a way around a check). Numbers beyond 64 bits become
// fractions.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include <coffer/result.h>

namespace coffer::attest {

struct JsonLimits {
  std::size_t bytes = 4 * 1024 * 1024;
  std::size_t depth = 32;
};

// The error (kInput) is one line without a name in front: what is wrong and at which byte.
[[nodiscard]] Result<nlohmann::json> read_json(std::string_view text, const JsonLimits& limits = {});

}  // namespace coffer::attest
