// What building an enclave asks of a processor, so that loading and measuring are one code path: an image describes
// itself to an EnclaveBuilder once; one builder measures (MeasuringBuilder), the rungs' builders load.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "sgx/arch.h"
#include "sgx/measure.h"

namespace coffer::sgx {

struct CreateParameters {
  std::uint64_t size = 0;            // ELRANGE in bytes, a power of two
  std::uint32_t ssa_frame_size = 1;  // pages
  std::uint32_t misc_select = 0;
  Attributes attributes{};  // as they will stand in SECS, INIT clear
  // With KSS: what whoever starts the enclave tells it. Not measured; in its reports and, where it asks, in its keys.
  Bytes<64> config_id{};
  std::uint16_t config_svn = 0;
  std::uint64_t base = 0;  // of ELRANGE, a multiple of its size; 0: wherever there is room. Not measured.
};

// Which of a page's sixteen 256-byte chunks EEXTEND covers; bit i is the chunk at offset 256 * i.
using ExtendMask = std::uint16_t;
inline constexpr ExtendMask kExtendAll = 0xffff;
inline constexpr ExtendMask kExtendNone = 0;

class EnclaveBuilder {
 public:
  virtual ~EnclaveBuilder() = default;
  [[nodiscard]] virtual Result<void> create(const CreateParameters& parameters) = 0;
  // Adds `content.size() / 4096` pages from `offset` on, all with the same flags, in ascending order: EADD of a page is
  // followed by the EEXTENDs of its chunks in `extend`, then the next page. content.size() is a multiple of 4096.
  [[nodiscard]] virtual Result<void> add_pages(std::uint64_t offset, SecinfoFlags flags, ByteView content,
                                               ExtendMask extend) = 0;
};

class MeasuringBuilder final : public EnclaveBuilder {
 public:
  [[nodiscard]] Result<void> create(const CreateParameters& parameters) override;
  [[nodiscard]] Result<void> add_pages(std::uint64_t offset, SecinfoFlags flags, ByteView content,
                                       ExtendMask extend) override;
  [[nodiscard]] MrEnclave mrenclave() const { return measurement_.value(); }
  [[nodiscard]] const CreateParameters& parameters() const { return parameters_; }
  [[nodiscard]] std::uint64_t page_count() const { return page_count_; }
  [[nodiscard]] std::uint64_t tcs_count() const { return tcs_count_; }

 private:
  Measurement measurement_;
  CreateParameters parameters_;
  std::uint64_t page_count_ = 0;
  std::uint64_t tcs_count_ = 0;
  bool created_ = false;
};

}  // namespace coffer::sgx
