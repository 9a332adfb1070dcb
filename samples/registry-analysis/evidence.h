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
// From 64 hexadecimal digits; nothing for other texts.
[[nodiscard]] std::optional<Digest> digest_from_hex(std::string_view text);
[[nodiscard]] std::string hex(const std::byte* bytes, std::size_t size);

// A report of the enclave that runs this program, with the digest in its report data: proof that exactly this program
// made the result, for whoever runs the same program in an enclave of the same platform. Nothing where the program runs
// outside an enclave or was built without Coffer's headers.
[[nodiscard]] std::optional<std::vector<std::byte>> report_about(const Digest& result);

// Inside an enclave only: true where `report` is a genuine report of an enclave of this very program on this platform
// and holds this digest. Throws std::runtime_error outside.
[[nodiscard]] bool is_report_about(const std::vector<std::byte>& report, const Digest& result);

}  // namespace registry
