// Places everything of an image in ELRANGE; private to host/image (the signer uses it).
#pragma once

#include <deque>
#include <vector>

#include "host/image/coffer_image.h"
#include "host/image/elf_program.h"
#include "host/image/signer.h"
#include "host/image/syscall_sites.h"

namespace coffer::image {

class LayoutBuilder {
 public:
  LayoutBuilder(const SignInput& input, const ElfProgram& kernel, const ElfProgram& program)
      : input_(input), kernel_(kernel), program_(program) {}

  // Once. Afterwards the segments are complete, in ascending order, and refer to memory of this object and its inputs.
  [[nodiscard]] Result<void> build();

  [[nodiscard]] std::span<const Segment> segments() const { return segments_; }
  [[nodiscard]] const boundary::ImageLayout& layout() const { return layout_; }
  [[nodiscard]] std::size_t sites_found() const { return sites_found_; }
  [[nodiscard]] std::size_t sites_patched() const { return sites_.size(); }
  [[nodiscard]] std::size_t cpuid_sites() const { return cpuid_sites_.size(); }

 private:
  [[nodiscard]] Result<std::uint64_t> kernel_symbol(std::string_view name) const;
  [[nodiscard]] Result<void> find_kernel();
  void add_kernel();
  void add_elf_segment(const ElfSegment& segment, std::uint64_t base, bool with_zero_pages);
  void place_program();
  void place_thunks();
  void place_files();
  void place_threads();
  [[nodiscard]] Result<void> place_heap();
  [[nodiscard]] bool host_report_data() const;
  void write_blob();
  [[nodiscard]] std::uint32_t append_to_blob(ByteView bytes, std::size_t alignment);

  // Copies `content` into whole pages that this object keeps; `lead` zero bytes come first.
  [[nodiscard]] ByteView keep(ByteView content, std::uint64_t lead = 0);
  static void forget_sections(std::span<std::byte> segment);
  void add_segment(std::uint64_t offset, std::uint64_t permissions, ByteView content);
  void add_zero_segment(std::uint64_t offset, std::uint64_t size, std::uint64_t permissions);

  const SignInput& input_;
  const ElfProgram& kernel_;
  const ElfProgram& program_;
  std::uint64_t kernel_entry_ = 0, syscall_entry_ = 0, kernel_cpuid_ = 0, kernel_end_ = 0;

  std::deque<std::vector<std::byte>> kept_;
  std::vector<Segment> segments_;
  boundary::ImageLayout layout_;
  std::vector<std::byte> blob_;
  std::vector<boundary::LayoutSite> sites_;
  std::vector<std::uint64_t> cpuid_sites_;
  std::vector<boundary::LayoutFile> files_;
  std::size_t sites_found_ = 0;
};

}  // namespace coffer::image
