#include "cli/input.h"

#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/file.h"

namespace coffer::cli {

Result<std::string> read_text(const std::string& path, std::size_t limit) {
  if (path != "-") {
    const auto content = read_file(path, limit);
    if (!content) return std::unexpected(content.error());
    return std::string(reinterpret_cast<const char*>(content->data()), content->size());
  }
  std::string text;
  std::array<char, 65536> part{};
  while (true) {
    const ssize_t count = ::read(STDIN_FILENO, part.data(), part.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error("cannot read standard input", errno);
    if (count == 0) return text;
    text.append(part.data(), static_cast<std::size_t>(count));
    if (text.size() > limit) {
      return input_error("standard input holds more than " + std::to_string(limit) + " bytes: give less");
    }
  }
}

}  // namespace coffer::cli
