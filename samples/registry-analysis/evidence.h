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

using Target = std::array<std::byte, 512>;  // TARGETINFO: the enclave that is to check a report
using Report = std::vector<std::byte>;

[[nodiscard]] Digest sha256(std::string_view text);
[[nodiscard]] std::string hex(const std::byte* bytes, std::size_t size);

// The target in 1024 hexadecimal digits or in the file of that name (512 bytes, or the digits), as `coffer report
// target` gives it. Throws std::runtime_error where it is neither.
[[nodiscard]] Target read_target(const std::string& digits_or_file);

// A report of the enclave that runs this program, with the digest in the first half of its report data: it proves to
// `target`, and through `coffer report verify` to whoever runs that enclave, that this very program made the result.
// Nothing where the program runs outside an enclave or was built without Coffer's headers. Throws std::runtime_error
// where the target is nonsense.
[[nodiscard]] std::optional<Report> report_about(const Digest& result, const Target& target);

}  // namespace registry
