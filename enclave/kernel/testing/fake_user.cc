// Application memory for hosted tests of system calls: everything but the lowest 64 KiB is the application's.
#include <cerrno>
#include <cstring>

#include "enclave/kernel/syscalls/syscall.h"

namespace coffer::kernel {

bool user_range(std::uint64_t address, std::uint64_t size, bool /*write*/) {
  constexpr std::uint64_t kFirst = 65536;
  constexpr std::uint64_t kEnd = std::uint64_t{1} << 47;
  return size == 0 || (address >= kFirst && address < kEnd && size <= kEnd - address);
}

int user_string(std::uint64_t address, std::size_t limit, std::string_view* text) {
  if (!user_range(address, 1, false)) return -EFAULT;
  const auto* start = reinterpret_cast<const char*>(address);
  const std::size_t length = ::strnlen(start, limit + 1);
  if (length > limit) return -ENAMETOOLONG;
  *text = {start, length};
  return 0;
}

}  // namespace coffer::kernel
