// The memory of an ELF image as Open Enclave's loader stages it: patched there, then added page by page.
#pragma once

#include <map>
#include <vector>

#include "host/image/foreign/elf_view.h"
#include "host/image/foreign/page_writer.h"

namespace coffer::image {

// Memory is kept only where the file has bytes or a patch wrote some, whatever sizes the file claims.
class StagedSegments {
 public:
  // Refuses segments that overlap, go backwards or do not start at address 0.
  [[nodiscard]] static Result<StagedSegments> stage(const ElfView& elf);

  // The memory's extent, in whole pages.
  [[nodiscard]] std::uint64_t size() const { return size_; }
  // False where the range is not inside one segment.
  [[nodiscard]] bool read(std::uint64_t address, ByteSpan into) const;
  [[nodiscard]] bool write(std::uint64_t address, ByteView bytes);
  [[nodiscard]] Result<void> add_to(PageWriter& writer, std::uint64_t shift) const;

 private:
  struct Segment {
    std::uint64_t start = 0, end = 0;  // page-aligned
    std::vector<std::byte> content;    // whole pages from `start` on; zeros follow up to `end`
    sgx::SecinfoFlags flags;
    // Pages behind `content` that were written to, by address.
    std::map<std::uint64_t, std::vector<std::byte>> written;
  };
  // The index of the segment that holds the range, or segments_.size().
  [[nodiscard]] std::size_t find(std::uint64_t address, std::uint64_t size) const;

  std::vector<Segment> segments_;
  std::uint64_t size_ = 0;
};

}  // namespace coffer::image
