#include "host/image/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "base/file.h"
#include "base/hex.h"
#include "base/text.h"
#include "host/image/coffer_image.h"
#include "host/image/network_rules.h"
#include "host/image/toml_library.h"

namespace coffer::image {
namespace {

constexpr std::array<std::string_view, 27> kKnown = {
    "name",
    "product_id",
    "svn",
    "family_id",
    "extended_product_id",
    "debug",
    "threads",
    "stack",
    "heap_max",
    "dynamic_code",
    "report_data",
    "working_directory",
    "files",
    "files.host",
    "files.enclave",
    "mounts",
    "mounts.path",
    "mounts.kind",
    "mounts.key",
    "mounts.read_only",
    "environment",
    "environment.allow",
    "environment.set",
    "environment.any",
    "network",
    "network.bind",
    "network.connect",
};

// A key in the file: its full name for messages and its value.
struct Entry {
  std::string key;
  const toml::node& value;
};

// Reads one coffer.toml. The first thing that is wrong ends it, with its line.
class Reader {
 public:
  Reader(std::string_view file_name, const std::filesystem::path& directory)
      : file_name_(file_name), directory_(directory) {}

  Result<Settings> read(const toml::table& root);

 private:
  using Handler = Result<void> (Reader::*)(const Entry&);
  struct Key {
    std::string_view name;
    Handler handler;
  };

  std::unexpected<Error> wrong(const toml::source_region& where, std::string_view what) const {
    return input_error(fmt::format("{}:{}: {}", file_name_, where.begin.line, one_line(what)));
  }
  std::unexpected<Error> wrong(const Entry& entry, std::string_view what) const {
    return wrong(entry.value.source(), fmt::format("{} {}", entry.key, what));
  }

  // Gives every key of the table to its handler; a key without one is an error that lists those there are.
  Result<void> table(const toml::table& table, std::string_view prefix, std::span<const Key> keys);
  Result<void> records(const Entry& entry, std::span<const Key> keys, Handler begin);

  Result<std::int64_t> integer(const Entry& entry, std::int64_t least, std::int64_t most) const;
  Result<bool> boolean(const Entry& entry) const;
  Result<std::string> text(const Entry& entry) const;
  Result<std::string> inner_path(const Entry& entry) const;
  Result<std::uint64_t> size(const Entry& entry, std::uint64_t least, std::uint64_t most) const;
  Result<sgx::Bytes<16>> identifier(const Entry& entry);

  Result<void> name(const Entry& entry);
  Result<void> product_id(const Entry& entry);
  Result<void> svn(const Entry& entry);
  Result<void> family_id(const Entry& entry);
  Result<void> extended_product_id(const Entry& entry);
  Result<void> debug(const Entry& entry);
  Result<void> threads(const Entry& entry);
  Result<void> stack(const Entry& entry);
  Result<void> heap_max(const Entry& entry);
  Result<void> dynamic_code(const Entry& entry);
  Result<void> report_data(const Entry& entry);
  Result<void> working_directory(const Entry& entry);
  Result<void> files(const Entry& entry);
  Result<void> file_begin(const Entry& entry);
  Result<void> file_host(const Entry& entry);
  Result<void> file_enclave(const Entry& entry);
  Result<void> mounts(const Entry& entry);
  Result<void> mount_begin(const Entry& entry);
  Result<void> mount_path(const Entry& entry);
  Result<void> mount_kind(const Entry& entry);
  Result<void> mount_key(const Entry& entry);
  Result<void> mount_read_only(const Entry& entry);
  Result<void> environment(const Entry& entry);
  Result<void> environment_allow(const Entry& entry);
  Result<void> environment_set(const Entry& entry);
  Result<void> environment_any(const Entry& entry);
  Result<void> network(const Entry& entry);
  Result<void> network_bind(const Entry& entry);
  Result<void> network_connect(const Entry& entry);
  Result<void> network_patterns(const Entry& entry, boundary::NetworkDirection direction);

  std::string file_name_;
  std::filesystem::path directory_;
  Settings settings_;
};

bool is_environment_name(std::string_view name) {
  return !name.empty() && name.size() < 256 && name.find_first_of(std::string_view("=\0", 2)) == std::string_view::npos;
}

Result<void> Reader::table(const toml::table& table, std::string_view prefix, std::span<const Key> keys) {
  for (const auto& [key, value] : table) {
    auto known = std::ranges::find(keys, key.str(), &Key::name);
    if (known == keys.end()) {
      std::string names;
      for (const Key& each : keys) names += (names.empty() ? "" : ", ") + std::string(each.name);
      return wrong(key.source(), fmt::format("unknown key {}{}; known here: {}", prefix, key.str(), names));
    }
    Entry entry{fmt::format("{}{}", prefix, key.str()), value};
    if (auto done = (this->*known->handler)(entry); !done) return done;
  }
  return {};
}

Result<void> Reader::records(const Entry& entry, std::span<const Key> keys, Handler begin) {
  const toml::array* array = entry.value.as_array();
  if (array == nullptr) return wrong(entry, fmt::format("must be tables: write [[{}]]", entry.key));
  for (const toml::node& node : *array) {
    const toml::table* record = node.as_table();
    Entry element{entry.key, node};
    if (record == nullptr) return wrong(element, fmt::format("must be tables: write [[{}]]", entry.key));
    if (auto begun = (this->*begin)(element); !begun) return begun;
    if (auto done = table(*record, entry.key + ".", keys); !done) return done;
  }
  return {};
}

Result<std::int64_t> Reader::integer(const Entry& entry, std::int64_t least, std::int64_t most) const {
  auto value = entry.value.value_exact<std::int64_t>();
  if (!value || *value < least || *value > most) {
    return wrong(entry, fmt::format("must be a whole number from {} to {}", least, most));
  }
  return *value;
}

Result<bool> Reader::boolean(const Entry& entry) const {
  auto value = entry.value.value_exact<bool>();
  if (!value) return wrong(entry, "must be true or false");
  return *value;
}

Result<std::string> Reader::text(const Entry& entry) const {
  auto value = entry.value.value_exact<std::string>();
  if (!value || value->empty() || value->size() > 4096 || value->find('\0') != std::string::npos) {
    return wrong(entry, "must be a text in quotes, not empty");
  }
  return *value;
}

Result<std::string> Reader::inner_path(const Entry& entry) const {
  auto path = text(entry);
  if (!path) return path;
  bool clean = path->size() < 256 && path->size() > 1 && path->front() == '/' && path->back() != '/' &&
               std::filesystem::path(*path).lexically_normal() == *path;
  if (!clean) return wrong(entry, "must be an absolute path like \"/data\", without \"..\" or a slash at the end");
  return path;
}

Result<std::uint64_t> Reader::size(const Entry& entry, std::uint64_t least, std::uint64_t most) const {
  Result<std::uint64_t> value = input_error("must be a size like \"96M\" or a number of bytes");
  if (auto bytes = entry.value.value_exact<std::int64_t>(); bytes && *bytes >= 0) {
    value = static_cast<std::uint64_t>(*bytes);
  } else if (auto string = entry.value.value_exact<std::string>()) {
    value = parse_size(*string);
  }
  if (!value) return wrong(entry, value.error().message);
  if (*value < least || *value > most) return wrong(entry, fmt::format("must be from {} to {} bytes", least, most));
  return value;
}

Result<sgx::Bytes<16>> Reader::identifier(const Entry& entry) {
  auto value = text(entry);
  if (!value) return std::unexpected(value.error());
  auto bytes = from_hex(*value);
  if (!bytes || bytes->size() != 16) return wrong(entry, "must be 32 hexadecimal digits in quotes");
  sgx::Bytes<16> id{};
  std::memcpy(id.data(), bytes->data(), id.size());
  settings_.key_separation = true;
  return id;
}

// Puts a value that was read into its place.
template <class T, class U>
Result<void> store(T& place, Result<U> value) {
  if (!value) return std::unexpected(std::move(value.error()));
  place = static_cast<T>(std::move(*value));
  return {};
}

Result<void> Reader::name(const Entry& entry) {
  if (auto stored = store(settings_.name, text(entry)); !stored) return stored;
  if (settings_.name.size() > 255) return wrong(entry, "must have at most 255 bytes");
  return {};
}
Result<void> Reader::product_id(const Entry& entry) { return store(settings_.product_id, integer(entry, 0, 65535)); }
Result<void> Reader::svn(const Entry& entry) { return store(settings_.svn, integer(entry, 0, 65535)); }
Result<void> Reader::family_id(const Entry& entry) { return store(settings_.family_id, identifier(entry)); }
Result<void> Reader::extended_product_id(const Entry& entry) {
  return store(settings_.extended_product_id, identifier(entry));
}
Result<void> Reader::debug(const Entry& entry) { return store(settings_.debug, boolean(entry)); }
Result<void> Reader::threads(const Entry& entry) { return store(settings_.threads, integer(entry, 1, kMaxThreads)); }
Result<void> Reader::stack(const Entry& entry) { return store(settings_.stack, size(entry, kMinStack, kMaxStack)); }
Result<void> Reader::heap_max(const Entry& entry) { return store(settings_.heap_max, size(entry, kMinHeap, kMaxHeap)); }
Result<void> Reader::dynamic_code(const Entry& entry) { return store(settings_.dynamic_code, boolean(entry)); }
Result<void> Reader::report_data(const Entry& entry) {
  const auto who = text(entry);
  if (!who || (*who != "host" && *who != "program")) return wrong(entry, "must be \"host\" or \"program\"");
  settings_.host_report_data = *who == "host";
  return {};
}
Result<void> Reader::working_directory(const Entry& entry) {
  return store(settings_.working_directory, inner_path(entry));
}

Result<void> Reader::files(const Entry& entry) {
  static constexpr Key kKeys[] = {{"host", &Reader::file_host}, {"enclave", &Reader::file_enclave}};
  return records(entry, kKeys, &Reader::file_begin);
}
Result<void> Reader::file_begin(const Entry& entry) {
  const toml::table& record = *entry.value.as_table();
  if (!record.contains("host") || !record.contains("enclave")) {
    return wrong(entry, "needs both keys host and enclave in each entry");
  }
  settings_.files.emplace_back();
  return {};
}
Result<void> Reader::file_host(const Entry& entry) {
  auto path = text(entry);
  if (path) settings_.files.back().host = directory_ / *path;
  return path ? Result<void>{} : std::unexpected(path.error());
}
Result<void> Reader::file_enclave(const Entry& entry) {
  return store(settings_.files.back().enclave, inner_path(entry));
}

Result<void> Reader::mounts(const Entry& entry) {
  static constexpr Key kKeys[] = {{"path", &Reader::mount_path},
                                  {"kind", &Reader::mount_kind},
                                  {"key", &Reader::mount_key},
                                  {"read_only", &Reader::mount_read_only}};
  return records(entry, kKeys, &Reader::mount_begin);
}
Result<void> Reader::mount_begin(const Entry& entry) {
  const toml::table& record = *entry.value.as_table();
  if (!record.contains("path") || !record.contains("kind")) {
    return wrong(entry, "needs the keys path and kind in each entry");
  }
  const auto kind = record["kind"].value<std::string_view>();
  if (kind == "encrypted" && !record.contains("key")) {
    return wrong(entry, "needs key = \"mrenclave\", \"mrsigner\" or \"given\" where kind = \"encrypted\"");
  }
  if (kind == "plain" && record.contains("key")) return wrong(entry, "has a key, but kind = \"plain\" uses none");
  settings_.mounts.emplace_back();
  return {};
}
Result<void> Reader::mount_path(const Entry& entry) { return store(settings_.mounts.back().path, inner_path(entry)); }
Result<void> Reader::mount_kind(const Entry& entry) {
  const auto kind = entry.value.value<std::string_view>();
  auto& mount = settings_.mounts.back();
  if (kind == "plain") {
    mount.kind = boundary::MountKind::kPlain;
  } else if (kind == "encrypted") {
    mount.kind = boundary::MountKind::kEncrypted;
  } else {
    return wrong(entry, "must be \"plain\" or \"encrypted\"");
  }
  return {};
}
Result<void> Reader::mount_key(const Entry& entry) {
  const auto key = entry.value.value<std::string_view>();
  auto& mount = settings_.mounts.back();
  if (key == "mrenclave") {
    mount.key = MountKey::kMrEnclave;
  } else if (key == "mrsigner") {
    mount.key = MountKey::kMrSigner;
  } else if (key == "given") {
    mount.key = MountKey::kGiven;
  } else {
    return wrong(entry, "must be \"mrenclave\", \"mrsigner\" or \"given\"");
  }
  return {};
}
Result<void> Reader::mount_read_only(const Entry& entry) {
  return store(settings_.mounts.back().read_only, boolean(entry));
}

Result<void> Reader::environment(const Entry& entry) {
  static constexpr Key kKeys[] = {
      {"allow", &Reader::environment_allow}, {"set", &Reader::environment_set}, {"any", &Reader::environment_any}};
  const toml::table* values = entry.value.as_table();
  if (values == nullptr) return wrong(entry, "must be a table: write [environment]");
  return table(*values, "environment.", kKeys);
}
Result<void> Reader::environment_allow(const Entry& entry) {
  const toml::array* names = entry.value.as_array();
  if (names == nullptr) return wrong(entry, "must be a list of names like [\"TZ\", \"LANG\"]");
  for (const toml::node& node : *names) {
    auto name = text({entry.key, node});
    if (!name || !is_environment_name(*name)) return wrong({entry.key, node}, "must hold names without \"=\"");
    settings_.environment_allow.push_back(*name);
  }
  return {};
}
Result<void> Reader::environment_set(const Entry& entry) {
  const toml::table* values = entry.value.as_table();
  if (values == nullptr) return wrong(entry, "must be a table: write [environment.set]");
  for (const auto& [name, value] : *values) {  // a toml::table is sorted, so the image is reproducible
    auto string = value.value_exact<std::string>();
    if (!is_environment_name(name.str()) || !string || string->find('\0') != std::string::npos) {
      return wrong(name.source(), fmt::format("environment.set.{} must be a text in quotes", name.str()));
    }
    settings_.environment_set.push_back(fmt::format("{}={}", name.str(), *string));
  }
  return {};
}
Result<void> Reader::environment_any(const Entry& entry) { return store(settings_.environment_any, boolean(entry)); }

Result<void> Reader::network(const Entry& entry) {
  static constexpr Key kKeys[] = {{"bind", &Reader::network_bind}, {"connect", &Reader::network_connect}};
  const toml::table* values = entry.value.as_table();
  if (values == nullptr) return wrong(entry, "must be a table: write [network]");
  return table(*values, "network.", kKeys);
}
Result<void> Reader::network_bind(const Entry& entry) {
  return network_patterns(entry, boundary::NetworkDirection::kBind);
}
Result<void> Reader::network_connect(const Entry& entry) {
  return network_patterns(entry, boundary::NetworkDirection::kConnect);
}
Result<void> Reader::network_patterns(const Entry& entry, boundary::NetworkDirection direction) {
  const toml::array* patterns = entry.value.as_array();
  if (patterns == nullptr) return wrong(entry, "must be a list of patterns like [\"tcp:127.0.0.1:8080\"]");
  for (const toml::node& node : *patterns) {
    const auto pattern = text({entry.key, node});
    if (!pattern) return std::unexpected(pattern.error());
    const auto rule = parse_network_rule(*pattern, direction);
    if (!rule) return wrong({entry.key, node}, "holds a wrong entry: " + rule.error().message);
    if (settings_.network.size() == boundary::kMaxNetworkRules) {
      return wrong(entry, fmt::format("and its sister hold more than {} patterns", boundary::kMaxNetworkRules));
    }
    settings_.network.push_back(*rule);
  }
  return {};
}

Result<Settings> Reader::read(const toml::table& root) {
  static constexpr Key kKeys[] = {{"name", &Reader::name},
                                  {"product_id", &Reader::product_id},
                                  {"svn", &Reader::svn},
                                  {"family_id", &Reader::family_id},
                                  {"extended_product_id", &Reader::extended_product_id},
                                  {"debug", &Reader::debug},
                                  {"threads", &Reader::threads},
                                  {"stack", &Reader::stack},
                                  {"heap_max", &Reader::heap_max},
                                  {"dynamic_code", &Reader::dynamic_code},
                                  {"report_data", &Reader::report_data},
                                  {"working_directory", &Reader::working_directory},
                                  {"files", &Reader::files},
                                  {"mounts", &Reader::mounts},
                                  {"environment", &Reader::environment},
                                  {"network", &Reader::network}};
  if (auto done = table(root, "", kKeys); !done) return std::unexpected(done.error());
  if (auto checked = check_settings(settings_); !checked) {
    return input_error(fmt::format("{}: {}", file_name_, checked.error().message));
  }
  return std::move(settings_);
}

}  // namespace

Result<Settings> parse_settings(std::string_view text, std::string_view file_name,
                                const std::filesystem::path& directory) {
  try {
    return Reader(file_name, directory).read(toml::parse(text, file_name));
  } catch (const toml::parse_error& error) {
    return input_error(fmt::format("{}:{}: {}", file_name, error.source().begin.line, one_line(error.description())));
  } catch (const MalformedToml&) {  // has no line
    return input_error(
        fmt::format("{}: is not TOML; look for a table header like \"[ [name]]\" that should be [[name]]", file_name));
  }
}

Result<Settings> read_settings(const std::filesystem::path& path) {
  constexpr std::size_t kLimit = 1 << 20;
  auto content = read_file(path, kLimit);
  if (!content) return std::unexpected(content.error());
  std::string_view text(reinterpret_cast<const char*>(content->data()), content->size());
  return parse_settings(text, path.string(), path.parent_path());
}

Result<void> check_settings(const Settings& settings) {
  if (settings.environment_any && !settings.debug) {
    return input_error("environment.any = true is for debug images only; list the names in environment.allow");
  }
  if (settings.stack > settings.heap_max / 2) {
    return input_error(
        fmt::format("a stack of {} bytes does not fit a heap_max of {}; heap_max must be at least twice "
                    "the stack",
                    settings.stack, settings.heap_max));
  }
  std::set<std::string_view> paths;
  for (const auto& file : settings.files) {
    if (!paths.insert(file.enclave).second) return input_error(file.enclave + " is given twice");
  }
  for (const auto& mount : settings.mounts) {
    if (!paths.insert(mount.path).second) return input_error(mount.path + " is given twice");
  }
  return {};
}

Result<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  unsigned shift = 0;
  if (unit == "K") shift = 10;
  if (unit == "M") shift = 20;
  if (unit == "G") shift = 30;
  if (error != std::errc{} || (!unit.empty() && shift == 0)) {
    return input_error(fmt::format("\"{}\" is not a size: write a number of bytes, or one with K, M or G", text));
  }
  if (value > UINT64_MAX >> shift) return input_error(fmt::format("\"{}\" is too large", text));
  return value << shift;
}

std::span<const std::string_view> known_settings() { return kKnown; }

}  // namespace coffer::image
