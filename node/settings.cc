#include "node/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "host/image/settings.h"
#include "host/image/toml_library.h"

namespace coffer::node {

namespace {

constexpr std::uint32_t kDefaultEnclaves = 64;
constexpr std::int64_t kMostEnclaves = 65536;

Result<std::uint64_t> size_of(const toml::node& value) {
  if (auto bytes = value.value_exact<std::int64_t>(); bytes && *bytes >= 0) return static_cast<std::uint64_t>(*bytes);
  if (auto text = value.value_exact<std::string>()) return image::parse_size(*text);
  return input_error("must be a size like \"96M\" or a number of bytes");
}

Result<void> set_size(std::uint64_t& place, const toml::node& value) {
  auto size = size_of(value);
  if (!size) return std::unexpected(size.error());
  place = *size;
  return {};
}

Result<void> set_path(std::filesystem::path& place, const toml::node& value) {
  auto text = value.value_exact<std::string>();
  if (!text || !text->starts_with('/') || text->find('\0') != std::string::npos) {
    return input_error("must be an absolute path in quotes");
  }
  place = *text;
  return {};
}

struct Key {
  std::string_view name;
  Result<void> (*set)(Settings&, const toml::node&);
};

constexpr std::array kKeys = {
    Key{"socket", [](Settings& s, const toml::node& v) { return set_path(s.socket, v); }},
    Key{"state", [](Settings& s, const toml::node& v) { return set_path(s.state, v); }},
    Key{"epc", [](Settings& s, const toml::node& v) { return set_size(s.limits.total, v); }},
    Key{"epc_per_user", [](Settings& s, const toml::node& v) { return set_size(s.limits.per_user, v); }},
    Key{"warm", [](Settings& s, const toml::node& v) { return set_size(s.warm, v); }},
    Key{"enclaves_per_user",
        [](Settings& s, const toml::node& v) -> Result<void> {
          auto number = v.value_exact<std::int64_t>();
          if (!number || *number < 1 || *number > kMostEnclaves) {
            return input_error(fmt::format("must be a whole number from 1 to {}", kMostEnclaves));
          }
          s.limits.enclaves_per_user = static_cast<std::uint32_t>(*number);
          return {};
        }},
};

Result<void> apply(const toml::table& table, std::string_view file_name, Settings& settings) {
  for (const auto& [name, value] : table) {
    const auto key = std::ranges::find(kKeys, name.str(), &Key::name);
    if (key == kKeys.end()) {
      std::string known;
      for (const Key& each : kKeys) known += (known.empty() ? "" : ", ") + std::string(each.name);
      return input_error(fmt::format("{}:{}: unknown key {}; known: {}", file_name, name.source().begin.line,
                                     one_line(name.str()), known));
    }
    if (auto set = key->set(settings, value); !set) {
      return input_error(
          fmt::format("{}:{}: {} {}", file_name, value.source().begin.line, key->name, one_line(set.error().message)));
    }
  }
  return {};
}

}  // namespace

Settings default_settings(std::uint64_t memory) {
  Settings settings;
  settings.limits = {.total = memory, .per_user = memory / 2, .enclaves_per_user = kDefaultEnclaves};
  return settings;
}

Result<Settings> parse_settings(std::string_view text, std::string_view file_name, Settings settings) {
  try {
    const toml::table table = toml::parse(text);
    if (auto applied = apply(table, file_name, settings); !applied) return std::unexpected(applied.error());
  } catch (const toml::parse_error& error) {
    return input_error(fmt::format("{}:{}: {}", file_name, error.source().begin.line, one_line(error.description())));
  } catch (const image::MalformedToml& error) {
    return input_error(fmt::format("{}:1: {}", file_name, error.what()));
  }
  return settings;
}

}  // namespace coffer::node
