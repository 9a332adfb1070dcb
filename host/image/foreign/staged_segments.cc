#include "host/image/foreign/staged_segments.h"

#include <algorithm>
#include <cstring>

namespace coffer::image {

using sgx::kPageSize;
using sgx::SecinfoFlags;

Result<StagedSegments> StagedSegments::stage(const ElfView& elf) {
  StagedSegments staged;
  std::uint64_t previous_end = 0;
  for (const Elf64_Phdr& header : elf.segments()) {
    if (header.p_type != PT_LOAD) continue;
    if (header.p_vaddr >= kMaxAddress || header.p_memsz >= kMaxAddress || header.p_filesz > header.p_memsz) {
      return input_error("a segment of the image has an impossible address or size");
    }
    if (staged.segments_.empty() && header.p_vaddr != 0) {
      return input_error("the image's first segment is not at address 0");
    }
    if (!staged.segments_.empty() && (page_floor(header.p_vaddr) < previous_end)) {
      return input_error("the image's segments overlap or are out of order");
    }
    Segment segment;
    segment.start = page_floor(header.p_vaddr);
    previous_end = header.p_vaddr + header.p_memsz;
    segment.end = page_ceiling(previous_end);
    std::uint64_t permissions = 0;
    if ((header.p_flags & PF_R) != 0) permissions |= SecinfoFlags::kR;
    if ((header.p_flags & PF_W) != 0) permissions |= SecinfoFlags::kW;
    if ((header.p_flags & PF_X) != 0) permissions |= SecinfoFlags::kX;
    if (permissions == 0) return input_error("a loadable segment of the image has no permissions at all");
    segment.flags = SecinfoFlags::make(sgx::PageType::kReg, permissions);
    const ByteView bytes = elf.content(header);
    if (!bytes.empty()) {
      const std::uint64_t inside = header.p_vaddr - segment.start;
      segment.content.resize(page_ceiling(inside + bytes.size()));
      std::memcpy(segment.content.data() + inside, bytes.data(), bytes.size());
    }
    staged.segments_.push_back(std::move(segment));
  }
  if (staged.segments_.empty()) return input_error("the image has no loadable segment");
  staged.size_ = page_ceiling(previous_end);
  return staged;
}

std::size_t StagedSegments::find(std::uint64_t address, std::uint64_t size) const {
  const auto holds = [&](const Segment& segment) {
    return address >= segment.start && range_fits(address - segment.start, size, segment.end - segment.start);
  };
  return static_cast<std::size_t>(std::ranges::find_if(segments_, holds) - segments_.begin());
}

bool StagedSegments::read(std::uint64_t address, ByteSpan into) const {
  const std::size_t index = find(address, into.size());
  if (index == segments_.size()) return false;
  const Segment* segment = &segments_[index];
  const std::uint64_t offset = address - segment->start;
  std::ranges::fill(into, std::byte{0});
  if (offset < segment->content.size()) {
    const std::uint64_t available = std::min<std::uint64_t>(into.size(), segment->content.size() - offset);
    std::memcpy(into.data(), segment->content.data() + offset, available);
  }
  return true;
}

bool StagedSegments::write(std::uint64_t address, ByteView bytes) {
  const std::size_t index = find(address, bytes.size());
  if (index == segments_.size()) return false;
  Segment* segment = &segments_[index];
  for (std::uint64_t done = 0; done < bytes.size();) {
    const std::uint64_t at = address + done, inside = at & kPageMask;
    const std::uint64_t size = std::min<std::uint64_t>(kPageSize - inside, bytes.size() - done);
    const std::uint64_t offset = at - segment->start;
    std::byte* target = nullptr;
    if (offset < segment->content.size()) {
      target = segment->content.data() + offset;
    } else {
      auto& page = segment->written[page_floor(at)];
      page.resize(kPageSize);
      target = page.data() + inside;
    }
    std::memcpy(target, bytes.data() + done, size);
    done += size;
  }
  return true;
}

Result<void> StagedSegments::add_to(PageWriter& writer, std::uint64_t shift) const {
  for (const Segment& segment : segments_) {
    if (auto added = writer.pages(segment.start + shift, segment.flags, segment.content, true); !added) return added;
    std::uint64_t next = segment.start + segment.content.size();
    const auto zeros_up_to = [&](std::uint64_t end) {
      const std::uint64_t from = std::exchange(next, end);
      return from >= end ? Result<void>{} : writer.zeros(from + shift, (end - from) / kPageSize, segment.flags, true);
    };
    for (const auto& [address, page] : segment.written) {
      if (auto added = zeros_up_to(address); !added) return added;
      if (auto added = writer.pages(address + shift, segment.flags, page, true); !added) return added;
      next = address + kPageSize;
    }
    if (auto added = zeros_up_to(segment.end); !added) return added;
  }
  return {};
}

}  // namespace coffer::image
