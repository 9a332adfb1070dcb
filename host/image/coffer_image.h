// Coffer's own enclave image, the `*.enclave` file: what `coffer sign` writes and the loader reads.
//
// The file is a FileHeader, a table of FileSegment, and page contents. It holds exactly what the build leaves of SGX
// are given, in their order (ECREATE, then EADD with EEXTEND of each page, then EINIT with the SIGSTRUCT), so it can be
// handed to any processor as it is. The reader treats every byte as hostile: after parse() each segment is sorted,
// inside ELRANGE, inside the file, overlaps no other and is never writable and executable at once.
//
// parse() does not measure and does not verify the signature: describe() the image to a sgx::MeasuringBuilder and use
// sgx::verify() for that; a processor does both at EINIT.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "boundary/image_layout.h"
#include "boundary/network.h"
#include "sgx/arch.h"
#include "sgx/builder.h"

namespace coffer::image {

inline constexpr std::array<char, 8> kImageMagic = {'C', 'O', 'F', 'F', 'E', 'R', 'I', 'M'};
inline constexpr std::uint32_t kImageVersion = 2;
inline constexpr std::uint64_t kMinEnclaveSize = 2 * sgx::kPageSize;
inline constexpr std::uint64_t kMaxEnclaveSize = std::uint64_t{1} << 40;
inline constexpr std::uint32_t kMaxImageSegments = 1 << 16;
inline constexpr std::uint64_t kMaxZeroBytes = std::uint64_t{1} << 30;  // of all zero-filled segments together
inline constexpr std::uint32_t kMaxThreads = 1024;
// XFRM in the file: every vector state an image may use. The loader clears what the machine does not have.
inline constexpr std::uint64_t kImageXfrm = sgx::xfrm::kLegacy | sgx::xfrm::kAvx | sgx::xfrm::kAvx512;

struct FileHeader {
  std::array<char, 8> magic = kImageMagic;
  std::uint32_t version = kImageVersion;
  std::uint32_t header_size = 0;  // sizeof(FileHeader)
  std::uint64_t file_size = 0;    // bytes of the whole file
  std::uint64_t enclave_size = 0;
  std::uint32_t ssa_frame_size = 0, misc_select = 0;
  sgx::Attributes attributes;
  std::uint64_t layout_offset = 0;  // of boundary::ImageLayout, from the enclave's base
  std::uint32_t segment_count = 0, reserved = 0;
  sgx::Sigstruct sigstruct;
};
static_assert(sizeof(FileHeader) == 1880 && offsetof(FileHeader, sigstruct) == 72 &&
              std::is_trivially_copyable_v<FileHeader>);

struct FileSegment {
  std::uint64_t offset = 0;       // from the enclave's base; a multiple of 4096
  std::uint64_t size = 0;         // bytes; a multiple of 4096, not 0
  std::uint64_t flags = 0;        // sgx::SecinfoFlags
  std::uint64_t file_offset = 0;  // of the contents, a multiple of 4096; 0: the pages are zero
  std::uint16_t extend = 0;       // sgx::ExtendMask of each page
  std::uint16_t reserved[3] = {};
};
static_assert(sizeof(FileSegment) == 40 && std::is_trivially_copyable_v<FileSegment>);

// A segment of a parsed image. `content` is empty where the pages are zero.
struct Segment {
  std::uint64_t offset = 0, size = 0;
  sgx::SecinfoFlags flags;
  sgx::ExtendMask extend = sgx::kExtendAll;
  ByteView content;

  [[nodiscard]] bool zero_filled() const { return content.empty(); }
};

// A parsed image. Movable, immutable, safe to read from many threads.
class CofferImage {
 public:
  // True where the bytes start like an image of this format.
  [[nodiscard]] static bool recognises(ByteView file);
  // The bytes must stay where they are for as long as the object lives. `name` starts every error message.
  [[nodiscard]] static Result<CofferImage> parse(ByteView file, std::string_view name = "image");
  // Reads the file into memory that the object owns, so that it cannot change afterwards.
  [[nodiscard]] static Result<CofferImage> read(const std::filesystem::path& path);

  [[nodiscard]] const sgx::Sigstruct& sigstruct() const { return header_.sigstruct; }
  // As in the file: attributes.xfrm holds every feature that the image can use; the loader clears what the machine
  // lacks (the signature leaves the AVX and AVX-512 bits free).
  [[nodiscard]] sgx::CreateParameters parameters() const;
  [[nodiscard]] bool debug() const { return (header_.attributes.flags & sgx::attribute::kDebug) != 0; }
  // Where the signature leaves DEBUG to the launch: makes it a DEBUG image from here on. Refused otherwise; nothing to
  // do for an image that is one.
  [[nodiscard]] Result<void> launch_as_debug();
  // True for the image that `coffer sign --print-digest -o` writes: it has no signature yet.
  [[nodiscard]] bool is_unsigned() const;

  // ECREATE and every page, in ascending order: for measuring and for loading alike.
  [[nodiscard]] Result<void> describe(sgx::EnclaveBuilder& builder) const;
  // The same with other creation parameters (the loader's XFRM); MRENCLAVE does not depend on attributes.
  [[nodiscard]] Result<void> describe(sgx::EnclaveBuilder& builder, const sgx::CreateParameters& parameters) const;

  [[nodiscard]] std::span<const Segment> segments() const { return segments_; }
  // Checked: its tables lie in the blob, its TCS pages exist, its ranges are in ELRANGE.
  [[nodiscard]] const boundary::ImageLayout& layout() const { return layout_; }
  // The bytes that follow the ImageLayout, layout().blob_size of them.
  [[nodiscard]] ByteView layout_blob() const { return blob_; }
  // Patched system-call sites, ascending; each lies in one executable segment, as does its thunk.
  [[nodiscard]] std::span<const boundary::LayoutSite> sites() const { return sites_; }
  // CPUID instructions of the kernel and the program, ascending.
  [[nodiscard]] std::span<const std::uint64_t> cpuid_sites() const { return cpuid_sites_; }
  // Offset of thread `index`'s TCS from the enclave's base; index < layout().thread_count.
  [[nodiscard]] std::uint64_t tcs_offset(std::uint32_t index) const {
    return layout_.thread_offset + index * boundary::kThreadStride;
  }
  // The program's name (argv[0]); it and the declared mounts and files as views into the image.
  [[nodiscard]] std::string_view program_name() const;
  struct DeclaredMount {
    std::string_view path;
    boundary::LayoutMount mount;
  };
  [[nodiscard]] std::span<const DeclaredMount> mounts() const { return mounts_; }
  struct MeasuredFile {
    std::string_view path;
    boundary::LayoutFile file;
  };
  [[nodiscard]] std::span<const MeasuredFile> files() const { return files_; }
  // Allowed names ("NAME") and fixed variables ("NAME=value") of the environment.
  [[nodiscard]] std::span<const std::string_view> environment() const { return environment_; }
  // What the program may do on the network.
  [[nodiscard]] std::span<const boundary::NetworkRule> network() const { return network_; }

 private:
  class Parser;
  CofferImage() = default;

  std::vector<std::byte> owned_;  // empty where parse() borrowed
  FileHeader header_;
  std::vector<Segment> segments_;
  boundary::ImageLayout layout_;
  ByteView blob_;
  std::vector<boundary::LayoutSite> sites_;
  std::vector<std::uint64_t> cpuid_sites_;
  std::vector<DeclaredMount> mounts_;
  std::vector<MeasuredFile> files_;
  std::vector<std::string_view> environment_;
  std::vector<boundary::NetworkRule> network_;
};

// What a software rung writes over a patched site: `length` bytes, a jump to the thunk and padding.
struct SitePatch {
  std::array<std::byte, 15> bytes{};
  std::size_t length = 0;
};
[[nodiscard]] SitePatch patch_of(const boundary::LayoutSite& site);

// Puts an image file together: `header` but for its sizes and count, which this sets. Segments are given ascending and
// are not checked here (parse() does).
[[nodiscard]] std::vector<std::byte> write_image(FileHeader header, std::span<const Segment> segments);

// Replaces the SIGSTRUCT of an image file in place. The bytes must have passed parse().
void replace_sigstruct(ByteSpan file, const sgx::Sigstruct& sigstruct);

}  // namespace coffer::image
