// The C library's own functions, below the ones that this library puts in front of them. The linker sends every call of
// a wrapped name from this library's own code to its __wrap_ form (--wrap), which is one of these: what Coffer's own
// code maps and opens is never looked at.
#pragma once

#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <csignal>
#include <cstdio>

namespace coffer::emulate::real {

[[nodiscard]] void* map(void* address, std::size_t length, int protection, int flags, int descriptor, off_t offset);
int unmap(void* address, std::size_t length);
int protect(void* address, std::size_t length, int protection);
int open_at(int folder, const char* path, int flags, unsigned mode);
int close_descriptor(int descriptor);
int control(int descriptor, unsigned long request, unsigned long argument);
int alternate_stack(const stack_t* stack, stack_t* previous);
int signal_mask(int how, const sigset_t* set, sigset_t* previous);
// The next definition of a name after this library's; ends the process where there is none.
[[nodiscard]] void* next(const char* name);

template <class Function>
[[nodiscard]] Function* next_function(const char* name) {
  return reinterpret_cast<Function*>(next(name));
}

}  // namespace coffer::emulate::real
