// Keeps the application's vector registers over a piece of kernel code that uses them. Freestanding.
//
// The kernel is compiled for general registers only and a system call preserves the vector registers, as Linux does; so
// they hold the application's values wherever the kernel runs. Whoever calls vector code (all of crypto.h) holds one of
// these around it, once per operation. The end of the guard also clears what crypto left in the registers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace coffer::kernel {

class VectorStateGuard {
 public:
  VectorStateGuard();
  ~VectorStateGuard();
  VectorStateGuard(const VectorStateGuard&) = delete;
  VectorStateGuard& operator=(const VectorStateGuard&) = delete;

  // The legacy area, the header, and the AVX and AVX-512 state at the highest offsets that processors use.
  static constexpr std::size_t kAreaSize = 2816;

 private:
  alignas(64) std::byte area_[kAreaSize];
};

}  // namespace coffer::kernel
