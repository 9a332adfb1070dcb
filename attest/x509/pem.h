// Base64 and PEM (RFC 7468), as far as certificates and revocation lists come in them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace coffer::attest::x509 {

// Base64 (RFC 4648, 4) with its padding; white space is skipped. Nothing where another character stands in it, or bits
// are left over that are not zero.
[[nodiscard]] std::optional<std::vector<std::byte>> from_base64(std::string_view text);

struct PemBlock {
  std::string_view label;  // "CERTIFICATE"; points into the text
  std::vector<std::byte> bytes;
};

// Every block of the text, in its order; text before, between and after them is skipped. kInput where a block has no
// end, its contents are not Base64, or there are more than `most`.
[[nodiscard]] Result<std::vector<PemBlock>> parse_pem(std::string_view text, std::size_t most = 16);

}  // namespace coffer::attest::x509
