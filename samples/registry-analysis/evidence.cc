#include "evidence.h"

#include <openssl/evp.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fstream>
#include <stdexcept>

#if __has_include(<coffer/enclave.h>)
#include <coffer/enclave.h>
#define REGISTRY_IN_COFFER 1
#else
#define REGISTRY_IN_COFFER 0
#endif

namespace registry {
namespace {

// False where the text is not exactly the target's bytes in hexadecimal.
bool decode_hex(std::string_view text, Target& target) {
  if (text.size() != 2 * target.size()) return false;
  for (std::size_t i = 0; i < target.size(); ++i) {
    unsigned value = 0;
    const char* first = text.data() + 2 * i;
    if (std::from_chars(first, first + 2, value, 16).ptr != first + 2) return false;
    target[i] = static_cast<std::byte>(value);
  }
  return true;
}

}  // namespace

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

Target read_target(const std::string& digits_or_file) {
  Target target{};
  if (decode_hex(digits_or_file, target)) return target;
  std::ifstream input(digits_or_file, std::ios::binary);
  if (!input) throw std::runtime_error(digits_or_file + ": neither a file nor a target of 1024 hexadecimal digits");
  std::string content(4 * target.size(), '\0');
  input.read(content.data(), static_cast<std::streamsize>(content.size()));
  content.resize(static_cast<std::size_t>(input.gcount()));
  if (content.size() == target.size()) {
    std::memcpy(target.data(), content.data(), target.size());
    return target;
  }
  while (!content.empty() && content.back() == '\n') content.pop_back();
  if (!decode_hex(content, target)) {
    throw std::runtime_error(digits_or_file + ": not a target: 512 bytes or 1024 hexadecimal digits are needed");
  }
  return target;
}

#if REGISTRY_IN_COFFER

std::optional<Report> report_about(const Digest& result, const Target& target) {
  std::array<std::byte, 64> data{};
  std::copy(result.begin(), result.end(), data.begin());
  const auto report = coffer::report(data, target);
  if (!report && coffer::inside()) throw std::runtime_error("the processor makes no report for this target");
  if (!report) return std::nullopt;
  return Report(report->begin(), report->end());
}

#else

std::optional<Report> report_about(const Digest& /*result*/, const Target& /*target*/) { return std::nullopt; }

#endif

}  // namespace registry
