// The names of an enclave's attributes, as the manuals spell them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace coffer::cli {

// Bits without a name come last, together, as one hexadecimal number.
[[nodiscard]] std::vector<std::string> names_of_flags(std::uint64_t flags);    // ATTRIBUTES.FLAGS
[[nodiscard]] std::vector<std::string> names_of_features(std::uint64_t xfrm);  // ATTRIBUTES.XFRM

}  // namespace coffer::cli
