#include "host/image/coffer_image.h"

#include <algorithm>

#include "base/file.h"
#include "boundary/sanitized.h"

namespace coffer::image {
namespace {

constexpr std::size_t kZeroPiece = 64 * sgx::kPageSize;

// Pages of zeros to hand out; in .bss, never written.
ByteView zeros() {
  static std::array<std::byte, kZeroPiece> pages;
  return pages;
}

std::uint64_t round_to_pages(std::uint64_t size) {
  return (size + sgx::kPageSize - 1) / sgx::kPageSize * sgx::kPageSize;
}

}  // namespace

bool CofferImage::recognises(ByteView file) {
  return file.size() >= kImageMagic.size() && std::memcmp(file.data(), kImageMagic.data(), kImageMagic.size()) == 0;
}

Result<CofferImage> CofferImage::read(const std::filesystem::path& path) {
  auto content = read_file(path);
  if (!content) return std::unexpected(content.error());
  auto image = parse(*content, path.string());
  if (image) image->owned_ = std::move(*content);  // a moved vector keeps its memory, so the views stay valid
  return image;
}

sgx::CreateParameters CofferImage::parameters() const {
  return {.size = header_.enclave_size,
          .ssa_frame_size = header_.ssa_frame_size,
          .misc_select = header_.misc_select,
          .attributes = header_.attributes,
          .base = (layout_.flags & boundary::kLayoutSanitized) != 0 ? boundary::kSanitizedBase : 0};
}

Result<void> CofferImage::launch_as_debug() {
  if (debug()) return {};
  if ((header_.sigstruct.attribute_mask.flags & sgx::attribute::kDebug) != 0) {
    return refused(
        "the image is a production image for good, and cannot be launched for debugging; sign a debug image");
  }
  header_.attributes.flags |= sgx::attribute::kDebug;
  return {};
}

bool CofferImage::is_unsigned() const {
  const auto& signature = header_.sigstruct.signature;
  return std::ranges::all_of(signature, [](std::uint8_t byte) { return byte == 0; });
}

Result<void> CofferImage::describe(sgx::EnclaveBuilder& builder) const { return describe(builder, parameters()); }

Result<void> CofferImage::describe(sgx::EnclaveBuilder& builder, const sgx::CreateParameters& parameters) const {
  if (auto created = builder.create(parameters); !created) return created;
  for (const Segment& segment : segments_) {
    if (!segment.zero_filled()) {
      if (auto added = builder.add_pages(segment.offset, segment.flags, segment.content, segment.extend); !added) {
        return added;
      }
      continue;
    }
    for (std::uint64_t done = 0; done < segment.size;) {
      auto piece = std::min<std::uint64_t>(segment.size - done, kZeroPiece);
      auto added = builder.add_pages(segment.offset + done, segment.flags, zeros().first(piece), segment.extend);
      if (!added) return added;
      done += piece;
    }
  }
  return {};
}

std::string_view CofferImage::program_name() const {
  ByteView name = blob_.subspan(layout_.name_offset, layout_.name_size);
  return {reinterpret_cast<const char*>(name.data()), name.size()};
}

SitePatch patch_of(const boundary::LayoutSite& site) {
  constexpr std::size_t kJumpSize = 5;
  SitePatch patch{.length = site.length};
  patch.bytes.fill(std::byte{0xcc});  // never reached: nothing jumps between the jump and the continuation
  auto distance = static_cast<std::int32_t>(static_cast<std::int64_t>(site.thunk - site.site - kJumpSize));
  patch.bytes[0] = std::byte{0xe9};
  std::memcpy(&patch.bytes[1], &distance, sizeof(distance));
  return patch;
}

std::vector<std::byte> write_image(FileHeader header, std::span<const Segment> segments) {
  std::vector<FileSegment> table;
  table.reserve(segments.size());
  std::uint64_t end = round_to_pages(sizeof(FileHeader) + segments.size() * sizeof(FileSegment));
  for (const Segment& segment : segments) {
    FileSegment entry{.offset = segment.offset, .size = segment.size, .flags = segment.flags.value};
    entry.extend = segment.extend;
    if (!segment.zero_filled()) {
      entry.file_offset = end;
      end += segment.content.size();
    }
    table.push_back(entry);
  }
  header.magic = kImageMagic;
  header.version = kImageVersion;
  header.header_size = sizeof(FileHeader);
  header.file_size = end;
  header.segment_count = static_cast<std::uint32_t>(segments.size());

  std::vector<std::byte> file(end);
  std::memcpy(file.data(), &header, sizeof(header));
  std::memcpy(file.data() + sizeof(header), table.data(), table.size() * sizeof(FileSegment));
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (!segments[i].zero_filled()) std::ranges::copy(segments[i].content, file.begin() + table[i].file_offset);
  }
  return file;
}

void replace_sigstruct(ByteSpan file, const sgx::Sigstruct& sigstruct) {
  std::memcpy(file.data() + offsetof(FileHeader, sigstruct), &sigstruct, sizeof(sigstruct));
}

}  // namespace coffer::image
