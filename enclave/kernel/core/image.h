// What the running image is: its base, its measured layout, the memory of the application. Freestanding.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "boundary/image_layout.h"
#include "enclave/kernel/memory/address_space.h"

namespace coffer::kernel {

std::uint64_t enclave_base();
// The measured layout page. Its offsets and sizes have been checked against ELRANGE by check_layout().
const boundary::ImageLayout& layout();
// A string of the layout's blob; empty where it does not fit.
std::string_view layout_text(std::uint32_t offset, std::uint32_t size);
// The rows of one of the layout's tables; empty where it does not fit.
template <class Row>
std::span<const Row> layout_table(std::uint32_t offset, std::uint32_t count) {
  const auto& l = layout();
  if (offset > l.blob_size || std::uint64_t{count} * sizeof(Row) > l.blob_size - offset) return {};
  const auto* blob = reinterpret_cast<const std::byte*>(&l + 1);
  return {reinterpret_cast<const Row*>(blob + offset), count};
}

// False where the layout does not describe this enclave: the kernel cannot go on.
[[nodiscard]] bool check_layout();
// Reads DEBUG and XFRM from a report on ourselves: the layout page cannot say so. After the thread block has its TCS.
void read_own_attributes();
[[nodiscard]] std::uint64_t enclave_xfrm();

// The shared memory: set once at start, after it was found to lie outside ELRANGE. in_arena() is the check of every
// address that the host names.
void set_arena(std::uint64_t base, std::uint64_t size);
[[nodiscard]] bool in_arena(std::uint64_t address, std::uint64_t size);
// Memory that a call may name: the arena, and of a DEBUG enclave, from which nothing is kept, all outside ELRANGE. Of
// no bytes any address is.
[[nodiscard]] bool in_host_memory(std::uint64_t address, std::uint64_t size);
struct HostRange {
  std::uint64_t base, size;
};
[[nodiscard]] HostRange arena();
// Memory of the host: it does not touch ELRANGE and does not wrap.
[[nodiscard]] bool outside_enclave(std::uint64_t address, std::uint64_t size);

// The heap range's address space; after init_memory().
AddressSpace& address_space();
void init_memory();
// Commits the application's zero pages beyond its file contents. False: the EPC is exhausted.
[[nodiscard]] bool commit_program_memory();
// True where [address, address + size) lies in one of the program's segments with at most these permissions asked.
[[nodiscard]] bool in_program(std::uint64_t address, std::uint64_t size, bool write);
// True where the address is code of the program or of its thunks, and not of the kernel.
[[nodiscard]] bool is_program_code(std::uint64_t address, std::uint64_t size);

}  // namespace coffer::kernel
