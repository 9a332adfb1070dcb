#include "evidence.h"

#include <openssl/evp.h>

#include <algorithm>
#include <stdexcept>

#if __has_include(<coffer/enclave.h>)
#include <coffer/enclave.h>
#define REGISTRY_IN_COFFER 1
#else
#define REGISTRY_IN_COFFER 0
#endif

namespace registry {

Digest sha256(std::string_view text) {
  Digest digest{};
  if (EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr, EVP_sha256(),
                 nullptr) != 1) {
    throw std::runtime_error("SHA-256 failed");
  }
  return digest;
}

std::string hex(const std::byte* bytes, std::size_t size) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < size; ++i) {
    const auto value = std::to_integer<unsigned>(bytes[i]);
    text += digits[value >> 4];
    text += digits[value & 15];
  }
  return text;
}

std::optional<std::vector<std::byte>> report_about(const Digest& result) {
#if REGISTRY_IN_COFFER
  std::array<std::byte, 64> data{};
  std::copy(result.begin(), result.end(), data.begin());
  const auto report = coffer::report(data);
  if (!report) return std::nullopt;
  return std::vector<std::byte>(report->begin(), report->end());
#else
  static_cast<void>(result);
  return std::nullopt;
#endif
}

}  // namespace registry
