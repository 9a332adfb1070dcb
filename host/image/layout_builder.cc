#include "host/image/layout_builder.h"

#include <elf.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

#include "boundary/attestation.h"

namespace coffer::image {
namespace {

using boundary::ImageLayout;
using sgx::kPageSize;
using sgx::SecinfoFlags;

constexpr std::uint64_t kReadOnly = SecinfoFlags::kR;
constexpr std::uint64_t kReadWrite = SecinfoFlags::kR | SecinfoFlags::kW;
constexpr std::uint64_t kReadExecute = SecinfoFlags::kR | SecinfoFlags::kX;

std::uint64_t round_up(std::uint64_t value, std::uint64_t to) { return (value + to - 1) / to * to; }
std::uint64_t page_up(std::uint64_t value) { return round_up(value, kPageSize); }
std::uint64_t page_down(std::uint64_t value) { return value / kPageSize * kPageSize; }

template <class T>
ByteView bytes_of_all(const std::vector<T>& records) {
  return std::as_bytes(std::span(records));
}

ByteView bytes_of_text(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace

Result<void> LayoutBuilder::build() {
  if (auto found = find_kernel(); !found) return found;
  // The layout's own size follows from its tables, which hold offsets of what comes after it. So everything is placed
  // twice: with the tables' sizes (which do not depend on the offsets), then for good.
  const SiteSurvey survey = find_syscall_sites(program_);
  sites_found_ = survey.found;
  layout_.layout_offset = kernel_end_;

  auto place = [&](std::uint64_t layout_size) {
    layout_.app_base = round_up(kernel_end_ + page_up(layout_size), program_.alignment());
    layout_.thunk_offset = layout_.app_base + program_.end();
    auto thunks = make_thunks(survey.patchable, layout_.app_base, layout_.thunk_offset, syscall_entry_);
    sites_ = thunks.sites;
    cpuid_sites_ = {kernel_cpuid_};
    for (std::uint64_t address : survey.cpuid) cpuid_sites_.push_back(layout_.app_base + address);
    return thunks;
  };
  (void)place(kPageSize);
  place_files();
  write_blob();
  const auto sites_before = sites_.size();
  auto thunks = place(sizeof(ImageLayout) + blob_.size());
  if (sites_.size() != sites_before) {
    return input_error(input_.program_name + " is too large: its code lies 2 GiB from the enclave kernel");
  }
  layout_.thunk_size = thunks.code.size();
  place_files();
  write_blob();
  place_threads();
  if (auto placed = place_heap(); !placed) return placed;

  add_kernel();
  layout_.size = std::bit_ceil(layout_.heap_offset + layout_.heap_size);
  layout_.layout_size = sizeof(ImageLayout) + blob_.size();
  place_program();
  std::vector<std::byte> page(sizeof(ImageLayout));
  std::memcpy(page.data(), &layout_, sizeof(ImageLayout));
  page.insert(page.end(), blob_.begin(), blob_.end());
  add_segment(layout_.layout_offset, kReadOnly, keep(page));
  if (!thunks.code.empty()) add_segment(layout_.thunk_offset, kReadExecute, keep(thunks.code));
  for (std::size_t i = 0; i < files_.size(); ++i) {
    if (files_[i].content_size != 0) {
      add_segment(files_[i].content_offset, kReadOnly, keep(input_.files[i].content));
    }
  }
  std::ranges::sort(segments_, {}, &Segment::offset);
  return {};
}

Result<std::uint64_t> LayoutBuilder::kernel_symbol(std::string_view name) const {
  auto address = kernel_.symbol(name);
  if (!address) return input_error(fmt::format("the enclave kernel has no symbol {}: build it again", name));
  return *address;
}

Result<void> LayoutBuilder::find_kernel() {
  auto entry = kernel_symbol("coffer_enclave_entry");
  if (!entry) return std::unexpected(entry.error());
  auto syscall = kernel_symbol("coffer_syscall_entry");
  if (!syscall) return std::unexpected(syscall.error());
  auto cpuid = kernel_symbol("coffer_cpuid_site");
  if (!cpuid) return std::unexpected(cpuid.error());
  auto end = kernel_symbol("__kernel_end");
  if (!end) return std::unexpected(end.error());
  if (*end % kPageSize != 0 || *end < kernel_.end() || kernel_.segments().front().address >= kPageSize) {
    return input_error("the enclave kernel is not linked at 0 with a page-aligned __kernel_end behind its segments");
  }
  kernel_entry_ = *entry;
  syscall_entry_ = *syscall;
  kernel_cpuid_ = *cpuid;
  kernel_end_ = *end;
  return {};
}

ByteView LayoutBuilder::keep(ByteView content, std::uint64_t lead) {
  auto& pages = kept_.emplace_back(page_up(lead + content.size()));
  std::ranges::copy(content, pages.begin() + static_cast<std::ptrdiff_t>(lead));
  return pages;
}

// Where the file's section table stands depends on its debug information, and the file's header is measured: without
// this the same program, built in another folder, would be another enclave. Nobody needs sections at run time.
void LayoutBuilder::forget_sections(std::span<std::byte> segment) {
  Elf64_Ehdr header;
  if (segment.size() < sizeof(header)) return;
  std::memcpy(&header, segment.data(), sizeof(header));
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return;
  header.e_shoff = 0;
  header.e_shnum = 0;
  header.e_shstrndx = SHN_UNDEF;
  std::memcpy(segment.data(), &header, sizeof(header));
}

void LayoutBuilder::add_segment(std::uint64_t offset, std::uint64_t permissions, ByteView content) {
  segments_.push_back({.offset = offset,
                       .size = content.size(),
                       .flags = SecinfoFlags::make(sgx::PageType::kReg, permissions),
                       .extend = sgx::kExtendAll,
                       .content = content});
}

void LayoutBuilder::add_zero_segment(std::uint64_t offset, std::uint64_t size, std::uint64_t permissions) {
  segments_.push_back({.offset = offset,
                       .size = size,
                       .flags = SecinfoFlags::make(sgx::PageType::kReg, permissions),
                       .extend = sgx::kExtendAll,
                       .content = {}});
}

void LayoutBuilder::add_elf_segment(const ElfSegment& segment, std::uint64_t base, bool with_zero_pages) {
  const std::uint64_t begin = page_down(segment.address);
  const std::uint64_t file_end = segment.content.empty() ? begin : page_up(segment.address + segment.content.size());
  const std::uint64_t end = page_up(segment.address + segment.memory_size);
  if (!segment.content.empty()) {
    const ByteView kept = keep(segment.content, segment.address - begin);
    forget_sections(kept_.back());
    add_segment(base + begin, segment.permissions, kept);
  }
  if (with_zero_pages && end > file_end) add_zero_segment(base + file_end, end - file_end, segment.permissions);
}

void LayoutBuilder::add_kernel() {
  for (const ElfSegment& segment : kernel_.segments()) add_elf_segment(segment, 0, true);
}

void LayoutBuilder::place_program() {
  const std::uint64_t base = layout_.app_base;
  layout_.app_entry = base + program_.entry();
  layout_.app_headers = base + program_.headers_address();
  layout_.app_header_count = program_.header_count();
  layout_.segment_count = static_cast<std::uint32_t>(program_.segments().size());
  for (std::size_t i = 0; i < program_.segments().size(); ++i) {
    const ElfSegment& segment = program_.segments()[i];
    layout_.segments[i] = {.offset = base + segment.address,
                           .file_size = segment.content.size(),
                           .memory_size = segment.memory_size,
                           .permissions = static_cast<std::uint32_t>(segment.permissions),
                           .reserved = 0};
    // Pages beyond the file's part are committed by the kernel on demand.
    add_elf_segment(segment, base, false);
  }
}

void LayoutBuilder::place_files() {
  files_.clear();
  layout_.files_offset = page_up(layout_.thunk_offset + layout_.thunk_size);
  std::uint64_t position = layout_.files_offset;
  for (const MeasuredInput& file : input_.files) {
    files_.push_back({.path_offset = 0,
                      .path_size = static_cast<std::uint32_t>(file.path.size()),
                      .content_offset = position,
                      .content_size = file.content.size(),
                      .mode = file.mode,
                      .reserved = 0});
    position += page_up(file.content.size());
  }
  layout_.files_size = position - layout_.files_offset;
}

void LayoutBuilder::place_threads() {
  layout_.thread_offset = layout_.files_offset + layout_.files_size;
  layout_.thread_count = input_.settings.threads + boundary::kServiceThreads;
  for (std::uint32_t i = 0; i < layout_.thread_count; ++i) {
    const std::uint64_t block = layout_.thread_offset + i * boundary::kThreadStride;
    sgx::Tcs tcs;
    tcs.ssa_offset = block + boundary::kThreadSsaOffset;
    tcs.ssa_count = boundary::kSsaFrames;
    tcs.entry_offset = kernel_entry_;
    tcs.fs_offset = tcs.gs_offset = block + boundary::kThreadControlOffset;
    tcs.fs_limit = tcs.gs_limit = 0xfff;
    add_segment(block, 0, keep(bytes_of(tcs)));
    segments_.back().flags = SecinfoFlags::make(sgx::PageType::kTcs, 0);
    add_zero_segment(block + kPageSize, boundary::kThreadStride - kPageSize, kReadWrite);
  }
}

Result<void> LayoutBuilder::place_heap() {
  const Settings& settings = input_.settings;
  layout_.heap_offset = layout_.thread_offset + layout_.thread_count * boundary::kThreadStride;
  layout_.heap_limit = page_up(settings.heap_max);
  constexpr std::uint64_t kLeastRange = std::uint64_t{16} << 30;
  constexpr std::uint64_t kMostRange = std::uint64_t{256} << 30;
  const std::uint64_t range = std::clamp(layout_.heap_limit * 4, kLeastRange, kMostRange);
  layout_.heap_size = std::max(range, layout_.heap_limit) - layout_.heap_offset % kLeastRange;
  layout_.stack_size = page_up(settings.stack);
  if (layout_.heap_offset + layout_.heap_size > kMaxEnclaveSize) {
    return input_error(fmt::format("the enclave would be larger than {} GiB; lower heap_max", kMaxEnclaveSize >> 30));
  }
  return {};
}

std::uint32_t LayoutBuilder::append_to_blob(ByteView bytes, std::size_t alignment) {
  while ((sizeof(ImageLayout) + blob_.size()) % alignment != 0) blob_.push_back(std::byte{0});
  auto offset = static_cast<std::uint32_t>(blob_.size());
  blob_.insert(blob_.end(), bytes.begin(), bytes.end());
  return offset;
}

namespace {

// Whether code loads the number of the system call that makes reports (include/coffer/enclave.h), 0xf001, into a
// register, as every program does that makes reports of its own.
bool makes_reports(ByteView code) {
  constexpr std::array<std::byte, 4> kNumber = {std::byte{0x01}, std::byte{0xf0}, std::byte{0}, std::byte{0}};
  for (auto at = code.begin(); at != code.end();) {
    at = std::search(at, code.end(), kNumber.begin(), kNumber.end());
    if (at == code.end()) return false;
    const auto before = static_cast<std::size_t>(at - code.begin());
    const auto one = before >= 1 ? std::to_integer<unsigned>(*(at - 1)) : 0U;
    const auto two = before >= 2 ? std::to_integer<unsigned>(*(at - 2)) : 0U;
    const bool moved = one >= 0xb8 && one <= 0xbf;                   // mov imm32, register
    const bool widened = one >= 0xc0 && one <= 0xc7 && two == 0xc7;  // mov sign-extended imm32, register
    if (moved || widened) return true;
    ++at;
  }
  return false;
}

}  // namespace

// Where the settings do not say: programs that make reports of their own choose what is in them.
bool LayoutBuilder::host_report_data() const {
  if (input_.settings.host_report_data) return *input_.settings.host_report_data;
  return std::ranges::none_of(program_.text(),
                              [](const ElfProgram::TextRange& range) { return makes_reports(range.code); });
}

void LayoutBuilder::write_blob() {
  constexpr std::size_t kTableAlignment = 8;
  const Settings& settings = input_.settings;
  blob_.clear();
  layout_.flags = (settings.environment_any ? boundary::kLayoutAnyEnvironment : 0U) |
                  (settings.dynamic_code ? boundary::kLayoutDynamicCode : 0U) |
                  (program_.sanitized() ? boundary::kLayoutSanitized : 0U) |
                  (host_report_data() ? boundary::kLayoutHostReportData : 0U);

  for (std::size_t i = 0; i < files_.size(); ++i) {
    files_[i].path_offset = append_to_blob(bytes_of_text(input_.files[i].path), 1);
  }
  std::vector<boundary::LayoutMount> mounts;
  mounts.reserve(settings.mounts.size());
  for (const MountSetting& mount : settings.mounts) {
    mounts.push_back({.path_offset = append_to_blob(bytes_of_text(mount.path), 1),
                      .path_size = static_cast<std::uint32_t>(mount.path.size()),
                      .kind = static_cast<std::uint32_t>(mount.kind),
                      .read_only = mount.read_only ? 1u : 0u,
                      .key_policy = static_cast<std::uint32_t>(mount.key),
                      .reserved = 0});
  }
  std::string environment;
  for (const auto& names : {settings.environment_allow, settings.environment_set}) {
    for (const std::string& name : names) environment.append(name).push_back('\0');
  }
  layout_.environment_table = append_to_blob(bytes_of_text(environment), 1);
  layout_.environment_size = static_cast<std::uint32_t>(environment.size());
  const std::string& name = settings.name.empty() ? input_.program_name : settings.name;
  layout_.name_offset = append_to_blob(bytes_of_text(name), 1);
  layout_.name_size = static_cast<std::uint32_t>(name.size());
  // A NUL behind the name, so that the kernel can use it where it stands.
  blob_.push_back(std::byte{0});
  layout_.working_directory_offset = append_to_blob(bytes_of_text(settings.working_directory), 1);
  layout_.working_directory_size = static_cast<std::uint32_t>(settings.working_directory.size());

  layout_.files_table = append_to_blob(bytes_of_all(files_), kTableAlignment);
  layout_.file_count = static_cast<std::uint32_t>(files_.size());
  layout_.mounts_table = append_to_blob(bytes_of_all(mounts), kTableAlignment);
  layout_.mount_count = static_cast<std::uint32_t>(mounts.size());
  layout_.sites_table = append_to_blob(bytes_of_all(sites_), kTableAlignment);
  layout_.site_count = static_cast<std::uint32_t>(sites_.size());
  layout_.network_table = append_to_blob(bytes_of_all(settings.network), kTableAlignment);
  layout_.network_count = static_cast<std::uint32_t>(settings.network.size());
  layout_.cpuid_table = append_to_blob(bytes_of_all(cpuid_sites_), kTableAlignment);
  layout_.cpuid_count = static_cast<std::uint32_t>(cpuid_sites_.size());
  layout_.blob_size = blob_.size();
}

}  // namespace coffer::image
