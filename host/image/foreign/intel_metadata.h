// The metadata block that the Intel SGX SDK's signing tool writes, versions 1.3 to 3.x, as it stands in the file.
#pragma once

#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "sgx/arch.h"

namespace coffer::image {

inline constexpr std::uint64_t kMetadataMagic = 0x86A80294635D0E4C;

struct MetadataDirectory {
  std::uint32_t offset = 0, size = 0;  // from the start of the block
};

// What every version begins with; the directories and the data follow.
struct MetadataHeader {
  std::uint64_t magic = 0;
  std::uint32_t minor = 0, major = 0;
  std::uint32_t size = 0;  // of the whole block
  std::uint32_t tcs_policy = 0;
  std::uint32_t ssa_frame_size = 0;  // pages
  std::uint32_t save_buffer_size = 0;
  std::uint32_t misc_select = 0;
  std::uint32_t tcs_min_pool = 0;
  std::uint64_t enclave_size = 0;
  sgx::Attributes attributes;
  sgx::Sigstruct sigstruct;
};
static_assert(sizeof(MetadataHeader) == 1872 && offsetof(MetadataHeader, sigstruct) == 64);

// An entry of the layout table: pages to add, or (with kGroupFlag in the id) an instruction to add the entries before
// it again, moved up.
struct LayoutEntry {
  std::uint16_t id = 0;
  std::uint16_t attributes = 0;
  std::uint32_t page_count = 0;
  std::uint64_t rva = 0;
  std::uint32_t content_size = 0;    // the word to fill pages with where content_offset is 0
  std::uint32_t content_offset = 0;  // in the block
  std::uint64_t secinfo_flags = 0;
};
struct LayoutGroup {
  std::uint16_t id = 0;
  std::uint16_t entry_count = 0;
  std::uint32_t load_times = 0;
  std::uint64_t load_step = 0;
  std::uint32_t reserved[4] = {};
};
static_assert(sizeof(LayoutEntry) == 32 && sizeof(LayoutGroup) == 32);

inline constexpr std::uint16_t kGroupFlag = 1 << 12;
inline constexpr std::uint16_t kLayoutEadd = 1 << 0, kLayoutEextend = 1 << 1;

struct PatchEntry {
  std::uint64_t target = 0;  // in the file
  std::uint32_t source = 0;  // in the block
  std::uint32_t size = 0;
  std::uint32_t reserved[4] = {};
};
static_assert(sizeof(PatchEntry) == 32);

struct ElrangeEntry {  // where the enclave demands an address
  std::uint64_t image_address = 0, start = 0, size = 0;
};

struct SharedObjectEntry {  // a second ELF file inside the first, loaded behind it
  std::uint64_t file_offset = 0, memory_offset = 0, size = 0, reserved = 0;
};

// A checked metadata block.
struct IntelMetadata {
  MetadataHeader header;
  ByteView block;
  std::vector<LayoutEntry> layout;  // groups as they stand, to be read with as_group()
  std::vector<PatchEntry> patches;
  std::optional<ElrangeEntry> elrange;
  std::optional<SharedObjectEntry> shared_object;

  [[nodiscard]] bool is_version(std::uint32_t major, std::uint32_t minor) const {
    return header.major == major && header.minor == minor;
  }
};

[[nodiscard]] LayoutGroup as_group(const LayoutEntry& entry);

// The blocks from `offset` of the file on, one behind another. Refuses damaged ones and versions that are not known.
[[nodiscard]] Result<std::vector<IntelMetadata>> read_metadata_blocks(ByteView file, std::uint64_t offset);

}  // namespace coffer::image
