// Functions of the C library that use memory by length, by the linker's --wrap: checked, then done by the library.
#include <sys/socket.h>
#include <sys/types.h>

#include <cstdio>
#include <cstring>

#include "enclave/sdk/sanitizer/inside/runtime.h"

extern "C" {
void* __real_memcpy(void* to, const void* from, std::size_t size);
void* __real_mempcpy(void* to, const void* from, std::size_t size);
void* __real_memmove(void* to, const void* from, std::size_t size);
void* __real_memset(void* to, int value, std::size_t size);
int __real_memcmp(const void* left, const void* right, std::size_t size);
int __real_bcmp(const void* left, const void* right, std::size_t size);
std::size_t __real_strlen(const char* text);
std::size_t __real_strnlen(const char* text, std::size_t most);
char* __real_strcpy(char* to, const char* from);
char* __real_stpcpy(char* to, const char* from);
char* __real_strncpy(char* to, const char* from, std::size_t size);
char* __real_strcat(char* to, const char* from);
char* __real_strncat(char* to, const char* from, std::size_t size);
int __real_strcmp(const char* left, const char* right);
int __real_strncmp(const char* left, const char* right, std::size_t size);
ssize_t __real_read(int descriptor, void* to, std::size_t size);
ssize_t __real_write(int descriptor, const void* from, std::size_t size);
ssize_t __real_recv(int socket, void* to, std::size_t size, int flags);
ssize_t __real_send(int socket, const void* from, std::size_t size, int flags);
std::size_t __real_fread(void* to, std::size_t size, std::size_t count, FILE* file);
std::size_t __real_fwrite(const void* from, std::size_t size, std::size_t count, FILE* file);
char* __real_fgets(char* to, int size, FILE* file);
}

namespace san = coffer::sanitizer;

namespace {

void reads(const void* memory, std::size_t size, const san::Caller& caller) {
  san::check_range(memory, size, san::Access::kRead, caller);
}
void writes(const void* memory, std::size_t size, const san::Caller& caller) {
  san::check_range(memory, size, san::Access::kWrite, caller);
}
// How far a comparison looks at both: up to the first difference or end.
std::size_t compared(const char* left, const char* right, std::size_t most) {
  std::size_t i = 0;
  while (i < most && left[i] == right[i] && left[i] != '\0') ++i;
  return i < most ? i + 1 : i;
}

}  // namespace

extern "C" {

void* __wrap_memcpy(void* to, const void* from, std::size_t size) {
  reads(from, size, COFFER_CALLER());
  writes(to, size, COFFER_CALLER());
  return __real_memcpy(to, from, size);
}
void* __wrap_mempcpy(void* to, const void* from, std::size_t size) {
  reads(from, size, COFFER_CALLER());
  writes(to, size, COFFER_CALLER());
  return __real_mempcpy(to, from, size);
}
void* __wrap_memmove(void* to, const void* from, std::size_t size) {
  reads(from, size, COFFER_CALLER());
  writes(to, size, COFFER_CALLER());
  return __real_memmove(to, from, size);
}
void* __wrap_memset(void* to, int value, std::size_t size) {
  writes(to, size, COFFER_CALLER());
  return __real_memset(to, value, size);
}
int __wrap_memcmp(const void* left, const void* right, std::size_t size) {
  reads(left, size, COFFER_CALLER());
  reads(right, size, COFFER_CALLER());
  return __real_memcmp(left, right, size);
}
int __wrap_bcmp(const void* left, const void* right, std::size_t size) {
  reads(left, size, COFFER_CALLER());
  reads(right, size, COFFER_CALLER());
  return __real_bcmp(left, right, size);
}
std::size_t __wrap_strlen(const char* text) {
  const std::size_t size = __real_strlen(text);
  reads(text, size + 1, COFFER_CALLER());
  return size;
}
std::size_t __wrap_strnlen(const char* text, std::size_t most) {
  const std::size_t size = __real_strnlen(text, most);
  reads(text, size < most ? size + 1 : size, COFFER_CALLER());
  return size;
}
char* __wrap_strcpy(char* to, const char* from) {
  const std::size_t size = __real_strlen(from) + 1;
  reads(from, size, COFFER_CALLER());
  writes(to, size, COFFER_CALLER());
  return __real_strcpy(to, from);
}
char* __wrap_stpcpy(char* to, const char* from) {
  const std::size_t size = __real_strlen(from) + 1;
  reads(from, size, COFFER_CALLER());
  writes(to, size, COFFER_CALLER());
  return __real_stpcpy(to, from);
}
char* __wrap_strncpy(char* to, const char* from, std::size_t size) {
  const std::size_t length = __real_strnlen(from, size);
  reads(from, length < size ? length + 1 : size, COFFER_CALLER());
  writes(to, size, COFFER_CALLER());
  return __real_strncpy(to, from, size);
}
char* __wrap_strcat(char* to, const char* from) {
  const std::size_t before = __real_strlen(to), size = __real_strlen(from) + 1;
  reads(from, size, COFFER_CALLER());
  writes(to, before + size, COFFER_CALLER());
  return __real_strcat(to, from);
}
char* __wrap_strncat(char* to, const char* from, std::size_t size) {
  const std::size_t before = __real_strlen(to), length = __real_strnlen(from, size);
  reads(from, length < size ? length + 1 : size, COFFER_CALLER());
  writes(to, before + length + 1, COFFER_CALLER());
  return __real_strncat(to, from, size);
}
int __wrap_strcmp(const char* left, const char* right) {
  const std::size_t size = compared(left, right, SIZE_MAX);
  reads(left, size, COFFER_CALLER());
  reads(right, size, COFFER_CALLER());
  return __real_strcmp(left, right);
}
int __wrap_strncmp(const char* left, const char* right, std::size_t most) {
  const std::size_t size = compared(left, right, most);
  reads(left, size, COFFER_CALLER());
  reads(right, size, COFFER_CALLER());
  return __real_strncmp(left, right, most);
}
ssize_t __wrap_read(int descriptor, void* to, std::size_t size) {
  const ssize_t got = __real_read(descriptor, to, size);
  if (got > 0) writes(to, static_cast<std::size_t>(got), COFFER_CALLER());
  return got;
}
ssize_t __wrap_write(int descriptor, const void* from, std::size_t size) {
  const ssize_t put = __real_write(descriptor, from, size);
  if (put > 0) reads(from, static_cast<std::size_t>(put), COFFER_CALLER());
  return put;
}
ssize_t __wrap_recv(int socket, void* to, std::size_t size, int flags) {
  const ssize_t got = __real_recv(socket, to, size, flags);
  if (got > 0 && static_cast<std::size_t>(got) <= size) writes(to, static_cast<std::size_t>(got), COFFER_CALLER());
  return got;
}
ssize_t __wrap_send(int socket, const void* from, std::size_t size, int flags) {
  reads(from, size, COFFER_CALLER());
  return __real_send(socket, from, size, flags);
}
std::size_t __wrap_fread(void* to, std::size_t size, std::size_t count, FILE* file) {
  const std::size_t got = __real_fread(to, size, count, file);
  writes(to, got * size, COFFER_CALLER());
  return got;
}
std::size_t __wrap_fwrite(const void* from, std::size_t size, std::size_t count, FILE* file) {
  reads(from, size * count, COFFER_CALLER());
  return __real_fwrite(from, size, count, file);
}
char* __wrap_fgets(char* to, int size, FILE* file) {
  char* got = __real_fgets(to, size, file);
  if (got != nullptr) writes(to, __real_strlen(got) + 1, COFFER_CALLER());
  return got;
}
}
