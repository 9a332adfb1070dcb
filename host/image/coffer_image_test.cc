#include "host/image/coffer_image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "host/image/testing/fixtures.h"

namespace coffer::image {
namespace {

using ::testing::HasSubstr;

const std::vector<std::byte>& sample() {
  static const auto file = testing::small_image();
  return file;
}

// What EINIT decides: the structure, the measurement, the attributes.
bool accepted(const CofferImage& image) {
  sgx::MeasuringBuilder measuring;
  if (!image.describe(measuring)) return false;
  const auto& sigstruct = image.sigstruct();
  const auto parameters = image.parameters();
  return sgx::verify(sigstruct) == sgx::LeafError::kSuccess && sigstruct.enclave_hash == measuring.mrenclave() &&
         (parameters.attributes.flags & sigstruct.attribute_mask.flags) ==
             (sigstruct.attributes.flags & sigstruct.attribute_mask.flags) &&
         (parameters.attributes.xfrm & sigstruct.attribute_mask.xfrm) ==
             (sigstruct.attributes.xfrm & sigstruct.attribute_mask.xfrm) &&
         (parameters.misc_select & sigstruct.misc_mask) == (sigstruct.misc_select & sigstruct.misc_mask);
}

template <class T>
T get(const std::vector<std::byte>& file, std::size_t offset) {
  T value;
  std::memcpy(&value, file.data() + offset, sizeof(T));
  return value;
}
template <class T>
void put(std::vector<std::byte>& file, std::size_t offset, const T& value) {
  std::memcpy(file.data() + offset, &value, sizeof(T));
}

std::size_t segment_offset(std::size_t index) { return sizeof(FileHeader) + index * sizeof(FileSegment); }

TEST(CofferImage, HoldsWhatWasSigned) {
  auto image = CofferImage::parse(sample());
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_TRUE(accepted(*image));
  EXPECT_FALSE(image->debug());
  EXPECT_FALSE(image->is_unsigned());
  EXPECT_EQ(image->program_name(), "image_test_tiny");
  ASSERT_EQ(image->mounts().size(), 2u);
  EXPECT_EQ(image->mounts()[0].path, "/data");
  EXPECT_EQ(image->mounts()[0].mount.key_policy, 2u);
  EXPECT_EQ(image->mounts()[1].mount.read_only, 1u);
  ASSERT_EQ(image->files().size(), 2u);
  EXPECT_EQ(image->files()[1].path, "/etc/motd");
  EXPECT_EQ(image->files()[1].file.content_size, 5000u);
  EXPECT_THAT(image->environment(), ::testing::ElementsAre("TZ", "HOME=/"));
  EXPECT_EQ(image->sites().size(), 2u);
  EXPECT_EQ(image->cpuid_sites().size(), 4u) << "the kernel's and the program's";
  EXPECT_EQ(image->layout().thread_count, 2u + boundary::kServiceThreads);
  EXPECT_EQ(image->parameters().attributes.xfrm, 0xe7u);
}

TEST(CofferImage, StaysValidWhenReadFromAFileAndMoved) {
  auto path = std::filesystem::temp_directory_path() / ("coffer-image-test-" + std::to_string(::getpid()));
  ASSERT_TRUE(write_file_atomically(path, sample()));
  auto read = CofferImage::read(path);
  std::filesystem::remove(path);
  ASSERT_TRUE(read) << read.error().message;
  CofferImage moved = std::move(*read);
  EXPECT_TRUE(accepted(moved));
  EXPECT_EQ(moved.program_name(), "image_test_tiny");
}

TEST(CofferImage, TcsPagesLeadToTheKernelAndTheirOwnFrames) {
  auto image = CofferImage::parse(sample());
  ASSERT_TRUE(image);
  for (std::uint32_t i = 0; i < image->layout().thread_count; ++i) {
    auto segment = std::ranges::find(image->segments(), image->tcs_offset(i), &Segment::offset);
    ASSERT_NE(segment, image->segments().end());
    auto tcs = ByteReader(segment->content).read<sgx::Tcs>();
    EXPECT_EQ(tcs->ssa_offset, image->tcs_offset(i) + 4096);
    EXPECT_EQ(tcs->ssa_count, boundary::kSsaFrames);
    EXPECT_EQ(tcs->fs_offset, image->tcs_offset(i) + boundary::kThreadControlOffset);
    EXPECT_EQ(tcs->gs_offset, tcs->fs_offset);
    EXPECT_EQ(tcs->flags, 0u);
    EXPECT_LT(tcs->entry_offset, image->layout().layout_offset);
  }
}

struct Damage {
  const char* name;
  std::function<void(std::vector<std::byte>&)> make;
  const char* message;
};

// A change of one field of segment `index`.
template <class T>
std::function<void(std::vector<std::byte>&)> in_segment(std::size_t index, T FileSegment::* field, auto change) {
  return [=](std::vector<std::byte>& file) {
    auto entry = get<FileSegment>(file, segment_offset(index));
    entry.*field = static_cast<T>(change(entry.*field));
    put(file, segment_offset(index), entry);
  };
}
template <class T>
std::function<void(std::vector<std::byte>&)> in_header(T FileHeader::* field, auto value) {
  return [=](std::vector<std::byte>& file) {
    auto header = get<FileHeader>(file, 0);
    header.*field = static_cast<T>(value);
    put(file, 0, header);
  };
}
template <class T>
std::function<void(std::vector<std::byte>&)> in_layout(T boundary::ImageLayout::* field, auto value) {
  return [=](std::vector<std::byte>& file) {
    auto image = CofferImage::parse(sample());
    auto segment = std::ranges::find(image->segments(), image->layout().layout_offset, &Segment::offset);
    auto offset = static_cast<std::size_t>(segment->content.data() - sample().data());
    auto layout = get<boundary::ImageLayout>(file, offset);
    layout.*field = static_cast<T>(value);
    put(file, offset, layout);
  };
}

std::vector<Damage> damages() {
  using Header = FileHeader;
  using Layout = boundary::ImageLayout;
  auto add = [](std::uint64_t amount) { return [=](std::uint64_t value) { return value + amount; }; };
  auto set = [](std::uint64_t amount) { return [=](std::uint64_t) { return amount; }; };
  return {
      {"empty", [](auto& file) { file.clear(); }, "not a Coffer enclave image"},
      {"magic", [](auto& file) { file[0] = std::byte{'X'}; }, "not a Coffer enclave image"},
      {"header cut", [](auto& file) { file.resize(100); }, "the header needs"},
      {"version", in_header(&Header::version, 9), "version 9"},
      {"header size", in_header(&Header::header_size, 9), "header has a wrong size"},
      {"file cut", [](auto& file) { file.resize(file.size() - 1); }, "its header says"},
      {"file longer", [](auto& file) { file.push_back(std::byte{0}); }, "its header says"},
      {"bytes appended",
       [](auto& file) {
         file.resize(file.size() + 4096);
         in_header(&Header::file_size, file.size())(file);
       },
       "follow the last segment"},
      {"enclave size", in_header(&Header::enclave_size, 12345), "not a power of two"},
      {"enclave too large", in_header(&Header::enclave_size, std::uint64_t{1} << 50), "not a power of two"},
      {"ssa", in_header(&Header::ssa_frame_size, 0xffffffff), "SSA frame"},
      {"init", in_header(&Header::attributes, sgx::Attributes{5, 0xe7}), "attributes"},
      {"xfrm", in_header(&Header::attributes, sgx::Attributes{4, 0xff}), "XFRM"},
      {"reserved", in_header(&Header::reserved, 1), "reserved field"},
      {"no segments", in_header(&Header::segment_count, 0), "0 segments"},
      {"many segments", in_header(&Header::segment_count, 0xffffffff), "segments, not"},
      {"table cut", in_header(&Header::segment_count, 60000), "cut off"},
      {"unaligned", in_segment(0, &FileSegment::offset, add(1)), "whole pages"},
      {"no size", in_segment(0, &FileSegment::size, set(0)), "whole pages"},
      {"outside", in_segment(0, &FileSegment::size, set(std::uint64_t{1} << 40)), "beyond the enclave"},
      {"overflow", in_segment(0, &FileSegment::offset, set(~std::uint64_t{4095})), "beyond the enclave"},
      {"overlap", in_segment(1, &FileSegment::offset, set(0)), "overlaps"},
      {"W and X", in_segment(0, &FileSegment::flags, set(0x207)), "writable and executable"},
      {"unreadable", in_segment(0, &FileSegment::flags, set(0x204)), "not readable"},
      {"SECS page", in_segment(0, &FileSegment::flags, set(0x001)), "page type"},
      {"pending page", in_segment(0, &FileSegment::flags, set(0x209)), "reserved page flags"},
      {"TCS with rights", in_segment(0, &FileSegment::flags, set(0x103)), "TCS page permissions"},
      {"contents elsewhere", in_segment(0, &FileSegment::file_offset, add(4096)), "where the segment before it ends"},
      {"contents beyond",
       [](auto& file) {
         file.resize(file.size() - 4096);
         in_header(&Header::file_size, file.size())(file);
       },
       "beyond the end of the file"},
      {"unmeasured", in_segment(0, &FileSegment::extend, set(0)), "not measured"},
      {"layout place", in_header(&Header::layout_offset, 0), "layout at 0x0"},
      {"layout outside", in_header(&Header::layout_offset, ~std::uint64_t{4095}), "no read-only page"},
      {"layout magic", in_layout(&Layout::magic, 1), "no known magic"},
      {"layout version", in_layout(&Layout::version, 1), "another version of Coffer"},
      {"layout size", in_layout(&Layout::size, 4096), "different sizes"},
      {"blob", in_layout(&Layout::blob_size, ~std::uint64_t{0}), "tables do not fit"},
      {"any environment", in_layout(&Layout::flags, 1), "every environment variable"},
      {"layout flags", in_layout(&Layout::flags, 16), "reserved flags"},
      {"segments of the program", in_layout(&Layout::segment_count, 9), "9 segments"},
      {"entry", in_layout(&Layout::app_entry, 1 << 20), "entry"},
      {"headers", in_layout(&Layout::app_headers, ~std::uint64_t{0}), "headers"},
      {"no threads", in_layout(&Layout::thread_count, 0), "0 threads"},
      {"many threads", in_layout(&Layout::thread_count, 0xffffffff), "threads, not"},
      {"missing threads", in_layout(&Layout::thread_count, 4), "TCS pages"},
      {"TCS state",
       [](auto& file) {
         auto image = CofferImage::parse(sample());
         auto tcs = std::ranges::find(image->segments(), image->tcs_offset(1), &Segment::offset);
         file[static_cast<std::size_t>(tcs->content.data() - sample().data()) + 2] = std::byte{1};
       },
       "state of a new one"},
      {"heap over pages", in_layout(&Layout::heap_offset, 0), "heap"},
      {"heap outside", in_layout(&Layout::heap_size, ~std::uint64_t{4095}), "heap"},
      {"stack", in_layout(&Layout::stack_size, ~std::uint64_t{0}), "stack"},
      {"name", in_layout(&Layout::name_size, 0xffffffff), "name"},
      {"working directory", in_layout(&Layout::working_directory_size, 0xffffffff), "working directory"},
      {"environment", in_layout(&Layout::environment_size, 0xffffffff), "environment"},
      {"files", in_layout(&Layout::file_count, 0xffffffff), "measured files"},
      {"mounts", in_layout(&Layout::mount_count, 0xffffffff), "mounts"},
      {"sites", in_layout(&Layout::site_count, 0xffffffff), "sites"},
      {"sites' table", in_layout(&Layout::sites_table, 0), "site at"},
      {"CPUIDs", in_layout(&Layout::cpuid_count, 0xffffffff), "table of CPUID"},
      {"CPUIDs' table", in_layout(&Layout::cpuid_table, 0), "CPUID instruction at"},
      {"thunks", in_layout(&Layout::thunk_offset, ~std::uint64_t{0}), "thunks"},
  };
}

TEST(CofferImage, EachDamageGivesItsError) {
  for (const Damage& damage : damages()) {
    auto file = sample();
    damage.make(file);
    auto image = CofferImage::parse(file, "x.enclave");
    ASSERT_FALSE(image) << damage.name;
    EXPECT_THAT(image.error().message, HasSubstr(damage.message)) << damage.name;
    EXPECT_THAT(image.error().message, ::testing::StartsWith("x.enclave")) << damage.name;
    EXPECT_EQ(image.error().message.find('\n'), std::string::npos) << damage.name;
  }
}

TEST(CofferImage, NoFlippedBitIsAccepted) {
  const std::uint32_t seed = std::random_device{}();
  std::mt19937 random(seed);
  SCOPED_TRACE("seed " + std::to_string(seed));
  auto image = CofferImage::parse(sample());
  ASSERT_TRUE(image);
  auto check = [&](std::size_t byte, std::uint64_t bit) {
    auto file = sample();
    file[byte] ^= static_cast<std::byte>(1u << bit);
    auto flipped = CofferImage::parse(file);
    EXPECT_FALSE(flipped && accepted(*flipped)) << "byte " << byte << " bit " << bit;
  };
  const std::size_t tables = sizeof(FileHeader) + image->segments().size() * sizeof(FileSegment);
  for (std::size_t byte = 0; byte < tables; ++byte) check(byte, random() % 8);
  const auto tcs = std::ranges::find(image->segments(), image->tcs_offset(0), &Segment::offset);
  const auto tcs_at = static_cast<std::size_t>(tcs->content.data() - sample().data());
  for (std::size_t byte = 0; byte < 96; ++byte) check(tcs_at + byte, random() % 8);
  for (int i = 0; i < 300; ++i) check(random() % sample().size(), random() % 8);
}

TEST(CofferImage, MutatedImagesNeverCrashAndGiveOneLine) {
  const std::uint32_t seed = std::random_device{}();
  std::mt19937 random(seed);
  SCOPED_TRACE("seed " + std::to_string(seed));
  constexpr std::uint64_t kInteresting[] = {0, 1, 4096, 0x7fffffff, 0x80000000, 0xffffffff, ~0ull, ~0ull << 12};
  auto image = CofferImage::parse(sample());
  const std::size_t tables = sizeof(FileHeader) + image->segments().size() * sizeof(FileSegment);
  auto layout = std::ranges::find(image->segments(), image->layout().layout_offset, &Segment::offset);
  const auto layout_at = static_cast<std::size_t>(layout->content.data() - sample().data());
  auto file = sample();
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::pair<std::size_t, std::uint64_t>> undo;
    for (auto changes = 1 + random() % 3; changes > 0; --changes) {
      std::size_t at = random() % 2 == 0 ? random() % tables : layout_at + random() % (layout->content.size() - 8);
      undo.emplace_back(at, get<std::uint64_t>(file, at));
      auto value = random() % 2 == 0 ? kInteresting[random() % std::size(kInteresting)]
                                     : undo.back().second ^ (std::uint64_t{1} << random() % 64);
      std::memcpy(file.data() + at, &value, 1u << random() % 4);
    }
    auto parsed = CofferImage::parse(file);
    if (!parsed) {
      EXPECT_EQ(parsed.error().message.find('\n'), std::string::npos);
    } else {
      for (const auto& site : parsed->sites()) EXPECT_LE(patch_of(site).length, 15u);
    }
    while (!undo.empty()) {
      put(file, undo.back().first, undo.back().second);
      undo.pop_back();
    }
  }
  EXPECT_EQ(file, sample());
}

TEST(CofferImage, APatchIsAJumpToTheThunk) {
  auto patch = patch_of({.site = 0x1000, .thunk = 0x3000, .length = 7, .reserved = 0});
  EXPECT_EQ(patch.length, 7u);
  constexpr unsigned char kExpected[] = {0xe9, 0xfb, 0x1f, 0x00, 0x00};
  EXPECT_EQ(std::memcmp(patch.bytes.data(), kExpected, sizeof(kExpected)), 0);
}

}  // namespace
}  // namespace coffer::image
