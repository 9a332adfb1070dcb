#include "enclave/kernel/core/image.h"

#include <new>

#include "base/bytes.h"
#include "enclave/kernel/core/enclu.h"
#include "enclave/kernel/core/kernel.h"
#include "enclave/kernel/core/program_protection.h"
#include "enclave/kernel/support/allocator.h"

extern "C" {
extern const char __kernel_begin[];
extern const char __kernel_end[];
}

namespace coffer::kernel {

namespace {

constexpr std::uint64_t kPageMask = SGX_PAGE_SIZE - 1;
std::uint64_t round_up(std::uint64_t value) { return (value + kPageMask) & ~kPageMask; }

class EnclavePages final : public PageSource {
 public:
  bool commit(std::uintptr_t address, std::size_t size) override { return accept_pages(address, size); }
  // PROT_READ and PROT_WRITE are the bits of SECINFO.
  bool restrict(std::uintptr_t address, std::size_t size, int protection) override {
    return restrict_pages(address, size, static_cast<std::uint64_t>(protection));
  }
  void extend(std::uintptr_t address, std::size_t size, int protection) override {
    extend_pages(address, size, static_cast<std::uint64_t>(protection));
  }
  std::size_t release(std::uintptr_t address, std::size_t size) override { return release_pages(address, size); }
};

// Made in place at start: the kernel has no static constructors.
alignas(EnclavePages) std::byte page_source_place[sizeof(EnclavePages)];
alignas(AddressSpace) std::byte address_space_place[sizeof(AddressSpace)];
bool debug_enclave = false;
std::uint64_t saved_state = 0;
std::uint64_t arena_base = 0;
std::uint64_t arena_size = 0;

}  // namespace

std::uint64_t enclave_base() { return reinterpret_cast<std::uint64_t>(__kernel_begin); }
const boundary::ImageLayout& layout() { return *reinterpret_cast<const boundary::ImageLayout*>(__kernel_end); }

std::string_view layout_text(std::uint32_t offset, std::uint32_t size) {
  auto text = layout_table<char>(offset, size);
  return {text.data(), text.size()};
}

bool check_layout() {
  const auto& l = layout();
  const auto in = [&](std::uint64_t offset, std::uint64_t size) { return range_fits(offset, size, l.size); };
  if (l.magic != boundary::kLayoutMagic || l.version != boundary::kLayoutVersion ||
      enclave_base() + l.layout_offset != reinterpret_cast<std::uint64_t>(&l)) {
    return false;
  }
  if (!in(l.layout_offset, sizeof(l) + l.blob_size) || !in(l.heap_offset, l.heap_size) ||
      !in(l.files_offset, l.files_size) || !in(l.thunk_offset, l.thunk_size) || l.thread_count == 0 ||
      !in(l.thread_offset, std::uint64_t{l.thread_count} * boundary::kThreadStride) ||
      l.segment_count > boundary::kMaxSegments) {
    return false;
  }
  for (std::uint32_t i = 0; i < l.segment_count; ++i) {
    const auto& s = l.segments[i];
    if (!in(s.offset, s.memory_size) || s.file_size > s.memory_size) return false;
  }
  return l.app_entry > l.app_base && l.app_entry < l.size && ((l.heap_offset | l.heap_size) & kPageMask) == 0 &&
         l.heap_limit <= l.heap_size;
}

void read_own_attributes() {
  sgx::TargetInfo nobody{};
  sgx::Report report{};
  if (!make_report(nobody, {}, &report)) panic("EREPORT failed");
  debug_enclave = (report.body.attributes.flags & sgx::attribute::kDebug) != 0;
  saved_state = report.body.attributes.xfrm;
}

bool is_debug_enclave() { return debug_enclave; }
std::uint64_t enclave_xfrm() { return saved_state; }

void set_arena(std::uint64_t base, std::uint64_t size) {
  arena_base = base;
  arena_size = size;
}

bool in_arena(std::uint64_t address, std::uint64_t size) {
  return address >= arena_base && range_fits(address - arena_base, size, arena_size);
}

bool outside_enclave(std::uint64_t address, std::uint64_t size) {
  const std::uint64_t begin = enclave_base();
  const std::uint64_t end = begin + layout().size;
  return size != 0 && address + size > address && (address + size <= begin || address >= end);
}

bool in_host_memory(std::uint64_t address, std::uint64_t size) {
  if (size == 0 || in_arena(address, size)) return true;
  constexpr std::uint64_t kUserEnd = std::uint64_t{1} << 47;
  return debug_enclave && range_fits(address, size, kUserEnd) && outside_enclave(address, size);
}

HostRange arena() { return {arena_base, arena_size}; }

AddressSpace& address_space() { return *reinterpret_cast<AddressSpace*>(address_space_place); }

void init_memory() {
  auto* source = new (page_source_place) EnclavePages;
  auto* space =
      new (address_space_place) AddressSpace(enclave_base() + layout().heap_offset, layout().heap_size, *source);
  if ((layout().flags & boundary::kLayoutDynamicCode) != 0) space->allow_code();
}

// The kernel's own heap grows from the same range as the program's mappings.
void* kernel_pages(std::size_t bytes) { return address_space().map_kernel(bytes); }
void release_kernel_pages(void* pages, std::size_t bytes) { address_space().release_kernel(pages, bytes); }

bool commit_program_memory() {
  for (std::uint32_t i = 0; i < layout().segment_count; ++i) {
    const auto& s = layout().segments[i];
    const std::uint64_t present = round_up(s.offset + s.file_size);
    const std::uint64_t end = round_up(s.offset + s.memory_size);
    if (end > present && !accept_pages(enclave_base() + present, end - present)) return false;
  }
  return true;
}

bool in_program(std::uint64_t address, std::uint64_t size, bool write) {
  const std::uint64_t wanted = write ? 2 : 1;
  for (std::uint32_t i = 0; i < layout().segment_count; ++i) {
    const auto& s = layout().segments[i];
    const std::uint64_t begin = (enclave_base() + s.offset) & ~kPageMask;
    const std::uint64_t end = round_up(enclave_base() + s.offset + s.memory_size);
    if (address >= begin && range_fits(address - begin, size, end - begin)) {
      return (s.permissions & wanted) != 0 && program_allows(address, size, static_cast<std::uint32_t>(wanted));
    }
  }
  return false;
}

bool is_program_code(std::uint64_t address, std::uint64_t size) {
  for (std::uint32_t i = 0; i < layout().segment_count; ++i) {
    const auto& s = layout().segments[i];
    const std::uint64_t begin = enclave_base() + s.offset;
    constexpr std::uint32_t kExecutable = 4;
    if ((s.permissions & kExecutable) != 0 && address >= begin && range_fits(address - begin, size, s.memory_size)) {
      return true;
    }
  }
  return false;
}

}  // namespace coffer::kernel
