// The program's memory, as the kernel takes it: an address that is not there is EFAULT, never a fault of ours.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace coffer::emulate {

[[nodiscard]] bool read_user(std::uint64_t address, void* to, std::size_t size);
[[nodiscard]] bool write_user(std::uint64_t address, const void* from, std::size_t size);

template <class T>
[[nodiscard]] bool read_user(std::uint64_t address, T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  return read_user(address, &value, sizeof(T));
}
template <class T>
[[nodiscard]] bool write_user(std::uint64_t address, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  return write_user(address, &value, sizeof(T));
}

}  // namespace coffer::emulate
