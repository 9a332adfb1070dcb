#include "host/image/signer.h"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <cstring>

#include "boundary/sanitized.h"
#include "host/image/coffer_image.h"
#include "host/image/elf_program.h"
#include "host/image/testing/fixtures.h"

namespace coffer::image {
namespace {

using ::testing::HasSubstr;

// A segment as it stands in an image: the file's header does not say where sections are.
std::vector<std::byte> loaded(ByteView content) {
  std::vector<std::byte> bytes(content.begin(), content.end());
  Elf64_Ehdr header;
  if (bytes.size() < sizeof(header)) return bytes;
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return bytes;
  EXPECT_NE(header.e_shoff, 0u);
  header.e_shoff = 0;
  header.e_shnum = header.e_shstrndx = 0;
  std::memcpy(bytes.data(), &header, sizeof(header));
  return bytes;
}

// Debug information and symbols move the section table, and nothing else.
TEST(Signer, MeasuresTheSameWithOtherDebugInformation) {
  auto file = testing::program("image_test_busy");
  auto moved = file;
  Elf64_Ehdr header;
  std::memcpy(&header, file.data(), sizeof(header));
  const std::size_t table = header.e_shnum * sizeof(Elf64_Shdr);
  const std::vector<std::byte> sections(file.begin() + static_cast<std::ptrdiff_t>(header.e_shoff),
                                        file.begin() + static_cast<std::ptrdiff_t>(header.e_shoff + table));
  moved.resize(file.size() + 4096);
  header.e_shoff = moved.size();
  moved.insert(moved.end(), sections.begin(), sections.end());
  std::memcpy(moved.data(), &header, sizeof(header));
  auto first = testing::build_of(file);
  auto second = testing::build_of(moved);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->file.size(), second->file.size());
  auto one = CofferImage::parse(first->file);
  auto other = CofferImage::parse(second->file);
  ASSERT_TRUE(one && other);
  for (std::size_t i = 0; i < one->segments().size(); ++i) {
    EXPECT_TRUE(std::ranges::equal(one->segments()[i].content, other->segments()[i].content)) << "segment " << i;
  }
}

TEST(Signer, LaysOutAnOrdinaryProgram) {
  auto built = testing::build("image_test_busy");
  ASSERT_TRUE(built) << built.error().message;
  auto image = CofferImage::parse(built->file);
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_TRUE(image->is_unsigned());

  auto file = testing::program("image_test_busy");
  auto program = ElfProgram::parse(file, "busy");
  const auto& layout = image->layout();
  EXPECT_EQ(layout.app_entry, layout.app_base + program->entry());
  EXPECT_EQ(layout.segment_count, program->segments().size());
  EXPECT_EQ(layout.site_count, built->sites_patched);
  // The whole memory image of the program is kept free, and its bytes stand where its headers say.
  EXPECT_GE(layout.thunk_offset, layout.app_base + program->end());
  EXPECT_GE(layout.size, layout.heap_offset + layout.heap_size);
  for (const ElfSegment& expected : program->segments()) {
    auto found = std::ranges::find_if(image->segments(), [&](const Segment& segment) {
      return range_fits(layout.app_base + expected.address - segment.offset, expected.content.size(), segment.size) &&
             segment.offset <= layout.app_base + expected.address;
    });
    ASSERT_NE(found, image->segments().end());
    EXPECT_EQ(found->flags.permissions(), expected.permissions);
    auto inside = found->content.subspan(layout.app_base + expected.address - found->offset, expected.content.size());
    EXPECT_TRUE(std::ranges::equal(inside, loaded(expected.content)));
  }
}

TEST(Signer, TheKernelStandsAtZeroWithItsZeroPages) {
  auto built = testing::build("image_test_tiny");
  ASSERT_TRUE(built);
  auto image = CofferImage::parse(built->file);
  ASSERT_TRUE(image);
  auto file = testing::program("image_test_kernel");
  auto kernel = ElfProgram::parse(file, "kernel");
  EXPECT_EQ(image->layout().layout_offset, *kernel->symbol("__kernel_end"));
  EXPECT_EQ(image->segments().front().offset, 0u);
  std::uint64_t covered = 0;
  for (const Segment& segment : image->segments()) {
    if (segment.offset >= kernel->end()) break;
    EXPECT_EQ(segment.offset, covered);
    covered += segment.size;
  }
  EXPECT_EQ(covered, kernel->end());
}

TEST(Signer, TheSameInputsGiveTheSameFile) {
  auto first = testing::build("image_test_busy");
  auto second = testing::build("image_test_busy");
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->file, second->file);
  ASSERT_TRUE(sign_image(first->file, "a", testing::signing_key()));
  ASSERT_TRUE(sign_image(second->file, "b", testing::signing_key()));
  EXPECT_EQ(first->file, second->file);
}

TEST(Signer, EverySettingIsMeasured) {
  const auto plain = testing::build("image_test_tiny");
  ASSERT_TRUE(plain);
  auto differs = [&](auto change) {
    Settings settings;
    change(settings);
    auto built = testing::build("image_test_tiny", settings);
    return built && built->sigstruct.enclave_hash != plain->sigstruct.enclave_hash;
  };
  EXPECT_TRUE(differs([](Settings& s) { s.threads = 9; }));
  EXPECT_TRUE(differs([](Settings& s) { s.heap_max = 257 << 20; }));
  EXPECT_TRUE(differs([](Settings& s) { s.stack = 4 << 20; }));
  EXPECT_TRUE(differs([](Settings& s) { s.name = "other"; }));
  EXPECT_TRUE(differs([](Settings& s) { s.environment_allow = {"TZ"}; }));
  EXPECT_TRUE(differs([](Settings& s) { s.mounts = {{"/a", boundary::MountKind::kPlain, false, MountKey::kNone}}; }));
  EXPECT_FALSE(differs([](Settings&) {}));
}

TEST(Signer, TheSigstructSaysWhatTheSettingsSay) {
  Settings settings;
  settings.product_id = 5;
  settings.svn = 6;
  settings.key_separation = true;
  settings.family_id[0] = 7;
  settings.extended_product_id[0] = 8;
  auto production = testing::build("image_test_tiny", settings);
  ASSERT_TRUE(production);
  const auto& sigstruct = production->sigstruct;
  EXPECT_EQ(sigstruct.isv_prod_id, 5);
  EXPECT_EQ(sigstruct.isv_svn, 6);
  EXPECT_EQ(sigstruct.isv_family_id[0], 7);
  EXPECT_EQ(sigstruct.isv_ext_prod_id[0], 8);
  EXPECT_EQ(sigstruct.date, testing::kTestDate);
  EXPECT_EQ(sigstruct.attributes.flags, sgx::attribute::kMode64Bit | sgx::attribute::kKss);
  // No launch for debugging, and no other vector state than AVX and AVX-512 on top.
  EXPECT_NE(sigstruct.attribute_mask.flags & sgx::attribute::kDebug, 0u);
  EXPECT_EQ(sigstruct.attributes.xfrm, 3u);
  EXPECT_EQ(~sigstruct.attribute_mask.xfrm, 0xe4u);
  EXPECT_EQ(sigstruct.misc_select, sgx::kMiscExInfo);

  settings.debug = true;
  auto debug = testing::build("image_test_tiny", settings);
  ASSERT_TRUE(debug);
  EXPECT_NE(debug->sigstruct.attributes.flags & sgx::attribute::kDebug, 0u);
  EXPECT_EQ(debug->sigstruct.enclave_hash, sigstruct.enclave_hash);
}

TEST(Signer, LeavesDebugToTheLaunchWhereToldTo) {
  Settings settings;
  settings.debug_at_launch = true;
  auto built = testing::build("image_test_tiny", settings);
  ASSERT_TRUE(built) << built.error().message;
  EXPECT_EQ(built->sigstruct.attributes.flags & sgx::attribute::kDebug, 0u);
  EXPECT_EQ(built->sigstruct.attribute_mask.flags, ~sgx::attribute::kDebug);
  auto image = CofferImage::parse(built->file, "chosen");
  ASSERT_TRUE(image);
  EXPECT_FALSE(image->debug());
  EXPECT_TRUE(image->launch_as_debug());
  EXPECT_TRUE(image->debug());

  auto production = testing::build("image_test_tiny");
  ASSERT_TRUE(production);
  auto fixed = CofferImage::parse(production->file, "fixed");
  ASSERT_TRUE(fixed);
  EXPECT_FALSE(fixed->launch_as_debug());
  EXPECT_FALSE(fixed->debug());
}

// A program that looks for memory errors tells what it finds: never from a production image.
TEST(Signer, WhatLooksForMemoryErrorsIsForDebugEnclaves) {
  const auto production = testing::build("image_test_sanitized");
  ASSERT_FALSE(production);
  EXPECT_EQ(production.error().kind, ErrorKind::kInput);
  EXPECT_THAT(production.error().message, HasSubstr("image_test_sanitized: looks for memory errors"));

  Settings settings;
  settings.debug = true;
  const auto debug = testing::build("image_test_sanitized", settings);
  ASSERT_TRUE(debug) << debug.error().message;
  const auto image = CofferImage::parse(debug->file, "debug");
  ASSERT_TRUE(image);
  EXPECT_EQ(image->layout().flags, boundary::kLayoutSanitized | boundary::kLayoutHostReportData);
  EXPECT_EQ(image->parameters().base, boundary::kSanitizedBase);
  EXPECT_EQ(image->parameters().base % image->parameters().size, 0u);
  // Its shadow has room in its heap.
  const auto& layout = image->layout();
  EXPECT_LT(layout.heap_offset, boundary::kSanitizedShadow);
  EXPECT_GT(layout.heap_offset + layout.heap_size, boundary::kSanitizedShadow + layout.size / 8);

  const auto other = testing::build("image_test_tiny", settings);
  ASSERT_TRUE(other);
  EXPECT_EQ(CofferImage::parse(other->file, "other")->parameters().base, 0u);
}

TEST(Signer, ASignatureMadeElsewhereIsCheckedAndFits) {
  auto built = testing::build("image_test_tiny");
  ASSERT_TRUE(built);
  auto whole = built->file;
  auto expected = sign_image(whole, "whole", testing::signing_key());
  ASSERT_TRUE(expected);
  // SIGSTRUCT holds it little-endian.
  std::vector<std::byte> signature(sgx::kModulusSize);
  for (std::size_t i = 0; i < signature.size(); ++i)
    signature[signature.size() - 1 - i] = std::byte{expected->signature[i]};
  auto attached = attach_signature_to_image(built->file, "two-step", testing::signing_key(), signature);
  ASSERT_TRUE(attached) << attached.error().message;
  EXPECT_EQ(built->file, whole);

  signature[100] ^= std::byte{1};
  auto wrong = attach_signature_to_image(built->file, "two-step", testing::signing_key(), signature);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().kind, ErrorKind::kRefused);
}

class MeasuredFiles : public ::testing::Test {
 protected:
  MeasuredFiles() {
    std::string pattern = (std::filesystem::temp_directory_path() / "coffer-signer-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    std::filesystem::create_directories(folder_ / "b/deep");
    write("z", "last");
    write("b/deep/x", "deep");
    write("b/a", "first");
    ::chmod((folder_ / "b/a").c_str(), 0755);
  }
  ~MeasuredFiles() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& name, std::string_view text) {
    (void)write_file_atomically(folder_ / name, std::as_bytes(std::span(text)));
  }
  std::filesystem::path folder_;
};

TEST_F(MeasuredFiles, DirectoriesAreTakenInOrder) {
  Settings settings;
  settings.files = {{folder_ / "z", "/z"}, {folder_ / "b", "/etc"}};
  auto files = collect_files(settings);
  ASSERT_TRUE(files) << files.error().message;
  ASSERT_EQ(files->size(), 3u);
  EXPECT_EQ((*files)[0].path, "/etc/a");
  EXPECT_EQ((*files)[0].mode, 0555u);
  EXPECT_EQ((*files)[1].path, "/etc/deep/x");
  EXPECT_EQ((*files)[1].mode, 0444u);
  EXPECT_EQ((*files)[2].path, "/z");

  auto built = testing::build("image_test_tiny", {}, *files);
  ASSERT_TRUE(built) << built.error().message;
  (*files)[1].content[0] ^= std::byte{1};
  auto other = testing::build("image_test_tiny", {}, *files);
  EXPECT_NE(built->sigstruct.enclave_hash, other->sigstruct.enclave_hash);
}

TEST_F(MeasuredFiles, WhatCannotBeMeasuredIsRefused) {
  Settings settings;
  settings.files = {{folder_ / "missing", "/m"}};
  EXPECT_THAT(collect_files(settings).error().message, HasSubstr("missing"));
  settings.files = {{folder_ / "z", "/etc/a"}, {folder_ / "b", "/etc"}};
  EXPECT_THAT(collect_files(settings).error().message, HasSubstr("measured twice"));
  ASSERT_EQ(::mkfifo((folder_ / "b/pipe").c_str(), 0600), 0);
  settings.files = {{folder_ / "b", "/etc"}};
  EXPECT_THAT(collect_files(settings).error().message, HasSubstr("not a regular file"));
}

TEST(Signer, DatesAreDecimalDigitsInHexadecimalPlaces) {
  EXPECT_EQ(*parse_date("2026-11-22"), 0x20261122u);
  EXPECT_EQ(*parse_date("20261122"), 0x20261122u);
  for (const char* wrong : {"", "2026", "2026-13-01", "2026-00-10", "2026-01-32", "20261122x", "2026/11/22"}) {
    EXPECT_FALSE(parse_date(wrong)) << wrong;
  }
  ::setenv("SOURCE_DATE_EPOCH", "86400", 1);
  EXPECT_EQ(*signing_date(), 0x19700102u);
  ::setenv("SOURCE_DATE_EPOCH", "tomorrow", 1);
  EXPECT_FALSE(signing_date());
  ::unsetenv("SOURCE_DATE_EPOCH");
  EXPECT_GT(*signing_date(), 0x20250101u);
}

TEST(Signer, AKernelWithoutItsSymbolsIsRefused) {
  auto tiny = testing::program("image_test_tiny");
  auto built =
      build_image({.kernel = tiny, .program = tiny, .program_name = "tiny", .settings = {}, .files = {}, .date = 0});
  ASSERT_FALSE(built);
  EXPECT_THAT(built.error().message, HasSubstr("coffer_enclave_entry"));
}

}  // namespace
}  // namespace coffer::image
