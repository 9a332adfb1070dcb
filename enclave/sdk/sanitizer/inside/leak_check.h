// The leak check of a running program.
#pragma once

#include <cstddef>

namespace coffer::sanitizer {

// What nothing points to any more, reported: how many bytes.
std::size_t check_leaks();
// The same after main() and every destructor; ends the program with the status for leaks.
void check_leaks_at_exit();

}  // namespace coffer::sanitizer
