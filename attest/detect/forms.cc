#include "attest/detect/forms.h"

#include <string>

#include "attest/x509/pem.h"
#include "base/hex.h"

namespace coffer::attest::detect {

std::optional<std::vector<std::byte>> decode_text(std::string_view text) {
  std::string characters;
  characters.reserve(text.size());
  for (const char each : text) {
    if (each == ' ' || each == '\t' || each == '\r' || each == '\n') continue;
    characters += each == '-' ? '+' : each == '_' ? '/' : each;
  }
  while (!characters.empty() && characters.back() == '\0') characters.pop_back();
  if (characters.empty()) return std::nullopt;
  if (auto bytes = from_hex(std::string_view(characters).substr(characters.starts_with("0x") ? 2 : 0))) return bytes;
  while (!characters.empty() && characters.back() == '=') characters.pop_back();
  while (characters.size() % 4 != 0) characters += '=';
  return x509::from_base64(characters);
}

}  // namespace coffer::attest::detect
