#include "host/image/foreign/page_writer.h"

#include <algorithm>
#include <array>

namespace coffer::image {

namespace {

constexpr std::uint64_t kBatchPages = 64;

sgx::ExtendMask mask(bool extend) { return extend ? sgx::kExtendAll : sgx::kExtendNone; }

}  // namespace

Result<void> PageWriter::charge(std::uint64_t offset, std::uint64_t count, bool extend) {
  if (offset >= kMaxAddress || count >= kMaxAddress / sgx::kPageSize) {
    return input_error("the image adds pages at an address that no enclave has");
  }
  if (count > left_.pages || (extend && count * sgx::kPageSize > left_.measured_bytes)) {
    return input_error("the image adds more pages than can be measured in reasonable time; it is damaged or hostile");
  }
  left_.pages -= count;
  if (extend) left_.measured_bytes -= count * sgx::kPageSize;
  return {};
}

Result<void> PageWriter::repeat(std::uint64_t offset, std::uint64_t count, sgx::SecinfoFlags flags, ByteView page,
                                bool extend) {
  if (auto charged = charge(offset, count, extend); !charged) return charged;
  std::vector<std::byte> batch;
  const std::uint64_t batch_pages = std::min(count, kBatchPages);
  batch.reserve(batch_pages * sgx::kPageSize);
  for (std::uint64_t i = 0; i < batch_pages; ++i) batch.insert(batch.end(), page.begin(), page.end());
  while (count != 0) {
    const std::uint64_t now = std::min(count, batch_pages);
    if (auto added = builder_.add_pages(offset, flags, ByteView(batch).first(now * sgx::kPageSize), mask(extend));
        !added) {
      return added;
    }
    offset += now * sgx::kPageSize;
    count -= now;
  }
  return {};
}

Result<void> PageWriter::zeros(std::uint64_t offset, std::uint64_t count, sgx::SecinfoFlags flags, bool extend) {
  static constexpr std::array<std::byte, sgx::kPageSize> kZeros{};
  return repeat(offset, count, flags, kZeros, extend);
}

Result<void> PageWriter::pages(std::uint64_t offset, sgx::SecinfoFlags flags, ByteView content, bool extend) {
  if (content.empty()) return {};
  if (auto charged = charge(offset, content.size() / sgx::kPageSize, extend); !charged) return charged;
  return builder_.add_pages(offset, flags, content, mask(extend));
}

}  // namespace coffer::image
