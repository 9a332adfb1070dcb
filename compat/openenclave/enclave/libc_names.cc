// The C library's functions under Open Enclave's names.
#include <malloc.h>
#include <openenclave/corelibc/stdlib.h>
#include <openenclave/corelibc/string.h>

extern "C" {

void* oe_malloc(size_t size) { return std::malloc(size); }
void oe_free(void* ptr) { std::free(ptr); }
void* oe_calloc(size_t nmemb, size_t size) { return std::calloc(nmemb, size); }
void* oe_realloc(void* ptr, size_t size) { return std::realloc(ptr, size); }
void* oe_memalign(size_t alignment, size_t size) { return ::memalign(alignment, size); }
void oe_memalign_free(void* ptr) { std::free(ptr); }
int oe_posix_memalign(void** memptr, size_t alignment, size_t size) {
  return ::posix_memalign(memptr, alignment, size);
}
void* oe_aligned_alloc(size_t alignment, size_t size) { return ::memalign(alignment, size); }
size_t oe_malloc_usable_size(void* ptr) { return ::malloc_usable_size(ptr); }
unsigned long int oe_strtoul(const char* nptr, char** endptr, int base) { return std::strtoul(nptr, endptr, base); }
int oe_atoi(const char* nptr) { return static_cast<int>(std::strtol(nptr, nullptr, 10)); }
int oe_atexit(void (*function)(void)) { return std::atexit(function); }
char* oe_realpath(const char* path, oe_syscall_path_t* resolved_path) {
  return ::realpath(path, resolved_path == nullptr ? nullptr : resolved_path->buf);
}
void oe_exit(int status) { std::exit(status); }

size_t oe_strlen(const char* s) { return ::strlen(s); }
int oe_strcmp(const char* s1, const char* s2) { return ::strcmp(s1, s2); }
int oe_strncmp(const char* s1, const char* s2, size_t n) { return ::strncmp(s1, s2, n); }
char* oe_strstr(const char* haystack, const char* needle) { return const_cast<char*>(::strstr(haystack, needle)); }
char* oe_strerror(int errnum) { return ::strerror(errnum); }
char* oe_strtok_r(char* str, const char* delim, char** saveptr) { return ::strtok_r(str, delim, saveptr); }
char* oe_strdup(const char* s) { return ::strdup(s); }
size_t oe_strspn(const char* s, const char* accept) { return ::strspn(s, accept); }
size_t oe_strcspn(const char* s, const char* reject) { return ::strcspn(s, reject); }
char* oe_strchr(const char* s, int c) { return const_cast<char*>(::strchr(s, c)); }
char* oe_strrchr(const char* s, int c) { return const_cast<char*>(::strrchr(s, c)); }

size_t oe_strlcpy(char* dest, const char* src, size_t size) {
  const std::size_t length = ::strlen(src);
  if (size == 0) return length;
  const std::size_t copied = length < size ? length : size - 1;
  ::memcpy(dest, src, copied);
  dest[copied] = '\0';
  return length;
}

size_t oe_strlcat(char* dest, const char* src, size_t size) {
  const std::size_t have = ::strnlen(dest, size);
  return have == size ? size + ::strlen(src) : have + oe_strlcpy(dest + have, src, size - have);
}

}  // extern "C"
