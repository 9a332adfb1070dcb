// Where the runtime measurement registers stand in a TDX quote.
#pragma once

#include <array>
#include <optional>

#include "base/bytes.h"

namespace coffer::attest::detect {

// RTMR 0 to 3, 48 bytes each, of a quote v4 or v5 with a TD report; they point into `quote`. Nothing where it is none.
[[nodiscard]] std::optional<std::array<ByteView, 4>> rtmrs_of_quote(ByteView quote);

}  // namespace coffer::attest::detect
