// Quotes of enclave images: the enclave is started, its kernel makes a report, the quoting enclave quotes it.
#pragma once

#include <coffer/host.h>

#include <array>
#include <filesystem>
#include <vector>

#include "base/result.h"
#include "sgx/arch.h"

namespace coffer::node {

struct MadeQuote {
  std::vector<std::byte> quote;
  sgx::ReportBody body;  // what it says
};

// The program is not run. kRefused where the image does not leave its report data to the host.
[[nodiscard]] Result<MadeQuote> quote_image(const std::filesystem::path& image, const std::array<std::byte, 64>& data,
                                            std::uint16_t format, const LoadOptions& options = {});

}  // namespace coffer::node
