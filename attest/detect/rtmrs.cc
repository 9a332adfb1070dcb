#include "attest/detect/rtmrs.h"

#include <cstdint>

namespace coffer::attest::detect {

std::optional<std::array<ByteView, 4>> rtmrs_of_quote(ByteView quote) {
  // Intel TDX DCAP Quoting Library API, A.3: header, in v5 a descriptor of the body (type and size), body.
  constexpr std::size_t kHeader = 48, kDescriptor = 6, kRtmrInBody = 328, kRtmrSize = 48;
  constexpr std::uint16_t kEnclaveBody = 1;
  constexpr std::uint32_t kTdx = 0x81;
  ByteReader reader(quote);
  const auto version = reader.read<std::uint16_t>();
  const auto key_type = reader.read<std::uint16_t>();
  const auto tee = reader.read<std::uint32_t>();
  if (!version || !key_type || tee != kTdx || (*version != 4 && *version != 5)) return std::nullopt;
  if (!reader.take(kHeader - reader.position())) return std::nullopt;
  if (*version == 5) {
    const auto type = reader.read<std::uint16_t>();
    if (!type || *type == kEnclaveBody || !reader.take(kDescriptor - sizeof(std::uint16_t))) return std::nullopt;
  }
  if (!reader.take(kRtmrInBody)) return std::nullopt;
  std::array<ByteView, 4> rtmrs;
  for (ByteView& rtmr : rtmrs) {
    const auto taken = reader.take(kRtmrSize);
    if (!taken) return std::nullopt;
    rtmr = *taken;
  }
  return rtmrs;
}

}  // namespace coffer::attest::detect
