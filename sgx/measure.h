// MRENCLAVE as ECREATE, EADD and EEXTEND define it (Intel SDM volume 3D, chapter 40). No I/O.
#pragma once

#include <memory>

#include "base/bytes.h"
#include "sgx/arch.h"

namespace coffer::sgx {

// The running SHA-256 over the 64-byte records of the build leaves. Not thread-safe; movable.
class Measurement {
 public:
  Measurement();
  ~Measurement();
  Measurement(Measurement&&) noexcept;
  Measurement& operator=(Measurement&&) noexcept;

  // size: bytes, power of two. ssa_frame_size: pages.
  void ecreate(std::uint32_t ssa_frame_size, std::uint64_t size);
  // offset: of the page from the enclave's base.
  void eadd(std::uint64_t offset, SecinfoFlags flags);
  // offset: of the 256-byte chunk from the enclave's base.
  void eextend(std::uint64_t offset, std::span<const std::byte, kExtendSize> chunk);

  // The value so far; the measurement can go on.
  [[nodiscard]] MrEnclave value() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace coffer::sgx
