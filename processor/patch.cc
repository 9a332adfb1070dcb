#include "processor/patch.h"

#include <array>
#include <cstring>
#include <optional>
#include <vector>

#include "boundary/image_layout.h"
#include "processor/lane_offsets.h"

namespace coffer::processor {

using boundary::ImageLayout;
using boundary::LayoutSite;
using sgx::SecinfoFlags;

namespace {

using Site = std::array<std::uint8_t, 16>;
// enclu; nopw 0(%rax,%rax,1) with a CS prefix (10 bytes); nopl (%rax) (3 bytes)
constexpr Site kEncluSite = {0x0f, 0x01, 0xd7, 0x66, 0x2e, 0x0f, 0x1f, 0x84,
                             0x00, 0x00, 0x00, 0x00, 0x00, 0x0f, 0x1f, 0x00};
// the same with another displacement in the first NOP: an ENCLU that only ever is EEXIT
constexpr Site kExitSite = {0x0f, 0x01, 0xd7, 0x66, 0x2e, 0x0f, 0x1f, 0x84,
                            0x00, 0x01, 0x00, 0x00, 0x00, 0x0f, 0x1f, 0x00};
// two NOPs of 8 bytes: nopl 0xc0ffee(%rax,%rax,1), twice
constexpr Site kAcceptSite = {0x0f, 0x1f, 0x84, 0x00, 0xee, 0xff, 0xc0, 0x00,
                              0x0f, 0x1f, 0x84, 0x00, 0xee, 0xff, 0xc0, 0x00};

// movabs $gate,%r11 ; call *(%r11) ; tail
Site call_gate(const GateDescriptor* gate, std::array<std::uint8_t, 3> tail) {
  Site code{};
  const auto address = reinterpret_cast<std::uint64_t>(gate);
  code[0] = 0x49;
  code[1] = 0xbb;
  std::memcpy(&code[2], &address, 8);
  code[10] = 0x41;
  code[11] = 0xff;
  code[12] = 0x13;
  std::memcpy(&code[13], tail.data(), tail.size());
  return code;
}

// movabs $gate,%r11 ; jmp *GATE_EXIT(%r11) ; nop
Site jump_to_exit_gate(const GateDescriptor* gate) {
  Site code = call_gate(gate, {0x00, 0x66, 0x90});
  code[12] = 0x63;
  code[13] = GATE_EXIT;
  return code;
}

Result<ImageLayout> read_layout(const SoftEnclave& enclave, std::uint64_t offset) {
  ImageLayout layout;
  enclave.bring(offset, sizeof(layout));
  if (!enclave.pages_allow(offset, sizeof(layout), SecinfoFlags::kR)) {
    return input_error("the image's layout page is not inside the enclave");
  }
  std::memcpy(&layout, reinterpret_cast<const void*>(enclave.base() + offset), sizeof(layout));
  if (layout.magic != boundary::kLayoutMagic || layout.layout_offset != offset || layout.size != enclave.size() ||
      !range_fits(offset + sizeof(layout), layout.blob_size, layout.size)) {
    return input_error("the image's layout page is damaged");
  }
  return layout;
}

// A table of the layout's blob; nothing where it does not lie in the blob and in memory of the enclave.
template <class Row>
std::optional<std::vector<Row>> read_table(const SoftEnclave& enclave, const ImageLayout& layout, std::uint64_t table,
                                           std::uint64_t count) {
  const std::uint64_t bytes = count * sizeof(Row);
  const std::uint64_t at = layout.layout_offset + sizeof(ImageLayout) + table;
  if (count == 0) return std::vector<Row>{};
  if (!range_fits(table, bytes, layout.blob_size)) return std::nullopt;
  enclave.bring(at, bytes);
  if (!enclave.pages_allow(at, bytes, SecinfoFlags::kR)) return std::nullopt;
  std::vector<Row> rows(count);
  std::memcpy(rows.data(), reinterpret_cast<const void*>(enclave.base() + at), bytes);
  return rows;
}

Result<std::vector<LayoutSite>> read_sites(const SoftEnclave& enclave, const ImageLayout& layout) {
  auto table = read_table<LayoutSite>(enclave, layout, layout.sites_table, layout.site_count);
  if (!table) return input_error("the image's table of system-call sites is damaged");
  auto& sites = *table;
  for (const LayoutSite& site : sites) {
    const auto distance = static_cast<std::int64_t>(site.thunk - site.site - 5);
    const bool good = site.length >= 5 && site.length <= 15 && distance == static_cast<std::int32_t>(distance) &&
                      enclave.pages_allow(site.site, site.length, SecinfoFlags::kX) &&
                      enclave.pages_allow(site.thunk, 1, SecinfoFlags::kX);
    if (!good) return input_error("the image names a system-call site outside its code");
  }
  return std::move(sites);
}

// Sites of the kernel's own text, which is all that lies before the layout page.
void patch_kernel_sites(SoftEnclave& enclave, std::uint64_t end, PatchCounts& counts) {
  const Site enclu = call_gate(enclave.gate(), {0x0f, 0x1f, 0x00});
  const Site accept = call_gate(enclave.gate(), {0xc3, 0x90, 0x90});
  const Site exit = jump_to_exit_gate(enclave.gate());
  for (std::uint64_t page = 0; page < end; page += sgx::kPageSize) {
    if (!enclave.pages_allow(page, sgx::kPageSize, SecinfoFlags::kR | SecinfoFlags::kX)) continue;
    // The kernel aligns its sites to 16 bytes, so none straddles pages.
    for (std::uint64_t at = page; at < page + sgx::kPageSize; at += 16) {
      const void* code = reinterpret_cast<const void*>(enclave.base() + at);
      if (std::memcmp(code, kEncluSite.data(), 16) == 0) {
        counts.enclu_sites += enclave.patch_code(at, std::as_bytes(std::span(enclu))) ? 1 : 0;
      } else if (std::memcmp(code, kExitSite.data(), 16) == 0) {
        counts.enclu_sites += enclave.patch_code(at, std::as_bytes(std::span(exit))) ? 1 : 0;
      } else if (std::memcmp(code, kAcceptSite.data(), 16) == 0) {
        counts.accept_sites += enclave.patch_code(at, std::as_bytes(std::span(accept))) ? 1 : 0;
      }
    }
  }
}

}  // namespace

Result<PatchCounts> apply_fast_paths(SoftEnclave& enclave, std::uint64_t layout_offset) {
  if (!enclave.initialised()) return input_error("fast paths are for enclaves that EINIT has accepted");
  auto layout = read_layout(enclave, layout_offset);
  if (!layout) return std::unexpected(layout.error());
  auto sites = read_sites(enclave, *layout);
  if (!sites) return std::unexpected(sites.error());
  PatchCounts counts;
  patch_kernel_sites(enclave, layout->layout_offset, counts);
  for (const LayoutSite& site : *sites) {
    std::array<std::uint8_t, 15> code;
    code.fill(0x90);
    const auto distance = static_cast<std::int32_t>(site.thunk - site.site - 5);
    code[0] = 0xe9;
    std::memcpy(&code[1], &distance, sizeof(distance));
    if (enclave.patch_code(site.site, std::as_bytes(std::span(code)).first(site.length))) ++counts.syscall_sites;
  }
  return counts;
}

Result<std::uint32_t> trap_cpuid(SoftEnclave& enclave, std::uint64_t layout_offset) {
  constexpr std::array<std::uint8_t, 2> kCpuid = {0x0f, 0xa2};
  constexpr std::array<std::uint8_t, 2> kUd2 = {0x0f, 0x0b};
  if (!enclave.initialised()) return input_error("traps are for enclaves that EINIT has accepted");
  auto layout = read_layout(enclave, layout_offset);
  if (!layout) return std::unexpected(layout.error());
  const auto sites = read_table<std::uint64_t>(enclave, *layout, layout->cpuid_table, layout->cpuid_count);
  if (!sites) return input_error("the image's table of CPUID instructions is damaged");
  for (const std::uint64_t site : *sites) {
    enclave.bring(site, kCpuid.size());
    std::array<std::uint8_t, 2> code{};
    const auto copied =
        enclave.copy_out(site, std::as_writable_bytes(std::span(code)), SecinfoFlags::kR | SecinfoFlags::kX);
    if (copied != SoftEnclave::Copied::kYes || code != kCpuid) {
      return input_error("the image lists a CPUID instruction where there is none");
    }
  }
  std::uint32_t changed = 0;
  for (const std::uint64_t site : *sites) {
    enclave.bring(site, kUd2.size());
    if (enclave.patch_code(site, std::as_bytes(std::span(kUd2)))) ++changed;
  }
  return changed;
}

}  // namespace coffer::processor
