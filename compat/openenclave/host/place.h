#pragma once

namespace coffer::openenclave {

// Lets the library find the installation that the program was linked with: its linker options (pkg-config, CMake) name
// libexec/coffer as a place for shared libraries, which the program carries with it. $COFFER_LIBEXEC goes before.
void find_installation();

}  // namespace coffer::openenclave
