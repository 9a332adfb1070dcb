// Paths as text. Freestanding; no state.
#pragma once

#include <string>
#include <string_view>

#include "enclave/kernel/fs/vfs.h"

namespace coffer::kernel::fs {

inline constexpr std::size_t kMaxName = 255;
inline constexpr std::size_t kMaxPathLength = 4095;

// `path` from the directory `base` (absolute and normalised) as an absolute path without "", "." and "..": "/" or
// "/a/b". ".." is taken lexically, before any symbolic link is looked at. ENOENT for "", ENAMETOOLONG.
Expected<std::string> normalise(std::string_view base, std::string_view path);

// True where the path says that its last component must be a directory: "a/", "a/.", "a/..".
bool wants_directory(std::string_view path);

// "/a/b" -> "/a"; "/a" -> "/". And "b", "a".
std::string_view parent_of(std::string_view absolute);
std::string_view name_of(std::string_view absolute);

// What remains of `path` beneath `directory`, both normalised and absolute, without a leading '/'; false where it is
// not beneath it. A directory is beneath itself ("").
bool beneath(std::string_view directory, std::string_view path, std::string_view* rest);

}  // namespace coffer::kernel::fs
