#include "host/image/coffer_image_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "boundary/attestation.h"
#include "boundary/calls.h"
#include "host/image/network_rules.h"

namespace coffer::image {
namespace {

using sgx::kPageSize;

bool page_aligned(std::uint64_t value) { return value % kPageSize == 0; }
std::uint64_t round_to_pages(std::uint64_t size) { return (size + kPageSize - 1) / kPageSize * kPageSize; }

bool absolute_clean_path(std::string_view path) {
  return path.size() > 1 && path.size() < 256 && path.front() == '/' && path.find('\0') == std::string_view::npos;
}

// What is wrong with a segment's page flags, or "".
std::string_view wrong_flags(sgx::SecinfoFlags flags) {
  if ((flags.value & ~std::uint64_t{0xff07}) != 0) return "sets reserved page flags";
  if (flags.type() == sgx::PageType::kTcs) return flags.permissions() == 0 ? "" : "gives a TCS page permissions";
  if (flags.type() != sgx::PageType::kReg) return "has a page type that an image cannot hold";
  if (flags.writable() && flags.executable()) return "is writable and executable";
  if (!flags.readable()) return "is not readable";
  return "";
}

}  // namespace

Result<CofferImage> CofferImage::parse(ByteView file, std::string_view name) { return Parser(file, name).parse(); }

std::unexpected<Error> CofferImage::Parser::damaged(std::string_view what) const {
  return input_error(fmt::format("{}: {}: the file is damaged, sign the program again", name_, what));
}

Result<CofferImage> CofferImage::Parser::parse() {
  for (auto step :
       {&Parser::header, &Parser::segments, &Parser::layout, &Parser::program, &Parser::threads, &Parser::heap,
        &Parser::names, &Parser::files, &Parser::mounts, &Parser::network, &Parser::sites, &Parser::cpuid_sites}) {
    if (auto done = (this->*step)(); !done) return std::unexpected(done.error());
  }
  return std::move(image_);
}

Result<void> CofferImage::Parser::header() {
  if (!recognises(file_)) return input_error(name_ + " is not a Coffer enclave image; make one with `coffer sign`");
  ByteReader reader(file_);
  auto header = reader.read<FileHeader>();
  if (!header)
    return damaged(fmt::format("the header needs {} bytes, the file has {}", sizeof(FileHeader), file_.size()));
  if (header->version != kImageVersion) {
    return input_error(
        fmt::format("{}: image format version {} is not known, this command reads version {}; use the "
                    "coffer that made it or sign the program again",
                    name_, header->version, kImageVersion));
  }
  if (header->header_size != sizeof(FileHeader)) return damaged("the header has a wrong size");
  if (header->file_size != file_.size()) {
    return damaged(fmt::format("the file has {} bytes, its header says {}", file_.size(), header->file_size));
  }
  if (!std::has_single_bit(header->enclave_size) || header->enclave_size < kMinEnclaveSize ||
      header->enclave_size > kMaxEnclaveSize) {
    return damaged(fmt::format("the enclave size {:#x} is not a power of two from {:#x} to {:#x}", header->enclave_size,
                               kMinEnclaveSize, kMaxEnclaveSize));
  }
  if (header->ssa_frame_size != 1)
    return damaged(fmt::format("an SSA frame has {} pages, not 1", header->ssa_frame_size));
  if ((header->attributes.flags & sgx::attribute::kMode64Bit) == 0 ||
      (header->attributes.flags & (sgx::attribute::kInit | ~sgx::attribute::kKnown)) != 0) {
    return damaged(fmt::format("the attributes {:#x} are not those of a 64-bit enclave", header->attributes.flags));
  }
  if (header->attributes.xfrm != kImageXfrm) {
    return damaged(fmt::format("XFRM is {:#x}, not {:#x}", header->attributes.xfrm, kImageXfrm));
  }
  if (header->reserved != 0) return damaged("a reserved field of the header is not zero");
  if (header->segment_count == 0 || header->segment_count > kMaxImageSegments) {
    return damaged(fmt::format("{} segments, not 1 to {}", header->segment_count, kMaxImageSegments));
  }
  image_.header_ = *header;
  return {};
}

Result<void> CofferImage::Parser::segments() {
  const std::uint32_t count = image_.header_.segment_count;
  const std::uint64_t table_end = sizeof(FileHeader) + std::uint64_t{count} * sizeof(FileSegment);
  end_of_file_ = round_to_pages(table_end);
  if (end_of_file_ > file_.size()) return damaged(fmt::format("the table of {} segments is cut off", count));
  ByteView padding = file_.subspan(table_end, end_of_file_ - table_end);
  if (std::ranges::any_of(padding, [](std::byte byte) { return byte != std::byte{0}; })) {
    return damaged("the padding behind the segment table is not zero");
  }
  ByteReader reader(file_.subspan(sizeof(FileHeader)));
  image_.segments_.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    auto entry = reader.read<FileSegment>();
    if (!entry) return damaged(fmt::format("segment {} is cut off", i));
    if (auto checked = segment(i, *entry); !checked) return checked;
  }
  if (end_of_file_ != file_.size()) {
    return damaged(fmt::format("{} bytes follow the last segment", file_.size() - end_of_file_));
  }
  return {};
}

Result<void> CofferImage::Parser::segment(std::uint32_t index, const FileSegment& entry) {
  auto wrong = [&](std::string_view what) {
    return damaged(fmt::format("segment {} at {:#x} {}", index, entry.offset, what));
  };
  if (!page_aligned(entry.offset) || !page_aligned(entry.size) || entry.size == 0) {
    return wrong(fmt::format("with {:#x} bytes is not made of whole pages", entry.size));
  }
  if (!range_fits(entry.offset, entry.size, image_.header_.enclave_size)) {
    return wrong(
        fmt::format("with {:#x} bytes reaches beyond the enclave's {:#x}", entry.size, image_.header_.enclave_size));
  }
  if (entry.offset < end_of_pages_) return wrong("overlaps the one before it or is out of order");
  const sgx::SecinfoFlags flags{entry.flags};
  if (auto what = wrong_flags(flags); !what.empty()) return wrong(what);
  if (std::ranges::any_of(entry.reserved, [](std::uint16_t value) { return value != 0; })) {
    return wrong("has a reserved field that is not zero");
  }
  Segment parsed{.offset = entry.offset, .size = entry.size, .flags = flags, .extend = entry.extend, .content = {}};
  if (entry.file_offset != 0) {
    // Contents stand one after another, so that no byte of the file is read twice or goes unmeasured.
    if (entry.file_offset != end_of_file_) return wrong("does not have its contents where the segment before it ends");
    if (!range_fits(entry.file_offset, entry.size, file_.size())) return wrong("reaches beyond the end of the file");
    if (entry.extend != sgx::kExtendAll) return wrong("has contents that are not measured");
    parsed.content = file_.subspan(entry.file_offset, entry.size);
    end_of_file_ += entry.size;
  } else {
    if (flags.type() == sgx::PageType::kTcs) return wrong("is a TCS without contents");
    zero_bytes_ += entry.size;
    if (zero_bytes_ > kMaxZeroBytes)
      return wrong(fmt::format("makes more than {:#x} bytes of zero pages", kMaxZeroBytes));
  }
  if (flags.type() == sgx::PageType::kTcs) tcs_pages_ += entry.size / kPageSize;
  end_of_pages_ = entry.offset + entry.size;
  image_.segments_.push_back(parsed);
  return {};
}

const Segment* CofferImage::Parser::segment_around(std::uint64_t offset, std::uint64_t size) const {
  auto after = std::ranges::upper_bound(image_.segments_, offset, {}, &Segment::offset);
  if (after == image_.segments_.begin()) return nullptr;
  const Segment& segment = *(after - 1);
  return range_fits(offset - segment.offset, size, segment.size) ? &segment : nullptr;
}

Result<void> CofferImage::Parser::layout() {
  const std::uint64_t offset = image_.header_.layout_offset;
  const Segment* segment = segment_around(offset, sizeof(boundary::ImageLayout));
  if (!page_aligned(offset) || segment == nullptr || segment->zero_filled() ||
      segment->flags != sgx::SecinfoFlags::make(sgx::PageType::kReg, sgx::SecinfoFlags::kR)) {
    return damaged(fmt::format("no read-only page with contents holds the layout at {:#x}", offset));
  }
  ByteReader reader(segment->content.subspan(offset - segment->offset));
  auto layout = reader.read<boundary::ImageLayout>();
  if (!layout || layout->magic != boundary::kLayoutMagic) {
    return damaged(fmt::format("the layout at {:#x} has no known magic", offset));
  }
  if (layout->version != boundary::kLayoutVersion) {
    return input_error(
        fmt::format("{}: was made by another version of Coffer (layout {}, here {}); sign the program again", name_,
                    layout->version, boundary::kLayoutVersion));
  }
  if (layout->size != image_.header_.enclave_size || layout->layout_offset != offset) {
    return damaged("the layout and the file's header say different sizes or places");
  }
  if (layout->blob_size > reader.remaining() ||
      layout->layout_size != sizeof(boundary::ImageLayout) + layout->blob_size) {
    return damaged(fmt::format("the layout's {:#x} bytes of tables do not fit its pages", layout->blob_size));
  }
  constexpr std::uint32_t kKnown = boundary::kLayoutAnyEnvironment | boundary::kLayoutDynamicCode |
                                   boundary::kLayoutSanitized | boundary::kLayoutHostReportData;
  if ((layout->flags & ~kKnown) != 0 || layout->reserved1 != 0) {
    return damaged("the layout sets reserved flags");
  }
  if ((layout->flags & boundary::kLayoutAnyEnvironment) != 0 && !image_.debug()) {
    return damaged("a production image lets every environment variable pass");
  }
  image_.blob_ = *reader.take(layout->blob_size);
  image_.layout_ = *layout;
  return {};
}

Result<void> CofferImage::Parser::program() {
  const auto& layout = image_.layout_;
  if (!page_aligned(layout.app_base) || layout.segment_count == 0 || layout.segment_count > boundary::kMaxSegments) {
    return damaged(fmt::format("the program has {} segments, not 1 to {}, or is not page-aligned", layout.segment_count,
                               boundary::kMaxSegments));
  }
  for (std::uint32_t i = 0; i < layout.segment_count; ++i) {
    const auto& segment = layout.segments[i];
    bool has_file_part = segment.file_size != 0;
    if (segment.file_size > segment.memory_size || segment.offset < layout.app_base ||
        !range_fits(segment.offset, segment.memory_size, layout.size) || (segment.permissions & ~7u) != 0 ||
        (has_file_part && segment_around(segment.offset, segment.file_size) == nullptr)) {
      return damaged(fmt::format("segment {} of the program at {:#x} has no pages", i, segment.offset));
    }
  }
  const Segment* entry = segment_around(layout.app_entry, 1);
  if (entry == nullptr || !entry->flags.executable()) {
    return damaged(fmt::format("the program's entry {:#x} is not in executable pages", layout.app_entry));
  }
  constexpr std::uint64_t kProgramHeaderSize = 56;
  if (segment_around(layout.app_headers, layout.app_header_count * kProgramHeaderSize) == nullptr) {
    return damaged("the program's headers are not in its pages");
  }
  return {};
}

Result<void> CofferImage::Parser::threads() {
  const auto& layout = image_.layout_;
  constexpr std::uint32_t kMost = kMaxThreads + boundary::kServiceThreads;
  if (layout.thread_count <= boundary::kServiceThreads || layout.thread_count > kMost) {
    return damaged(fmt::format("{} threads, not {} to {}", layout.thread_count, boundary::kServiceThreads + 1, kMost));
  }
  if (!page_aligned(layout.thread_offset) ||
      !range_fits(layout.thread_offset, layout.thread_count * boundary::kThreadStride, layout.size) ||
      tcs_pages_ != layout.thread_count) {
    return damaged(
        fmt::format("{} TCS pages for {} threads at {:#x}", tcs_pages_, layout.thread_count, layout.thread_offset));
  }
  for (std::uint32_t i = 0; i < layout.thread_count; ++i) {
    const Segment* tcs = segment_around(image_.tcs_offset(i), kPageSize);
    if (tcs == nullptr || tcs->flags.type() != sgx::PageType::kTcs) {
      return damaged(fmt::format("thread {} has no TCS at {:#x}", i, image_.tcs_offset(i)));
    }
    // EADD clears these fields, so the measurement would not show them.
    auto content = ByteReader(tcs->content.subspan(image_.tcs_offset(i) - tcs->offset)).read<sgx::Tcs>();
    if (!content || content->state != 0 || content->flags != 0 || content->current_ssa != 0 || content->aep != 0) {
      return damaged(fmt::format("the TCS of thread {} is not in the state of a new one", i));
    }
  }
  return {};
}

Result<void> CofferImage::Parser::heap() {
  const auto& layout = image_.layout_;
  if (!page_aligned(layout.heap_offset) || !page_aligned(layout.heap_size) ||
      !range_fits(layout.heap_offset, layout.heap_size, layout.size) || layout.heap_offset < end_of_pages_) {
    return damaged(fmt::format("the heap of {:#x} bytes at {:#x} is not free pages of the enclave", layout.heap_size,
                               layout.heap_offset));
  }
  if (layout.heap_limit > layout.heap_size) return damaged("the heap's limit is larger than its range of addresses");
  if (layout.stack_size > layout.heap_limit) return damaged("the stack is larger than the heap that it comes from");
  if (!range_fits(layout.thunk_offset, layout.thunk_size, layout.size) ||
      !range_fits(layout.files_offset, layout.files_size, layout.size)) {
    return damaged("the thunks or the measured files lie outside the enclave");
  }
  return {};
}

template <class T>
std::optional<std::vector<T>> CofferImage::Parser::table(std::uint32_t table, std::uint32_t count) const {
  const std::uint64_t bytes = std::uint64_t{count} * sizeof(T);
  if (!range_fits(table, bytes, image_.blob_.size())) return std::nullopt;  // bounds the allocation too
  std::vector<T> records(count);
  if (count != 0) std::memcpy(records.data(), image_.blob_.data() + table, bytes);
  return records;
}

std::optional<std::string_view> CofferImage::Parser::blob_text(std::uint32_t offset, std::uint32_t size) const {
  if (!range_fits(offset, size, image_.blob_.size())) return std::nullopt;
  return std::string_view(reinterpret_cast<const char*>(image_.blob_.data()) + offset, size);
}

Result<void> CofferImage::Parser::names() {
  const auto& layout = image_.layout_;
  auto name = blob_text(layout.name_offset, layout.name_size);
  if (!name || name->empty() || name->size() > 255 || name->find('\0') != std::string_view::npos) {
    return damaged("the program's name is not 1 to 255 bytes in the layout");
  }
  auto directory = blob_text(layout.working_directory_offset, layout.working_directory_size);
  if (!directory || (!directory->empty() && !absolute_clean_path(*directory))) {
    return damaged("the working directory is no absolute path");
  }
  auto environment = blob_text(layout.environment_table, layout.environment_size);
  if (!environment || (!environment->empty() && environment->back() != '\0')) {
    return damaged("the environment table is not in the layout");
  }
  while (!environment->empty()) {
    auto end = environment->find('\0');
    if (end == 0 || environment->front() == '=') return damaged("the environment table holds an entry without a name");
    image_.environment_.push_back(environment->substr(0, end));
    environment->remove_prefix(end + 1);
  }
  return {};
}

Result<void> CofferImage::Parser::files() {
  const auto& layout = image_.layout_;
  auto records = table<boundary::LayoutFile>(layout.files_table, layout.file_count);
  if (!records) return damaged("the table of measured files is not in the layout");
  for (const auto& record : *records) {
    auto path = blob_text(record.path_offset, record.path_size);
    if (!path || !absolute_clean_path(*path)) return damaged("a measured file has no absolute path");
    const Segment* pages =
        record.content_size == 0 ? nullptr : segment_around(record.content_offset, record.content_size);
    if (record.content_size != 0 && (pages == nullptr || pages->flags.writable() || pages->flags.executable())) {
      return damaged(fmt::format("the measured file {} has no read-only pages", *path));
    }
    image_.files_.push_back({*path, record});
  }
  return {};
}

Result<void> CofferImage::Parser::mounts() {
  const auto& layout = image_.layout_;
  auto records = table<boundary::LayoutMount>(layout.mounts_table, layout.mount_count);
  if (!records) return damaged("the table of mounts is not in the layout");
  for (const auto& record : *records) {
    auto path = blob_text(record.path_offset, record.path_size);
    if (!path || !absolute_clean_path(*path)) return damaged("a mount has no absolute path");
    bool plain = record.kind == static_cast<std::uint32_t>(boundary::MountKind::kPlain) && record.key_policy == 0;
    bool encrypted = record.kind == static_cast<std::uint32_t>(boundary::MountKind::kEncrypted) &&
                     record.key_policy >= 1 && record.key_policy <= 3;
    if ((!plain && !encrypted) || record.read_only > 1) {
      return damaged(fmt::format("the mount {} has an unknown kind or key", *path));
    }
    image_.mounts_.push_back({*path, record});
  }
  return {};
}

Result<void> CofferImage::Parser::network() {
  const auto& layout = image_.layout_;
  auto rules = table<boundary::NetworkRule>(layout.network_table, layout.network_count);
  if (!rules || rules->size() > boundary::kMaxNetworkRules) {
    return damaged("the table of network rules is not in the layout");
  }
  if (!std::ranges::all_of(*rules, is_network_rule)) return damaged("a network rule is none");
  image_.network_ = std::move(*rules);
  return {};
}

Result<void> CofferImage::Parser::sites() {
  const auto& layout = image_.layout_;
  auto records = table<boundary::LayoutSite>(layout.sites_table, layout.site_count);
  if (!records) return damaged("the table of system-call sites is not in the layout");
  std::uint64_t end = 0;
  for (const auto& record : *records) {
    const Segment* text = segment_around(record.site, record.length);
    const Segment* thunk = segment_around(record.thunk, 1);
    bool in_thunks =
        record.thunk >= layout.thunk_offset && range_fits(record.thunk - layout.thunk_offset, 1, layout.thunk_size);
    const auto distance = static_cast<std::int64_t>(record.thunk - record.site);
    bool near = distance > -0x7fff0000 && distance < 0x7fff0000;
    if (record.length < 5 || record.length > 15 || text == nullptr || !text->flags.executable() ||
        text->zero_filled() || thunk == nullptr || !thunk->flags.executable() || !in_thunks || !near ||
        record.site < end) {
      return damaged(fmt::format("the system-call site at {:#x} is not in the program's text", record.site));
    }
    end = record.site + record.length;
  }
  image_.sites_ = std::move(*records);
  return {};
}

Result<void> CofferImage::Parser::cpuid_sites() {
  const auto& layout = image_.layout_;
  auto sites = table<std::uint64_t>(layout.cpuid_table, layout.cpuid_count);
  if (!sites) return damaged("the table of CPUID instructions is not in the layout");
  constexpr std::uint64_t kLength = 2;
  std::uint64_t end = 0;
  for (const std::uint64_t site : *sites) {
    const Segment* text = segment_around(site, kLength);
    if (text == nullptr || !text->flags.executable() || text->zero_filled() || site < end) {
      return damaged(fmt::format("the CPUID instruction at {:#x} is not in the image's text", site));
    }
    const ByteView code = text->content.subspan(site - text->offset, kLength);
    if (code[0] != std::byte{0x0f} || code[1] != std::byte{0xa2}) {
      return damaged(fmt::format("there is no CPUID instruction at {:#x}", site));
    }
    end = site + kLength;
  }
  image_.cpuid_sites_ = std::move(*sites);
  return {};
}

}  // namespace coffer::image
