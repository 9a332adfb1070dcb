#include "host/image/foreign/intel_metadata.h"

#include <bit>
#include <cstring>
#include <string>

#include "host/image/foreign/page_writer.h"

namespace coffer::image {

namespace {

// Blocks with an enclave address range of their own carry a major version ten higher than the others.
constexpr std::uint32_t kElrangeVersions = 10;
constexpr std::uint32_t kNewestMajor = 3;
constexpr std::size_t kMaxBlocks = 8;
constexpr std::uint32_t kMaxSsaFrameSize = 256;
constexpr std::uint32_t kSharedObjectId = 0x1002;

struct ExtendEntry {
  std::uint32_t id = 0, size = 0, offset = 0, reserved = 0;
};

enum Directory : std::size_t { kPatch, kLayout, kElrange, kExtend };

bool has_extend_table(const MetadataHeader& header) {
  const std::uint32_t major = header.major % kElrangeVersions;
  return (major == 1 && header.minor >= 5) || (major == 3 && header.minor >= 2) || major > 3;
}

Error damaged(const char* what) {
  return {ErrorKind::kInput, std::string("the image's SGX metadata is damaged: ") + what};
}

template <class T>
std::optional<T> read_at(ByteView block, std::uint64_t offset) {
  if (!range_fits(offset, sizeof(T), block.size())) return std::nullopt;
  T value;
  std::memcpy(&value, block.data() + offset, sizeof(T));
  return value;
}

template <class T>
std::optional<std::vector<T>> read_entries(ByteView block, const MetadataDirectory& directory) {
  if (!range_fits(directory.offset, directory.size, block.size()) || directory.size % sizeof(T) != 0) {
    return std::nullopt;
  }
  std::vector<T> entries(directory.size / sizeof(T));
  if (!entries.empty()) std::memcpy(entries.data(), block.data() + directory.offset, directory.size);
  return entries;
}

Result<void> check_header(const MetadataHeader& header) {
  const std::uint32_t major = header.major % kElrangeVersions;
  if (major == 0 || major > kNewestMajor || header.major > kElrangeVersions + kNewestMajor ||
      (header.major == 1 && header.minor < 3)) {
    return input_error("the image's SGX metadata has version " + std::to_string(header.major) + "." +
                       std::to_string(header.minor) + "; versions 1.3 to 3.x are known");
  }
  if (header.size < sizeof(MetadataHeader) + 2 * sizeof(MetadataDirectory)) {
    return std::unexpected(damaged("its size is too small"));
  }
  if (!std::has_single_bit(header.enclave_size) || header.enclave_size > kMaxAddress) {
    return std::unexpected(damaged("the enclave's size is not a power of two below 2^48"));
  }
  if (header.ssa_frame_size == 0 || header.ssa_frame_size > kMaxSsaFrameSize) {
    return std::unexpected(damaged("the SSA frame size is out of range"));
  }
  return {};
}

Result<void> check_layout(const IntelMetadata& metadata) {
  for (std::size_t i = 0; i < metadata.layout.size(); ++i) {
    const LayoutEntry& entry = metadata.layout[i];
    if ((entry.id & kGroupFlag) != 0) {
      const LayoutGroup group = as_group(entry);
      if (group.entry_count > i) return std::unexpected(damaged("a layout group reaches before the table"));
      for (std::size_t member = i - group.entry_count; member < i; ++member) {
        if ((metadata.layout[member].id & kGroupFlag) != 0) {
          return std::unexpected(damaged("a layout group lies inside another"));
        }
      }
      continue;
    }
    if (entry.rva % sgx::kPageSize != 0 || entry.rva >= metadata.header.enclave_size) {
      return std::unexpected(damaged("a layout entry's address is not a page of the enclave"));
    }
    if (entry.content_offset != 0 && !range_fits(entry.content_offset, entry.content_size, metadata.block.size())) {
      return std::unexpected(damaged("a layout entry's content leaves the block"));
    }
  }
  return {};
}

Result<void> read_elrange(IntelMetadata& metadata, const MetadataDirectory& directory) {
  if (directory.size != sizeof(ElrangeEntry)) return std::unexpected(damaged("the address range is missing"));
  const auto entry = read_at<ElrangeEntry>(metadata.block, directory.offset);
  if (!entry || !std::has_single_bit(entry->size) || entry->size > kMaxAddress || entry->start % entry->size != 0 ||
      entry->image_address % sgx::kPageSize != 0 || entry->image_address < entry->start ||
      !range_fits(entry->image_address - entry->start, metadata.header.enclave_size, entry->size)) {
    return std::unexpected(damaged("the address range does not hold the enclave"));
  }
  metadata.elrange = entry;
  return {};
}

Result<void> read_shared_object(IntelMetadata& metadata, const MetadataDirectory& directory) {
  const auto entries = read_entries<ExtendEntry>(metadata.block, directory);
  if (!entries) return std::unexpected(damaged("the extension table leaves the block"));
  for (const ExtendEntry& entry : *entries) {
    if (entry.id != kSharedObjectId) continue;
    metadata.shared_object = read_at<SharedObjectEntry>(metadata.block, entry.offset);
    if (!metadata.shared_object) return std::unexpected(damaged("the extension table leaves the block"));
    return {};
  }
  return {};
}

Result<IntelMetadata> read_block(ByteView block, const MetadataHeader& header) {
  IntelMetadata metadata;
  metadata.header = header;
  metadata.block = block;
  const auto directory = [&](Directory index) {
    return read_at<MetadataDirectory>(block, sizeof(MetadataHeader) + index * sizeof(MetadataDirectory));
  };
  auto patches = read_entries<PatchEntry>(block, directory(kPatch).value_or(MetadataDirectory{}));
  auto layout = read_entries<LayoutEntry>(block, directory(kLayout).value_or(MetadataDirectory{}));
  if (!patches || !layout) return std::unexpected(damaged("a table leaves the block"));
  metadata.patches = std::move(*patches);
  metadata.layout = std::move(*layout);
  for (const PatchEntry& patch : metadata.patches) {
    if (!range_fits(patch.source, patch.size, block.size())) {
      return std::unexpected(damaged("a patch's bytes leave the block"));
    }
  }
  if (auto checked = check_layout(metadata); !checked) return std::unexpected(checked.error());
  if (header.major > kElrangeVersions) {
    const auto range = directory(kElrange);
    if (!range) return std::unexpected(damaged("the address range is missing"));
    if (auto read = read_elrange(metadata, *range); !read) return std::unexpected(read.error());
  }
  if (has_extend_table(header)) {
    if (auto read = read_shared_object(metadata, directory(kExtend).value_or(MetadataDirectory{})); !read) {
      return std::unexpected(read.error());
    }
  }
  return metadata;
}

}  // namespace

LayoutGroup as_group(const LayoutEntry& entry) { return std::bit_cast<LayoutGroup>(entry); }

Result<std::vector<IntelMetadata>> read_metadata_blocks(ByteView file, std::uint64_t offset) {
  std::vector<IntelMetadata> blocks;
  while (blocks.size() < kMaxBlocks && offset < file.size()) {
    const ByteView rest = file.subspan(offset);
    const auto magic = read_at<std::uint64_t>(rest, 0);
    if (!magic || *magic != kMetadataMagic) break;
    const auto header = read_at<MetadataHeader>(rest, 0);
    if (!header) return std::unexpected(damaged("it leaves the file"));
    if (auto checked = check_header(*header); !checked) return std::unexpected(checked.error());
    if (header->size > rest.size()) return std::unexpected(damaged("it leaves the file"));
    auto block = read_block(rest.first(header->size), *header);
    if (!block) return std::unexpected(block.error());
    blocks.push_back(std::move(*block));
    offset += header->size;
  }
  if (blocks.empty()) return input_error("the image has room for SGX metadata but none in it; it was never signed");
  return blocks;
}

}  // namespace coffer::image
