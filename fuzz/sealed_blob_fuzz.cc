// Sealed blobs and streams from anybody: parsed, and unsealed by an enclave that never made them.
#include <coffer/sealing.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "enclave/sdk/testing/fake_platform.h"

using namespace coffer;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool ready = [] {
    sdk::testing::become(sdk::testing::identity());
    return true;
  }();
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto info = inspect_sealed(bytes);
  // What it says of itself lies within it.
  if (info && info->readable.size() > bytes.size()) std::abort();
  if (!ready || unseal(bytes)) std::abort();  // nobody guesses a tag

  std::size_t at = 0;
  const auto source = [&](std::span<std::byte> room) -> Outcome<std::size_t> {
    const std::size_t now = std::min(room.size(), bytes.size() - at);
    if (now != 0) std::memcpy(room.data(), bytes.data() + at, now);
    at += now;
    return now;
  };
  const auto sink = [](std::span<const std::byte>) -> Outcome<void> { std::abort(); };  // not one authentic block
  if (unseal_stream(source, sink)) std::abort();
  return 0;
}
