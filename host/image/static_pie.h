// Position-independent programs that were linked for a dynamic loader without needing one, made into static-pie ones.
//
// Makefiles written for other SDKs link enclaves with `ld -pie` and static libraries. What comes out differs from a
// static-pie program in two things, which this undoes: it names a loader (PT_INTERP), and its references to weak
// symbols that nothing defines stay relocations. The start-up code of a static-pie would resolve those to the program's
// own beginning, since it knows no other object; the program would then call what it takes for present.
#pragma once

#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace coffer::image {

// The program without PT_INTERP, with zero where it refers to undefined weak symbols. Refused (input error): a program
// that needs shared libraries, or symbols that nothing defines; the message names the first. A file that is no ELF
// program for x86-64 comes back as it is, for ElfProgram::parse() to refuse.
[[nodiscard]] Result<std::vector<std::byte>> as_static_pie(ByteView file, std::string_view name);

}  // namespace coffer::image
