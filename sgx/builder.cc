#include "sgx/builder.h"

#include <bit>
#include <cstring>
#include <string>

namespace coffer::sgx {

namespace {

std::string hex(std::uint64_t value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  do {
    text.insert(text.begin(), kDigits[value & 15]);
    value >>= 4;
  } while (value != 0);
  return "0x" + text;
}

// What EADD leaves of a TCS page: the state fields belong to the processor and start at zero.
std::array<std::byte, kPageSize> tcs_as_added(std::span<const std::byte, kPageSize> content) {
  Tcs tcs;
  std::memcpy(&tcs, content.data(), kPageSize);
  tcs.state = 0;
  tcs.flags &= ~std::uint64_t{1};  // DBGOPTIN
  tcs.current_ssa = 0;
  tcs.aep = 0;
  std::array<std::byte, kPageSize> page;
  std::memcpy(page.data(), &tcs, kPageSize);
  return page;
}

void extend_page(Measurement& measurement, std::uint64_t offset, std::span<const std::byte, kPageSize> page,
                 ExtendMask extend) {
  for (std::size_t chunk = 0; chunk < kPageSize / kExtendSize; ++chunk) {
    if ((extend >> chunk & 1) == 0) continue;
    const std::size_t start = chunk * kExtendSize;
    measurement.eextend(offset + start, page.subspan(start).first<kExtendSize>());
  }
}

}  // namespace

Result<void> MeasuringBuilder::create(const CreateParameters& parameters) {
  if (created_) return input_error("the enclave is created twice");
  if (!std::has_single_bit(parameters.size) || parameters.size < 2 * kPageSize) {
    return input_error("the enclave's size " + hex(parameters.size) + " is not a power of two of at least two pages");
  }
  if (parameters.ssa_frame_size == 0) return input_error("the enclave's SSA frame size is zero pages");
  created_ = true;
  parameters_ = parameters;
  measurement_.ecreate(parameters.ssa_frame_size, parameters.size);
  return {};
}

Result<void> MeasuringBuilder::add_pages(std::uint64_t offset, SecinfoFlags flags, ByteView content,
                                         ExtendMask extend) {
  if (!created_) return input_error("pages are added before the enclave is created");
  if (offset % kPageSize != 0 || content.size() % kPageSize != 0) {
    return input_error("pages at " + hex(offset) + " do not start or end on a page boundary");
  }
  if (!range_fits(offset, content.size(), parameters_.size)) {
    return input_error("pages at " + hex(offset) + " with " + hex(content.size()) +
                       " bytes lie outside the enclave's " + hex(parameters_.size) + " bytes");
  }
  if (flags.type() != PageType::kReg && flags.type() != PageType::kTcs) {
    return input_error("the page at " + hex(offset) + " is neither a regular page nor a TCS");
  }
  if (flags.type() == PageType::kReg && flags.writable() && !flags.readable()) {
    return input_error("the page at " + hex(offset) + " is writable and not readable");
  }
  for (std::size_t at = 0; at < content.size(); at += kPageSize) {
    const auto page = content.subspan(at).first<kPageSize>();
    measurement_.eadd(offset + at, flags);
    if (flags.type() == PageType::kTcs) {
      ++tcs_count_;
      extend_page(measurement_, offset + at, tcs_as_added(page), extend);
    } else {
      extend_page(measurement_, offset + at, page, extend);
    }
  }
  page_count_ += content.size() / kPageSize;
  return {};
}

}  // namespace coffer::sgx
