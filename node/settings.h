// cofferd.toml: what the daemon of a machine gives to whom. docs/daemon.md lists every key.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"
#include "node/accounts.h"

namespace coffer::node {

struct Settings {
  std::filesystem::path socket = "/run/coffer/cofferd.sock";
  std::filesystem::path state = "/var/lib/coffer";  // the platform's keys
  Limits limits;
  std::uint64_t warm = std::uint64_t{256} << 20;  // bytes of protected memory that are kept warm; 0: none
};

// What a machine of this much memory (bytes) has without a file: all of its memory, half of it for one user.
[[nodiscard]] Settings default_settings(std::uint64_t memory);

// Keys of the text over `settings`. An unknown key or a value out of range is refused with file and line.
[[nodiscard]] Result<Settings> parse_settings(std::string_view text, std::string_view file_name, Settings settings);

}  // namespace coffer::node
