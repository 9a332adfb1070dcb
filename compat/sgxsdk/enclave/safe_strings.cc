// What the SDK's <string.h> and <mbusafecrt.h> have beyond the C library's: checked copies, and copies to the outside.
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "base/secret.h"
#include "compat/sgxsdk/include/coffer_string_extras.h"

namespace {

// Copies that do not fit leave an empty string.
int refuse(char* to, size_t room, int error) {
  if (to != nullptr && room != 0) *to = '\0';
  return error;
}

int append(char* to, size_t room, size_t used, const char* from, size_t size) {
  if (size >= room - used) return refuse(to, room, ERANGE);
  std::memmove(to + used, from, size);
  to[used + size] = '\0';
  return 0;
}

}  // namespace

extern "C" {

// Copies into the application's memory. On processors that could leak stale buffers, the hardware clears them at the
// exit.
void* memcpy_verw(void* to, const void* from, size_t size) { return std::memcpy(to, from, size); }
void* memmove_verw(void* to, const void* from, size_t size) { return std::memmove(to, from, size); }
void* memset_verw(void* to, int byte, size_t size) { return std::memset(to, byte, size); }

int memset_s(void* to, size_t room, int byte, size_t size) {
  if (to == nullptr) return EINVAL;
  const size_t count = size < room ? size : room;
  std::memset(to, byte, count);
  asm volatile("" ::"r"(to) : "memory");
  return size > room ? EOVERFLOW : 0;
}
int memset_verw_s(void* to, size_t room, int byte, size_t size) { return memset_s(to, room, byte, size); }

int memcpy_s(void* to, size_t room, const void* from, size_t size) {
  if (size == 0) return 0;
  if (to == nullptr) return EINVAL;
  if (from == nullptr || size > room) {
    std::memset(to, 0, room);
    return from == nullptr ? EINVAL : ERANGE;
  }
  std::memmove(to, from, size);
  return 0;
}
int memmove_s(void* to, size_t room, const void* from, size_t size) { return memcpy_s(to, room, from, size); }
int memcpy_verw_s(void* to, size_t room, const void* from, size_t size) { return memcpy_s(to, room, from, size); }
int memmove_verw_s(void* to, size_t room, const void* from, size_t size) { return memcpy_s(to, room, from, size); }

int consttime_memequal(const void* a, const void* b, size_t size) {
  const bool same = coffer::equal_in_constant_time({static_cast<const std::byte*>(a), size},
                                                   {static_cast<const std::byte*>(b), size});
  return same ? 1 : 0;
}

int strcpy_s(char* to, size_t room, const char* from) {
  if (to == nullptr || room == 0) return EINVAL;
  return from == nullptr ? refuse(to, room, EINVAL) : append(to, room, 0, from, strlen(from));
}
int strncpy_s(char* to, size_t room, const char* from, size_t count) {
  if (to == nullptr || room == 0) return EINVAL;
  return from == nullptr ? refuse(to, room, EINVAL) : append(to, room, 0, from, strnlen(from, count));
}
int strcat_s(char* to, size_t room, const char* from) {
  if (to == nullptr || room == 0) return EINVAL;
  const size_t used = strnlen(to, room);
  return from == nullptr || used == room ? refuse(to, room, EINVAL) : append(to, room, used, from, strlen(from));
}
int strncat_s(char* to, size_t room, const char* from, size_t count) {
  if (to == nullptr || room == 0) return EINVAL;
  const size_t used = strnlen(to, room);
  if (from == nullptr || used == room) return refuse(to, room, EINVAL);
  return append(to, room, used, from, strnlen(from, count));
}
char* strtok_s(char* text, const char* delimiters, char** rest) { return strtok_r(text, delimiters, rest); }

int _vsnprintf_s(char* to, size_t room, size_t count, const char* format, va_list arguments) {
  if (to == nullptr || room == 0 || format == nullptr) return -1;
  const size_t most = count < room - 1 ? count + 1 : room;
  const int size = std::vsnprintf(to, most, format, arguments);
  if (size < 0 || static_cast<size_t>(size) >= room) {
    if (count >= room) *to = '\0';
    return -1;
  }
  return size;
}
int _snprintf_s(char* to, size_t room, size_t count, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int size = _vsnprintf_s(to, room, count, format, arguments);
  va_end(arguments);
  return size;
}
int sprintf_s(char* to, size_t room, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int size = _vsnprintf_s(to, room, room, format, arguments);
  va_end(arguments);
  return size;
}

}  // extern "C"
