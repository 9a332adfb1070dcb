// Files that the program has mapped with MAP_SHARED. Freestanding; thread-safe.
//
// A page of an enclave has one address, so what is mapped of a file stands once in memory: a second mapping of the same
// part is the same addresses again, counted. The contents are read when they are first mapped and written back by
// msync(), fsync(), munmap() of the last mapping and exit; read() and write() of the file by any descriptor see and
// change them too. What was changed is found by comparing digests, because nothing tells which pages were written.
//
// One lock for all of it, held across calls to the host. While no file is mapped, the others cost one comparison.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "enclave/kernel/fs/descriptors.h"

namespace coffer::kernel::fs {

// The memory that mappings are made of; every range is whole pages. The kernel's is its address space.
class MappingMemory {
 public:
  virtual ~MappingMemory() = default;
  // Addresses without access for so many bytes; 0 where there are none.
  virtual std::uint64_t reserve(std::size_t size) = 0;
  // These addresses without access, in place of what is there; not if that is anything and `replace` is not set.
  virtual Expected<void> reserve_at(std::uint64_t address, std::size_t size, bool replace) = 0;
  virtual void release(std::uint64_t address, std::size_t size) = 0;
  // Zeroes what is there and leaves no access.
  virtual void empty(std::uint64_t address, std::size_t size) = 0;
  virtual bool protect(std::uint64_t address, std::size_t size, int protection) = 0;
  // True where the kernel may touch all of it now.
  virtual bool prepare(std::uint64_t address, std::size_t size, bool write) = 0;
};
void use_mapping_memory(MappingMemory* memory);

// MAP_FIXED, or MAP_FIXED_NOREPLACE.
struct FixedPlace {
  std::uint64_t address = 0;
  bool replace = false;
};

// mmap() of a file with MAP_SHARED. The address, or ENODEV where the file cannot be mapped, EACCES where the descriptor
// does not allow it, EINVAL, ENOMEM; ENOMEM too where it is to have a place and some of it has another, and EEXIST.
Expected<std::uint64_t> map_shared(Description& file, std::uint64_t offset, std::uint64_t length, int protection,
                                   std::optional<FixedPlace> place = std::nullopt);

bool has_shared_mappings();
// True where some of the range is mapped so; the calls below are for such ranges.
bool is_shared_mapping(std::uint64_t address, std::uint64_t length);
// For what is to take the range's place: what is mapped so there goes, written back. False, and nothing changes, where
// it cannot: where a mapping or the room around it lies partly outside, or was made more than once. The memory is the
// caller's to map over.
bool give_way(std::uint64_t address, std::uint64_t length);
// Drops a mapping of each of its pages; what was the last one's is written back first.
void unmap_shared(std::uint64_t address, std::uint64_t length);
// EACCES where it asks to write what may not be written. What can be read no longer is written back first.
Expected<void> protect_shared(std::uint64_t address, std::uint64_t length, int protection);
// The contents reach the file; with `durable` its storage too.
Expected<void> sync_shared(std::uint64_t address, std::uint64_t length, bool durable);

// For all that moves contents of files past their mappings.
void write_back_all();
Expected<void> write_back(Description& file);
// Calls of the file by a descriptor. Each is the file's own where it is not mapped.
Expected<std::size_t> read_file(Description& file, std::uint64_t offset, std::span<std::byte> into);
Expected<std::size_t> write_file(Description& file, std::uint64_t offset, std::span<const std::byte> from);
Expected<std::uint64_t> append_to_file(Description& file, std::span<const std::byte> from);
Expected<void> truncate_file(Description& file, std::uint64_t size);

}  // namespace coffer::kernel::fs
