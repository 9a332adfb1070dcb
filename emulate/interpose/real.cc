#include "emulate/interpose/real.h"

#include <dlfcn.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>

namespace coffer::emulate::real {

void* map(void* address, std::size_t length, int protection, int flags, int descriptor, off_t offset) {
  return reinterpret_cast<void*>(::syscall(SYS_mmap, address, length, protection, flags, descriptor, offset));
}
int unmap(void* address, std::size_t length) { return static_cast<int>(::syscall(SYS_munmap, address, length)); }
int protect(void* address, std::size_t length, int protection) {
  return static_cast<int>(::syscall(SYS_mprotect, address, length, protection));
}
int open_at(int folder, const char* path, int flags, unsigned mode) {
  return static_cast<int>(::syscall(SYS_openat, folder, path, flags, mode));
}
int close_descriptor(int descriptor) { return static_cast<int>(::syscall(SYS_close, descriptor)); }
int control(int descriptor, unsigned long request, unsigned long argument) {
  return static_cast<int>(::syscall(SYS_ioctl, descriptor, request, argument));
}
int alternate_stack(const stack_t* stack, stack_t* previous) {
  return static_cast<int>(::syscall(SYS_sigaltstack, stack, previous));
}
int signal_mask(int how, const sigset_t* set, sigset_t* previous) {
  return static_cast<int>(::syscall(SYS_rt_sigprocmask, how, set, previous, 8));
}
void* next(const char* name) {
  // dlsym itself stands in front of the C library's; its version says which one is meant.
  using Lookup = void* (*)(void*, const char*);
  static const auto lookup = reinterpret_cast<Lookup>(::dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5"));
  void* found = lookup == nullptr ? nullptr : lookup(RTLD_NEXT, name);
  if (found == nullptr) std::abort();
  return found;
}

}  // namespace coffer::emulate::real

using namespace coffer::emulate;

// What the linker makes of this library's own calls.
extern "C" {
void* __wrap_mmap(void* address, std::size_t length, int protection, int flags, int descriptor, off_t offset) {
  return real::map(address, length, protection, flags, descriptor, offset);
}
void* __wrap_mmap64(void* address, std::size_t length, int protection, int flags, int descriptor, off_t offset) {
  return real::map(address, length, protection, flags, descriptor, offset);
}
int __wrap_munmap(void* address, std::size_t length) { return real::unmap(address, length); }
int __wrap_mprotect(void* address, std::size_t length, int protection) {
  return real::protect(address, length, protection);
}
int __wrap_open(const char* path, int flags, unsigned mode) { return real::open_at(AT_FDCWD, path, flags, mode); }
int __wrap_open64(const char* path, int flags, unsigned mode) { return real::open_at(AT_FDCWD, path, flags, mode); }
int __wrap_openat(int folder, const char* path, int flags, unsigned mode) {
  return real::open_at(folder, path, flags, mode);
}
int __wrap_close(int descriptor) { return real::close_descriptor(descriptor); }
int __wrap_ioctl(int descriptor, unsigned long request, unsigned long argument) {
  return real::control(descriptor, request, argument);
}
int __wrap_sigaltstack(const stack_t* stack, stack_t* previous) { return real::alternate_stack(stack, previous); }
int __wrap_stat(const char* path, struct stat* status) { return ::fstatat(AT_FDCWD, path, status, 0); }
std::FILE* __wrap_fopen(const char* path, const char* mode) {
  static const auto function = real::next_function<std::FILE*(const char*, const char*)>("fopen");
  return function(path, mode);
}
std::FILE* __wrap_fopen64(const char* path, const char* mode) { return __wrap_fopen(path, mode); }
}
