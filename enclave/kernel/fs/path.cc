#include "enclave/kernel/fs/path.h"

#include <errno.h>

namespace coffer::kernel::fs {

Expected<std::string> normalise(std::string_view base, std::string_view path) {
  if (path.empty()) return error(ENOENT);
  if (path.size() > kMaxPathLength) return error(ENAMETOOLONG);
  std::string out;
  if (path.front() != '/' && base != "/") out = base;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      const std::size_t last = out.rfind('/');
      out.resize(last == std::string::npos ? 0 : last);
      continue;
    }
    if (part.size() > kMaxName) return error(ENAMETOOLONG);
    out.push_back('/');
    out.append(part);
  }
  if (out.size() > kMaxPathLength) return error(ENAMETOOLONG);
  if (out.empty()) out.push_back('/');
  return out;
}

bool wants_directory(std::string_view path) {
  const std::string_view last = path.substr(path.rfind('/') + 1);  // npos + 1 is 0
  return last.empty() || last == "." || last == "..";
}

std::string_view parent_of(std::string_view absolute) {
  const std::size_t slash = absolute.rfind('/');
  return slash == 0 || slash == std::string_view::npos ? std::string_view("/") : absolute.substr(0, slash);
}

std::string_view name_of(std::string_view absolute) { return absolute.substr(absolute.rfind('/') + 1); }

bool beneath(std::string_view directory, std::string_view path, std::string_view* rest) {
  if (directory == "/") {
    *rest = path.substr(1);
    return true;
  }
  if (!path.starts_with(directory)) return false;
  if (path.size() == directory.size()) {
    *rest = {};
    return true;
  }
  if (path[directory.size()] != '/') return false;
  *rest = path.substr(directory.size() + 1);
  return true;
}

}  // namespace coffer::kernel::fs
