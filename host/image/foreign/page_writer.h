// Adds pages to an enclave within limits: the shared lower half of the readers of foreign images.
#pragma once

#include "host/image/foreign/foreign_image.h"

namespace coffer::image {

inline constexpr std::uint64_t kPageMask = sgx::kPageSize - 1;
[[nodiscard]] constexpr std::uint64_t page_floor(std::uint64_t value) { return value & ~kPageMask; }
// Callers have checked that the value is not within a page of the top of the address space.
[[nodiscard]] constexpr std::uint64_t page_ceiling(std::uint64_t value) { return page_floor(value + kPageMask); }

// Values at or above this are refused before any arithmetic, so that sums of a few of them cannot overflow.
inline constexpr std::uint64_t kMaxAddress = std::uint64_t{1} << 48;

class PageWriter {
 public:
  PageWriter(sgx::EnclaveBuilder& builder, const Limits& limits) : builder_(builder), left_(limits) {}

  // Pages with the same content each, `count` of them from `offset` on.
  [[nodiscard]] Result<void> repeat(std::uint64_t offset, std::uint64_t count, sgx::SecinfoFlags flags, ByteView page,
                                    bool extend);
  // Zero pages.
  [[nodiscard]] Result<void> zeros(std::uint64_t offset, std::uint64_t count, sgx::SecinfoFlags flags, bool extend);
  // Whole pages; content.size() is a multiple of the page size.
  [[nodiscard]] Result<void> pages(std::uint64_t offset, sgx::SecinfoFlags flags, ByteView content, bool extend);

 private:
  [[nodiscard]] Result<void> charge(std::uint64_t offset, std::uint64_t count, bool extend);

  sgx::EnclaveBuilder& builder_;
  Limits left_;
};

}  // namespace coffer::image
