#include "host/image/foreign/intel_image.h"

#include <algorithm>
#include <cstring>

#include "host/image/foreign/elf_view.h"
#include "host/image/foreign/intel_metadata.h"
#include "host/image/foreign/page_writer.h"

namespace coffer::image {

namespace {

using sgx::kPageSize;
using sgx::PageType;
using sgx::SecinfoFlags;

constexpr std::string_view kMetadataSection = ".note.sgxmeta";
constexpr std::string_view kMetadataName = "sgx_metadata";
// How often layout groups may add their entries in all; real images have some hundred threads at most.
constexpr std::uint64_t kMaxLayoutSteps = std::uint64_t{1} << 20;

// A loadable segment as the SDK's loader sees it.
struct Region {
  std::uint64_t rva = 0;
  ByteView content;
  std::uint64_t memory_size = 0;
  SecinfoFlags flags;
};

// Pages, by number, that hold a relocation. The loader makes them writable where the image relocates its text.
class RelocationPages {
 public:
  explicit RelocationPages(const ElfView& elf) {
    if (!elf.dynamic(DT_TEXTREL)) return;
    collect(elf, DT_RELA, DT_RELASZ);
    collect(elf, DT_JMPREL, DT_PLTRELSZ);
    std::ranges::sort(pages_);
    const auto repeated = std::ranges::unique(pages_);
    pages_.erase(repeated.begin(), repeated.end());
  }
  [[nodiscard]] bool contains(std::uint64_t rva) const { return std::ranges::binary_search(pages_, rva / kPageSize); }

 private:
  void collect(const ElfView& elf, std::int64_t table_tag, std::int64_t size_tag) {
    const auto address = elf.dynamic(table_tag), size = elf.dynamic(size_tag);
    const Elf64_Shdr* section = address && size ? elf.section_at(*address) : nullptr;
    if (section == nullptr) return;
    // The dynamic table's size counts; it may span adjoining sections.
    Elf64_Shdr table = *section;
    table.sh_size = *size;
    const auto content = elf.content(table);
    if (!content) return;
    ByteReader reader(*content);
    while (const auto entry = reader.read<Elf64_Rela>()) {
      if (ELF64_R_TYPE(entry->r_info) == R_X86_64_NONE) continue;
      pages_.push_back(entry->r_offset / kPageSize);
      if (entry->r_offset % kPageSize > kPageSize - sizeof(std::uint64_t)) {
        pages_.push_back(entry->r_offset / kPageSize + 1);
      }
    }
  }

  std::vector<std::uint64_t> pages_;
};

// Regions refer to file content by position, so that they can be read before and added after the file is patched.
struct SegmentPosition {
  std::uint64_t rva, memory_size, file_offset, file_size;
  SecinfoFlags flags;
};

Result<std::vector<SegmentPosition>> load_segments(const ElfView& elf, std::uint64_t file_base,
                                                   std::uint64_t rva_base) {
  std::vector<SegmentPosition> found;
  for (const Elf64_Phdr& segment : elf.segments()) {
    if (segment.p_type != PT_LOAD) continue;
    if (segment.p_vaddr >= kMaxAddress || segment.p_memsz >= kMaxAddress || rva_base >= kMaxAddress) {
      return input_error("a segment of the image lies at an address that no enclave has");
    }
    std::uint64_t permissions = 0;
    if ((segment.p_flags & PF_R) != 0) permissions |= SecinfoFlags::kR;
    if ((segment.p_flags & PF_W) != 0) permissions |= SecinfoFlags::kW;
    if ((segment.p_flags & PF_X) != 0) permissions |= SecinfoFlags::kX;
    if (permissions == 0) return input_error("a loadable segment of the image has no permissions at all");
    found.push_back({segment.p_vaddr + rva_base, segment.p_memsz, segment.p_offset + file_base, segment.p_filesz,
                     SecinfoFlags::make(PageType::kReg, permissions)});
  }
  return found;
}

// Adds one enclave's pages in the order of the SDK's loader.
class IntelLoader {
 public:
  IntelLoader(const IntelMetadata& metadata, sgx::EnclaveBuilder& builder, const Limits& limits,
              const RelocationPages& relocations)
      : metadata_(metadata), builder_(builder), writer_(builder, limits), relocations_(relocations) {}

  [[nodiscard]] Result<void> create() {
    sgx::CreateParameters parameters;
    parameters.size = metadata_.elrange ? metadata_.elrange->size : metadata_.header.enclave_size;
    parameters.ssa_frame_size = metadata_.header.ssa_frame_size;
    parameters.misc_select = metadata_.header.misc_select;
    parameters.attributes = metadata_.header.sigstruct.attributes;
    parameters.attributes.flags &= ~sgx::attribute::kInit;
    if (metadata_.elrange) shift_ = metadata_.elrange->image_address - metadata_.elrange->start;
    return builder_.create(parameters);
  }

  [[nodiscard]] Result<void> add_segments(ByteView file, const std::vector<SegmentPosition>& segments) {
    const SegmentPosition* last = nullptr;
    for (const SegmentPosition& segment : segments) {
      if (last != nullptr && segment_end(*last) < page_floor(segment.rva)) {
        if (auto added = add_filler(*last); !added) return added;
      }
      if (segment.rva > (last == nullptr ? 0 : last->rva)) last = &segment;
      const Region region{segment.rva, file.subspan(segment.file_offset, segment.file_size), segment.memory_size,
                          segment.flags};
      if (auto added = add_region(region, true); !added) return added;
    }
    return last == nullptr ? Result<void>{} : add_filler(*last);
  }

  [[nodiscard]] Result<void> add_layout() {
    const auto& layout = metadata_.layout;
    for (std::size_t i = 0; i < layout.size(); ++i) {
      if ((layout[i].id & kGroupFlag) == 0) {
        if (auto added = add_entry(layout[i], 0); !added) return added;
        continue;
      }
      const LayoutGroup group = as_group(layout[i]);
      std::uint64_t step = 0;
      for (std::uint32_t time = 0; time < group.load_times; ++time) {
        steps_ += 1 + std::uint64_t{group.entry_count};
        if (group.load_step > metadata_.header.enclave_size || steps_ > kMaxLayoutSteps) {
          return input_error("the image's SGX metadata repeats a layout group beyond the enclave's end");
        }
        step += group.load_step;
        if (step > metadata_.header.enclave_size) {
          return input_error("the image's SGX metadata repeats a layout group beyond the enclave's end");
        }
        for (std::size_t member = i - group.entry_count; member < i; ++member) {
          if (auto added = add_entry(layout[member], step); !added) return added;
        }
      }
    }
    return {};
  }

 private:
  static std::uint64_t segment_end(const SegmentPosition& segment) {
    return page_ceiling(segment.rva + segment.memory_size);
  }

  // Metadata 1.3 counted a segment's pages from its size alone, so one that starts inside a page got a page more.
  [[nodiscard]] Result<void> add_filler(const SegmentPosition& segment) {
    if (!metadata_.is_version(1, 3)) return {};
    const std::uint64_t end = segment_end(segment);
    if (end >= page_ceiling(page_ceiling(segment.memory_size) + segment.rva)) return {};
    return writer_.zeros(end + shift_, 1, segment.flags, true);
  }

  [[nodiscard]] Result<void> add_region(const Region& region, bool relocated) {
    const auto flags_at = [&](std::uint64_t rva) {
      SecinfoFlags flags = region.flags;
      if (relocated && relocations_.contains(rva)) flags.value |= SecinfoFlags::kW;
      return flags;
    };
    std::uint64_t offset = 0;
    while (offset < region.content.size()) {
      const std::uint64_t rva = region.rva + offset, inside = rva & kPageMask;
      const SecinfoFlags flags = flags_at(rva);
      const std::uint64_t left = region.content.size() - offset;
      Result<void> added;
      if (inside == 0 && left >= kPageSize) {
        std::uint64_t size = kPageSize;
        while (left - size >= kPageSize && flags_at(rva + size) == flags) size += kPageSize;
        added = writer_.pages(rva + shift_, flags, region.content.subspan(offset, size), true);
        offset += size;
      } else {
        std::array<std::byte, kPageSize> page{};
        std::memcpy(page.data() + inside, region.content.data() + offset, std::min(kPageSize - inside, left));
        added = writer_.pages(page_floor(rva) + shift_, flags, page, true);
        offset += kPageSize - inside;
      }
      if (!added) return added;
    }
    if (region.memory_size <= offset) return {};
    const std::uint64_t start = region.rva + offset;
    const std::uint64_t count = page_ceiling(region.memory_size - offset + (start & kPageMask)) / kPageSize;
    return writer_.zeros(page_floor(start) + shift_, count, region.flags, true);
  }

  [[nodiscard]] Result<void> add_entry(const LayoutEntry& entry, std::uint64_t delta) {
    // The loader of metadata 1.3 had no entries that it did not add.
    if ((entry.attributes & kLayoutEadd) == 0) return {};
    const std::uint64_t rva = entry.rva + delta;
    const SecinfoFlags flags{entry.secinfo_flags};
    const bool extend = (entry.attributes & kLayoutEextend) != 0;
    if (entry.content_offset != 0) {
      const ByteView content = metadata_.block.subspan(entry.content_offset, entry.content_size);
      if (flags == SecinfoFlags::make(PageType::kTcs, 0)) return add_tcs(rva, entry.page_count, content, extend);
      return add_region({rva, content, std::uint64_t{entry.page_count} * kPageSize, flags}, false);
    }
    if (flags.value == 0) return {};
    if (entry.content_size == 0) return writer_.zeros(rva + shift_, entry.page_count, flags, extend);
    std::array<std::byte, kPageSize> page;
    for (std::size_t at = 0; at < page.size(); at += sizeof(entry.content_size)) {
      std::memcpy(page.data() + at, &entry.content_size, sizeof(entry.content_size));
    }
    return writer_.repeat(rva + shift_, entry.page_count, flags, page, extend);
  }

  // The template's addresses are relative to the TCS.
  [[nodiscard]] Result<void> add_tcs(std::uint64_t rva, std::uint64_t count, ByteView content, bool extend) {
    sgx::Tcs tcs;
    if (content.size() > sizeof(tcs)) return input_error("the image's SGX metadata has a TCS larger than a page");
    std::memcpy(&tcs, content.data(), content.size());
    tcs.ssa_offset += rva;
    tcs.fs_offset += rva;
    tcs.gs_offset += rva;
    return writer_.repeat(rva + shift_, count, SecinfoFlags::make(PageType::kTcs, 0), bytes_of(tcs), extend);
  }

  const IntelMetadata& metadata_;
  sgx::EnclaveBuilder& builder_;
  PageWriter writer_;
  const RelocationPages& relocations_;
  std::uint64_t shift_ = 0;  // of the image in ELRANGE
  std::uint64_t steps_ = 0;
};

// What all enclaves of one file share.
struct SharedFile {
  std::vector<std::byte> bytes;
  ElfView elf;
  RelocationPages relocations;
};

class IntelEnclave final : public ForeignEnclave {
 public:
  IntelEnclave(std::shared_ptr<const SharedFile> file, IntelMetadata metadata, Limits limits)
      : file_(std::move(file)), metadata_(std::move(metadata)), limits_(limits) {}

  [[nodiscard]] std::string_view format() const override { return "intel-sgx-sdk"; }
  [[nodiscard]] std::string detail() const override {
    return "metadata " + std::to_string(metadata_.header.major) + "." + std::to_string(metadata_.header.minor);
  }
  [[nodiscard]] const sgx::Sigstruct* sigstruct() const override { return &metadata_.header.sigstruct; }
  [[nodiscard]] std::optional<std::uint64_t> base() const override {
    return metadata_.elrange ? std::optional(metadata_.elrange->start) : std::nullopt;
  }

  [[nodiscard]] Result<void> describe(sgx::EnclaveBuilder& builder) const override {
    auto segments = load_segments(file_->elf, 0, 0);
    if (!segments) return std::unexpected(segments.error());
    if (auto appended = append_shared_object(*segments); !appended) return appended;
    auto patched = patched_file();
    if (!patched) return std::unexpected(patched.error());

    IntelLoader loader(metadata_, builder, limits_, file_->relocations);
    if (auto done = loader.create(); !done) return done;
    if (auto done = loader.add_segments(*patched, *segments); !done) return done;
    return loader.add_layout();
  }

 private:
  [[nodiscard]] Result<void> append_shared_object(std::vector<SegmentPosition>& segments) const {
    if (!metadata_.shared_object) return {};
    const SharedObjectEntry& entry = *metadata_.shared_object;
    const ByteView file = file_->bytes;
    if (!range_fits(entry.file_offset, entry.size, file.size())) {
      return input_error("the shared object inside the image leaves the file");
    }
    const auto elf = ElfView::parse(file.subspan(entry.file_offset, entry.size));
    if (!elf) return input_error("the shared object inside the image: " + elf.error().message);
    auto more = load_segments(*elf, entry.file_offset, entry.memory_offset);
    if (!more) return std::unexpected(more.error());
    segments.insert(segments.end(), more->begin(), more->end());
    return {};
  }

  [[nodiscard]] Result<std::vector<std::byte>> patched_file() const {
    std::vector<std::byte> patched = file_->bytes;
    for (const PatchEntry& patch : metadata_.patches) {
      if (!range_fits(patch.target, patch.size, patched.size())) {
        return input_error("a patch in the image's SGX metadata leaves the file");
      }
      std::memcpy(patched.data() + patch.target, metadata_.block.data() + patch.source, patch.size);
    }
    return patched;
  }

  std::shared_ptr<const SharedFile> file_;
  IntelMetadata metadata_;
  Limits limits_;
};

// The offset of the first metadata block, behind the note's header and name.
Result<std::uint64_t> metadata_offset(const ElfView& elf) {
  const Elf64_Shdr* section = elf.section(kMetadataSection);
  const auto content = section == nullptr ? std::nullopt : elf.content(*section);
  if (!content) return input_error("the image has no .note.sgxmeta section");
  ByteReader reader(*content);
  const auto note = reader.read<Elf64_Nhdr>();
  const auto name = note ? reader.take(note->n_namesz) : std::nullopt;
  if (!name || name->size() != kMetadataName.size() + 1 ||
      std::memcmp(name->data(), kMetadataName.data(), kMetadataName.size()) != 0) {
    return input_error("the image's .note.sgxmeta section is not an SGX metadata note");
  }
  return section->sh_offset + reader.position();
}

}  // namespace

bool is_intel_image(ByteView file) {
  const auto elf = ElfView::parse(file);
  return elf && elf->section(kMetadataSection) != nullptr;
}

Result<std::vector<std::unique_ptr<ForeignEnclave>>> open_intel(std::vector<std::byte> file, Limits limits) {
  auto shared = std::make_shared<SharedFile>(std::move(file), ElfView{}, RelocationPages{ElfView{}});
  auto elf = ElfView::parse(shared->bytes);
  if (!elf) return std::unexpected(elf.error());
  shared->elf = std::move(*elf);
  shared->relocations = RelocationPages(shared->elf);
  const auto offset = metadata_offset(shared->elf);
  if (!offset) return std::unexpected(offset.error());
  auto blocks = read_metadata_blocks(shared->bytes, *offset);
  if (!blocks) return std::unexpected(blocks.error());

  const auto rank = [](const IntelMetadata& metadata) {
    return std::tuple(metadata.header.major % 10 != 2, metadata.header.major, metadata.header.minor);
  };
  std::ranges::sort(*blocks, std::ranges::greater{}, rank);
  std::vector<std::unique_ptr<ForeignEnclave>> enclaves;
  for (IntelMetadata& block : *blocks) {
    enclaves.push_back(std::make_unique<IntelEnclave>(shared, std::move(block), limits));
  }
  return enclaves;
}

}  // namespace coffer::image
