#include "edl/options.h"

#include <algorithm>

namespace coffer::edl {
namespace {

constexpr std::array<std::string_view, kWarnings> kNames{
    "foreign-type-ptr", "non-portable-type",    "ptr-in-struct",     "ptr-in-function",
    "return-ptr",       "signed-size-or-count", "unsupported-allow", "unused-private"};

}  // namespace

std::string_view name_of(Warning warning) { return kNames[static_cast<std::size_t>(warning)]; }

WarningOptions::WarningOptions() {
  for (const Warning on : {Warning::kNonPortableType, Warning::kSignedSize, Warning::kUnusedPrivate}) {
    levels_[static_cast<std::size_t>(on)] = Level::kWarning;
  }
}

bool WarningOptions::set(std::string_view option) {
  Level level = Level::kWarning;
  if (option.starts_with("no-")) {
    level = Level::kIgnored;
    option.remove_prefix(3);
  } else if (option.starts_with("error=")) {
    level = Level::kError;
    option.remove_prefix(6);
  }
  Level* target = nullptr;
  if (option == "all" || option == "error") {
    if (level == Level::kError) return false;
    target = option == "all" ? &all_ : &error_;
  } else {
    const auto found = std::find(kNames.begin(), kNames.end(), option);
    if (found == kNames.end()) return false;
    target = &levels_[static_cast<std::size_t>(found - kNames.begin())];
  }
  *target = std::max(*target, level);
  return true;
}

WarningOptions::Level WarningOptions::level(Warning warning) const {
  const Level own = levels_[static_cast<std::size_t>(warning)];
  if (own == Level::kIgnored || own == Level::kError) return own;
  if (own == Level::kUnset && all_ != Level::kWarning) return Level::kIgnored;
  return error_ == Level::kWarning ? Level::kError : Level::kWarning;
}

}  // namespace coffer::edl
