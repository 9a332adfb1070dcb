// What a compilation can be told.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace coffer::edl {

enum class Dialect : std::uint8_t { kCoffer, kOpenEnclave, kSgx };

enum class Warning : std::uint8_t {
  kForeignPointer,
  kNonPortableType,
  kPointerInStruct,
  kPointerInFunction,
  kReturnPointer,
  kSignedSize,
  kUnsupportedAllow,
  kUnusedPrivate,
};
inline constexpr std::size_t kWarnings = 8;

// As after -W; empty for numbers that are none.
[[nodiscard]] std::string_view name_of(Warning warning);

// -Wall, -Werror, -WNAME, -Wno-NAME, -Werror=NAME in any order: of several about one warning the strongest holds, where
// -Wno- is stronger than -Werror=, which is stronger than -W.
class WarningOptions {
 public:
  WarningOptions();
  // The text after "-W". False: no such option.
  [[nodiscard]] bool set(std::string_view option);
  enum class Level : std::uint8_t { kUnset, kWarning, kError, kIgnored };
  // kWarning, kError or kIgnored.
  [[nodiscard]] Level level(Warning warning) const;

 private:
  std::array<Level, kWarnings> levels_{};
  Level all_ = Level::kUnset, error_ = Level::kUnset;
};

struct Options {
  Dialect dialect = Dialect::kCoffer;
  std::vector<std::string> search_paths;
  std::set<std::string, std::less<>> defined;
  WarningOptions warnings;
  bool trusted = true, untrusted = true;  // which halves to write
  bool header_only = false;
  bool use_prefix = false;  // the enclave's name before the names of the host's stubs
  std::string trusted_directory = ".", untrusted_directory = ".";
};

}  // namespace coffer::edl
