// Feeds arbitrary files to the readers of foreign images and measures whatever they describe.
#include <cstdint>
#include <cstdlib>

#include "host/image/foreign/foreign_image.h"
#include "sgx/builder.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto file = std::as_bytes(std::span(data, size));
  const coffer::image::Limits limits{256, 1 << 20};
  const auto enclaves = coffer::image::open_foreign({file.begin(), file.end()}, std::nullopt, limits);
  if (!enclaves) return 0;
  for (const auto& enclave : *enclaves) {
    coffer::sgx::MeasuringBuilder builder;
    static_cast<void>(enclave->describe(builder));
    if (builder.page_count() > limits.pages) std::abort();
  }
  return 0;
}
