// Output on the host's standard streams, and ends.
#include <openenclave/enclave.h>
#include <openenclave/internal/print.h>
#include <openenclave/internal/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

extern "C" {

int oe_host_write(int device, const char* str, size_t size) {
  if ((device != 0 && device != 1) || str == nullptr) return -1;
  if (size == SIZE_MAX) size = std::strlen(str);
  std::fflush(stdout);  // what was printed before comes before
  while (size != 0) {
    const ssize_t written = ::write(device == 0 ? STDOUT_FILENO : STDERR_FILENO, str, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return -1;
    str += written;
    size -= static_cast<std::size_t>(written);
  }
  return 0;
}

// Works in exception handlers, on small stacks, where the text is short.
int oe_host_vfprintf(int device, const char* fmt, oe_va_list arguments) {
  std::array<char, 512> text{};
  va_list again;
  va_copy(again, arguments);
  const int length = std::vsnprintf(text.data(), text.size(), fmt, arguments);
  int result = length;
  if (length >= 0 && static_cast<std::size_t>(length) < text.size()) {
    if (oe_host_write(device, text.data(), static_cast<std::size_t>(length)) != 0) result = -1;
  } else if (length >= 0) {
    const auto size = static_cast<std::size_t>(length) + 1;
    const std::unique_ptr<char, void (*)(void*)> longer(static_cast<char*>(std::malloc(size)), std::free);
    if (longer == nullptr || std::vsnprintf(longer.get(), size, fmt, again) != length ||
        oe_host_write(device, longer.get(), size - 1) != 0) {
      result = -1;
    }
  }
  va_end(again);
  return result;
}

int oe_host_printf(const char* fmt, ...) {
  va_list arguments;
  va_start(arguments, fmt);
  const int result = oe_host_vfprintf(0, fmt, arguments);
  va_end(arguments);
  return result;
}

int oe_host_fprintf(int device, const char* fmt, ...) {
  va_list arguments;
  va_start(arguments, fmt);
  const int result = oe_host_vfprintf(device, fmt, arguments);
  va_end(arguments);
  return result;
}

void oe_abort(void) {
  std::fflush(stdout);
  std::abort();
}

void __oe_assert_fail(const char* expr, const char* file, int line, const char* func) {
  oe_host_fprintf(1, "Assertion failed: %s (%s: %s: %d)\n", expr, file, func, line);
  oe_abort();
}

uint64_t oe_get_time(void) {
  struct timespec now = {};
  if (::clock_gettime(CLOCK_REALTIME, &now) != 0) return 0;
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1000000;
}

}  // extern "C"
