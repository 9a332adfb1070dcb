#include "compat/openenclave/host/place.h"

#include <link.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

namespace coffer::openenclave {
namespace {

// The program's DT_RUNPATH or DT_RPATH.
std::string_view search_path() {
  const char* names = nullptr;
  ElfW(Xword) offset = 0;
  bool found = false;
  for (const ElfW(Dyn)* entry = _DYNAMIC; entry->d_tag != DT_NULL; ++entry) {
    if (entry->d_tag == DT_STRTAB) names = reinterpret_cast<const char*>(entry->d_un.d_ptr);
    if (entry->d_tag != DT_RUNPATH && entry->d_tag != DT_RPATH) continue;
    offset = entry->d_un.d_val;
    found = true;
  }
  return found && names != nullptr ? std::string_view(names + offset) : std::string_view{};
}

}  // namespace

void find_installation() {
  if (std::getenv("COFFER_LIBEXEC") != nullptr) return;
  std::string_view folders = search_path();
  while (!folders.empty()) {
    const auto end = folders.find(':');
    const std::filesystem::path folder(folders.substr(0, end));
    folders = end == std::string_view::npos ? std::string_view{} : folders.substr(end + 1);
    std::error_code error;
    if (std::filesystem::is_regular_file(folder / "coffer-cell", error)) {
      ::setenv("COFFER_LIBEXEC", folder.c_str(), 0);
      return;
    }
  }
}

}  // namespace coffer::openenclave
