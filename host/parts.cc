#include "host/parts.h"

#include <cstdlib>
#include <vector>

// Programs that were built against an installed Coffer say where that is (cmake/coffer_location.cc.in).
extern "C" __attribute__((weak)) const char coffer_libexec_folder[];

namespace coffer::host {

Result<std::filesystem::path> find_part(std::string_view name) {
  std::vector<std::filesystem::path> folders;
  if (const char* set = std::getenv("COFFER_LIBEXEC"); set != nullptr && *set != '\0') folders.emplace_back(set);
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) folders.push_back(self.parent_path().parent_path() / "libexec/coffer");
  if (coffer_libexec_folder != nullptr) {
    folders.push_back(std::filesystem::path(coffer_libexec_folder).lexically_normal());
  }
  folders.emplace_back(COFFER_INSTALLED_LIBEXEC);
  for (const char* usual : {"/usr/local/libexec/coffer", "/usr/libexec/coffer"}) folders.emplace_back(usual);
  for (const auto& folder : folders) {
    if (std::filesystem::is_regular_file(folder / name, error)) return folder / name;
  }
  return fail(ErrorKind::kSystem, std::string(name) + " is not found beside this program nor in " +
                                      folders[folders.size() - 3].string() + "; reinstall, or set COFFER_LIBEXEC");
}

}  // namespace coffer::host
