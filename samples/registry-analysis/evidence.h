// The only part of this program that knows about enclaves: what stands behind a result.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace registry {

using Digest = std::array<std::byte, 32>;

[[nodiscard]] Digest sha256(std::string_view text);
[[nodiscard]] std::string hex(const std::byte* bytes, std::size_t size);

// A report of the enclave that runs this program, with the digest in its report data: proof, to whoever can check it,
// that exactly this program made the result. Nothing where the program runs outside an enclave or was built without
// Coffer's headers.
[[nodiscard]] std::optional<std::vector<std::byte>> report_about(const Digest& result);

}  // namespace registry
