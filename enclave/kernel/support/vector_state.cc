#include "enclave/kernel/support/vector_state.h"

#include "enclave/kernel/support/cpu_features.h"

namespace coffer::kernel {
namespace {
constexpr std::size_t kHeaderOffset = 512;
constexpr std::size_t kHeaderWords = 8;
}  // namespace

VectorStateGuard::VectorStateGuard() {
  const CpuFeatures& features = cpu_features();
  // The save instructions write only a part of the header, and the restoring one insists on zeroes in the rest.
  auto* header = reinterpret_cast<std::uint64_t*>(area_ + kHeaderOffset);
  for (std::size_t i = 0; i < kHeaderWords; ++i) header[i] = 0;
  const auto low = static_cast<std::uint32_t>(features.vector_state);
  if (features.xsavec) {
    asm volatile("xsavec64 %0" : "+m"(area_) : "a"(low), "d"(0) : "memory");
  } else {
    asm volatile("xsave64 %0" : "+m"(area_) : "a"(low), "d"(0) : "memory");
  }
}

VectorStateGuard::~VectorStateGuard() {
  const auto low = static_cast<std::uint32_t>(cpu_features().vector_state);
  asm volatile("xrstor64 %0" ::"m"(area_), "a"(low), "d"(0) : "memory");
}

}  // namespace coffer::kernel
