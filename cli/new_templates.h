// What `coffer new` writes. "@NAME@" stands for the project's name.
#pragma once

#include <span>
#include <string_view>

namespace coffer::cli {

struct TemplateFile {
  const char* name;  // relative to the project
  std::string_view text;
};

[[nodiscard]] std::span<const TemplateFile> program_template();
[[nodiscard]] std::span<const TemplateFile> two_part_template();

}  // namespace coffer::cli
