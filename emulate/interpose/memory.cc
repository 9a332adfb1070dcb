// mmap, munmap, mprotect, ioctl, close of the program.
#include <cerrno>
#include <cstdarg>

#include "emulate/interpose/real.h"
#include "emulate/interpose/registry.h"

using namespace coffer::emulate;

namespace {

std::uint64_t number(const void* address) { return reinterpret_cast<std::uint64_t>(address); }

void* map(void* address, std::size_t length, int protection, int flags, int descriptor, off_t offset) {
  Registry& registry = Registry::instance();
  if (descriptor >= 0 && (flags & MAP_ANONYMOUS) == 0) {
    if (const auto device = registry.find(descriptor)) return registry.map(device, address, length, protection, flags);
  }
  if ((flags & MAP_FIXED) != 0 && registry.touches(number(address), length)) registry.forget(number(address), length);
  return real::map(address, length, protection, flags, descriptor, offset);
}

}  // namespace

extern "C" {

void* mmap(void* address, std::size_t length, int protection, int flags, int descriptor, off_t offset) noexcept {
  return map(address, length, protection, flags, descriptor, offset);
}
void* mmap64(void* address, std::size_t length, int protection, int flags, int descriptor, off_t offset) noexcept {
  return map(address, length, protection, flags, descriptor, offset);
}

int munmap(void* address, std::size_t length) noexcept {
  Registry& registry = Registry::instance();
  if (registry.touches(number(address), length)) registry.forget(number(address), length);
  return real::unmap(address, length);
}

int mprotect(void* address, std::size_t length, int protection) noexcept {
  Registry& registry = Registry::instance();
  if (registry.touches(number(address), length)) return registry.protect(number(address), length, protection);
  return real::protect(address, length, protection);
}

int ioctl(int descriptor, unsigned long request, ...) noexcept {
  std::va_list more;
  va_start(more, request);
  const auto argument = va_arg(more, unsigned long);
  va_end(more);
  constexpr unsigned long kMagic = 0xa4;  // of the SGX driver
  if ((request >> 8 & 0xff) == kMagic) {
    Registry& registry = Registry::instance();
    if (const auto device = registry.find(descriptor)) {
      const long answer = device->control(request, argument, registry);
      if (answer >= 0) return static_cast<int>(answer);
      errno = static_cast<int>(-answer);
      return -1;
    }
  }
  return real::control(descriptor, request, argument);
}

int close(int descriptor) {
  Registry::instance().closing(descriptor);
  return real::close_descriptor(descriptor);
}
}
