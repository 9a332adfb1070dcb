#include "host/image/foreign/foreign_image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <cstdlib>
#include <filesystem>
#include <random>

#include "base/file.h"
#include "base/hex.h"
#include "host/image/foreign/sample_images.h"

namespace coffer::image {
namespace {

using namespace testing;
using ::testing::HasSubstr;

// Names a page in failures without its bytes.
std::vector<std::string> summaries(const std::vector<RecordedPage>& pages) {
  std::vector<std::string> lines;
  for (const RecordedPage& page : pages) {
    lines.push_back(to_hex(bytes_of(page.offset)) + " flags " + std::to_string(page.flags.value) + " extend " +
                    std::to_string(page.extend));
  }
  return lines;
}

void expect_pages(const RecordingBuilder& builder, const std::vector<RecordedPage>& expected) {
  ASSERT_EQ(summaries(builder.pages), summaries(expected));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(builder.pages[i].content, expected[i].content) << "page " << i;
  }
}

std::string error_of(std::vector<std::byte> file) {
  const auto enclaves = open_foreign(std::move(file));
  if (!enclaves) return enclaves.error().message;
  RecordingBuilder builder;
  const auto described = enclaves->front()->describe(builder);
  return described ? "" : described.error().message;
}

std::vector<std::byte> file_page(const std::vector<std::byte>& file, std::uint64_t start, std::uint64_t size,
                                 std::uint64_t inside = 0) {
  std::vector<std::byte> page(kPageSize);
  std::memcpy(page.data() + inside, file.data() + start, size);
  return page;
}

std::vector<std::byte> intel_tcs(std::uint64_t rva) {
  sgx::Tcs tcs;
  tcs.ssa_offset = rva + 0x1000;
  tcs.ssa_count = 2;
  tcs.entry_offset = 0x123;
  tcs.fs_offset = tcs.gs_offset = rva + 0x1800;
  tcs.fs_limit = tcs.gs_limit = 0xfff;
  const ByteView bytes = bytes_of(tcs);
  return {bytes.begin(), bytes.end()};
}

std::vector<RecordedPage> intel_segments(std::vector<std::byte> file) {
  std::memcpy(file.data() + 0x40, "patched!", 8);
  return {{0x0000, kCode, file_page(file, 0, 0x1000), sgx::kExtendAll},
          {0x1000, kCodeWritable, file_page(file, 0x1000, 0x800), sgx::kExtendAll},
          {0x2000, kData, file_page(file, 0x2e00, 0x200, 0xe00), sgx::kExtendAll},
          {0x3000, kData, file_page(file, 0x3000, 0x200), sgx::kExtendAll},
          {0x4000, kData, page_of(std::byte{0}), sgx::kExtendAll}};
}

std::vector<RecordedPage> intel_layout() {
  std::vector<RecordedPage> pages = {{0x8000, kData, page_of(std::byte{0}), sgx::kExtendNone},
                                     {0x9000, kData, page_of(std::byte{0}), sgx::kExtendNone}};
  std::vector<std::byte> content(kPageSize);
  std::memcpy(content.data(), "content.", 8);
  for (const std::uint64_t delta : {0x0, 0x4000}) {
    pages.push_back({0xa000 + delta, kData, page_of(std::byte{0xcc}), sgx::kExtendAll});
    pages.push_back({0xc000 + delta, kTcs, intel_tcs(0xc000 + delta), sgx::kExtendAll});
    pages.push_back({0xd000 + delta, kData, content, sgx::kExtendAll});
  }
  return pages;
}

TEST(IntelImage, PagesFollowTheSdksLoader) {
  const auto file = sample_intel_image();
  const auto enclaves = open_foreign(file);
  ASSERT_TRUE(enclaves) << enclaves.error().message;
  ASSERT_EQ(enclaves->size(), 1u);
  const ForeignEnclave& enclave = *enclaves->front();
  EXPECT_EQ(enclave.format(), "intel-sgx-sdk");
  EXPECT_EQ(enclave.detail(), "metadata 1.4");
  EXPECT_EQ(enclave.base(), std::nullopt);
  ASSERT_NE(enclave.sigstruct(), nullptr);
  EXPECT_EQ(enclave.sigstruct()->isv_prod_id, 5);
  RecordingBuilder builder;
  ASSERT_TRUE(enclave.describe(builder));
  EXPECT_EQ(builder.parameters.size, kSampleEnclaveSize);
  EXPECT_EQ(builder.parameters.ssa_frame_size, 1u);
  auto expected = intel_segments(file);
  const auto layout = intel_layout();
  expected.insert(expected.end(), layout.begin(), layout.end());
  expect_pages(builder, expected);
}

TEST(IntelImage, Metadata13AddsThePageThatOldLoadersCounted) {
  const auto file = sample_intel_image({1, 3, 0x1100, {}});
  RecordingBuilder builder;
  ASSERT_TRUE(open_foreign(file)->front()->describe(builder));
  auto expected = intel_segments(file);
  const auto layout = intel_layout();
  expected.insert(expected.end(), layout.begin(), layout.end());
  expect_pages(builder, expected);
  RecordingBuilder newer;
  ASSERT_TRUE(open_foreign(sample_intel_image({1, 4, 0x1100, {}}))->front()->describe(newer));
  EXPECT_EQ(newer.pages.size(), builder.pages.size() - 1) << "only 1.3 adds the page at 0x4000";
}

TEST(IntelImage, AnAddressRangeOfItsOwnShiftsEveryPage) {
  IntelOptions options;
  options.major = 11;
  options.elrange = ElrangeEntry{0x40000, 0, 0x100000};
  const auto enclaves = open_foreign(sample_intel_image(options));
  ASSERT_TRUE(enclaves) << enclaves.error().message;
  EXPECT_EQ(enclaves->front()->base(), 0u);
  RecordingBuilder builder;
  ASSERT_TRUE(enclaves->front()->describe(builder));
  EXPECT_EQ(builder.parameters.size, 0x100000u);
  EXPECT_EQ(builder.pages.front().offset, 0x40000u);
  EXPECT_EQ(builder.pages.back().offset, 0x40000u + 0x11000);
}

TEST(IntelImage, EveryMetadataBlockIsAnEnclaveAndTheNewestComesFirst) {
  const auto enclaves = open_foreign(sample_intel_image({}, 3));
  ASSERT_TRUE(enclaves) << enclaves.error().message;
  ASSERT_EQ(enclaves->size(), 3u);
  EXPECT_EQ((*enclaves)[0]->detail(), "metadata 1.6");
  EXPECT_EQ((*enclaves)[2]->detail(), "metadata 1.4");
}

TEST(IntelImage, DamageIsRefusedWithAReason) {
  constexpr std::uint64_t kBlock = 0x4000 + 25;
  const auto changed = [](std::uint64_t offset, auto value) {
    auto file = sample_intel_image();
    put(file, offset, value);
    return error_of(std::move(file));
  };
  EXPECT_THAT(changed(kBlock, std::uint64_t{0}), HasSubstr("never signed"));
  EXPECT_THAT(changed(kBlock + 12, std::uint32_t{9}), HasSubstr("version 9.4"));
  EXPECT_THAT(changed(kBlock + 16, std::uint32_t{0x7fffffff}), HasSubstr("leaves the file"));
  EXPECT_THAT(changed(kBlock + 24, std::uint32_t{0}), HasSubstr("SSA"));
  EXPECT_THAT(changed(kBlock + 40, std::uint64_t{12345}), HasSubstr("power of two"));
  EXPECT_THAT(changed(kBlock + 1876, std::uint32_t{0xffffffe0}), HasSubstr("table leaves the block"));
  EXPECT_THAT(changed(kBlock + 1920, ~std::uint64_t{7}), HasSubstr("patch"));
  EXPECT_THAT(changed(kBlock + 1952 + 8, std::uint64_t{0x8001}), HasSubstr("not a page"));
  EXPECT_THAT(changed(kBlock + 1952 + 32 * 5 + 2, std::uint16_t{6}), HasSubstr("before the table"));
  EXPECT_THAT(changed(kBlock + 1952 + 32 * 5 + 4, std::uint32_t{0xffffffff}), HasSubstr("beyond the enclave"));
  EXPECT_THAT(changed(kBlock + 1952 + 4, std::uint32_t{0xffffffff}), HasSubstr("more pages"));
}

TEST(OpenEnclaveImage, PagesFollowTheLoader) {
  const auto file = sample_open_enclave_image();
  const auto enclaves = open_foreign(file);
  ASSERT_TRUE(enclaves) << enclaves.error().message;
  const ForeignEnclave& enclave = *enclaves->front();
  EXPECT_EQ(enclave.format(), "open-enclave");
  ASSERT_NE(enclave.sigstruct(), nullptr);
  EXPECT_EQ(enclave.sigstruct()->isv_prod_id, 5);
  RecordingBuilder builder;
  ASSERT_TRUE(enclave.describe(builder));

  // Image 0x4000 bytes, one page of relocations, heap at 0x5000; thread: guard 0x8000, stack 0x9000, guard 0xb000,
  // TCS 0xc000, SSA 0xd000, guard 0xf000, two thread-local pages and one of thread data at 0x10000.
  EXPECT_EQ(builder.parameters.size, 0x20000u);
  std::vector<std::byte> data = file_page(file, 0x1000, 0x1000);
  put(data, 0x100, kSampleEnclaveRva);
  put(data, 0x108, std::uint64_t{0x4000});
  put(data, 0x110, std::uint64_t{0x6000});
  const std::uint64_t info[] = {kSampleInfo, 1960, 0x4000, 0x1000, 0x5000, 0x20000};
  put(data, 0x400 + 96, info);
  std::memset(data.data() + 0x400 + 144, 0, 1808);
  std::vector<std::byte> relocations = file_page(file, 0x2000, 48);
  put(relocations, 24 + 16, std::uint64_t{0x18});  // the thread-local symbol's value
  sgx::Tcs tcs;
  tcs.ssa_offset = 0xd000;
  tcs.ssa_count = 2;
  tcs.entry_offset = 0x456;
  tcs.fs_offset = tcs.gs_offset = 0x12000;
  tcs.fs_limit = tcs.gs_limit = 0xffffffff;
  const ByteView tcs_bytes = bytes_of(tcs);
  const auto zero = page_of(std::byte{0}), stack = page_of(std::byte{0xcc});
  expect_pages(builder, {{0x0000, kCode, file_page(file, 0, 0x1000), sgx::kExtendAll},
                         {0x1000, kData, data, sgx::kExtendAll},
                         {0x2000, kData, zero, sgx::kExtendAll},
                         {0x3000, kData, zero, sgx::kExtendAll},
                         {0x4000, kReadOnly, relocations, sgx::kExtendAll},
                         {0x5000, kData, zero, sgx::kExtendNone},
                         {0x6000, kData, zero, sgx::kExtendNone},
                         {0x7000, kData, zero, sgx::kExtendNone},
                         {0x9000, kData, stack, sgx::kExtendAll},
                         {0xa000, kData, stack, sgx::kExtendAll},
                         {0xc000, kTcs, {tcs_bytes.begin(), tcs_bytes.end()}, sgx::kExtendAll},
                         {0xd000, kData, zero, sgx::kExtendAll},
                         {0xe000, kData, zero, sgx::kExtendAll},
                         {0x10000, kData, zero, sgx::kExtendAll},
                         {0x11000, kData, zero, sgx::kExtendAll},
                         {0x12000, kData, zero, sgx::kExtendAll}});
}

TEST(OpenEnclaveImage, OldReleasesHaveOneThreadLocalPage) {
  RecordingBuilder builder;
  const auto enclaves = open_foreign(sample_open_enclave_image({24, false, 0, 0}));
  ASSERT_TRUE(enclaves) << enclaves.error().message;
  ASSERT_TRUE(enclaves->front()->describe(builder));
  ASSERT_EQ(builder.pages.size(), 15u);
  EXPECT_EQ(builder.pages.back().offset, 0x11000u);
}

// The oldest rules, which nothing but the signed measurement tells from those of the next releases.
TEST(OpenEnclaveImage, TheSignedMeasurementChoosesBetweenReleases) {
  auto file = sample_open_enclave_image({24, false, 0, 0});
  RecordingBuilder recorded;
  ASSERT_TRUE(open_foreign(file)->front()->describe(recorded));
  sgx::MeasuringBuilder builder;
  ASSERT_TRUE(builder.create(recorded.parameters));
  for (RecordedPage& page : recorded.pages) {
    if (page.flags == kTcs) put(page.content, offsetof(sgx::Tcs, gs_offset), std::uint64_t{0x10000});
    if (page.offset == 0x1000) put(page.content, 0x400 + 32 + 24 + 40, std::uint64_t{0x12000});  // without rounding
    ASSERT_TRUE(builder.add_pages(page.offset, page.flags, page.content, page.extend));
  }
  sgx::Sigstruct sigstruct = sample_sigstruct();
  sigstruct.enclave_hash = builder.mrenclave();
  put(file, kSampleInfo + 32 + 24 + 48, sigstruct);
  sgx::MeasuringBuilder chosen;
  ASSERT_TRUE(open_foreign(file)->front()->describe(chosen));
  EXPECT_EQ(chosen.mrenclave(), sigstruct.enclave_hash);
}

TEST(OpenEnclaveImage, OldReleasesClearTheSectionTableOfTheHeader) {
  RecordingBuilder builder;
  ASSERT_TRUE(open_foreign(sample_open_enclave_image({24, false, 0, 0}))->front()->describe(builder));
  Elf64_Ehdr header;
  std::memcpy(&header, builder.pages.front().content.data(), sizeof(header));
  EXPECT_EQ(header.e_shoff, 0u);
  EXPECT_EQ(header.e_shnum, 0);
  EXPECT_EQ(header.e_shstrndx, 0);
  EXPECT_NE(header.e_phoff, 0u);
}

TEST(OpenEnclaveImage, ZeroBaseEnclavesStartWhereTheySay) {
  const auto enclaves = open_foreign(sample_open_enclave_image({64, true, 2, 0x10000}));
  ASSERT_TRUE(enclaves) << enclaves.error().message;
  EXPECT_EQ(enclaves->front()->base(), 0u);
  RecordingBuilder builder;
  ASSERT_TRUE(enclaves->front()->describe(builder));
  EXPECT_EQ(builder.parameters.size, 0x40000u);
  EXPECT_EQ(builder.pages.front().offset, 0x10000u);
  EXPECT_EQ(builder.pages.back().offset, 0x22000u);
}

TEST(OpenEnclaveImage, DamageIsRefusedWithAReason) {
  const auto changed = [](std::uint64_t offset, auto value) {
    auto file = sample_open_enclave_image();
    put(file, offset, value);
    return error_of(std::move(file));
  };
  EXPECT_THAT(changed(kSampleInfo, std::uint32_t{100}), HasSubstr("no release"));
  EXPECT_THAT(changed(kSampleInfo + 8, ~std::uint64_t{0}), HasSubstr("no enclave can have"));
  EXPECT_THAT(changed(kSampleInfo + 16, ~std::uint64_t{0} >> 12), HasSubstr("no enclave can have"));
  EXPECT_THAT(changed(kSampleInfo + 24, std::uint64_t{0}), HasSubstr("no enclave can have"));
  EXPECT_THAT(changed(0x2000 + 32, std::uint64_t{ELF64_R_INFO(99, R_X86_64_TPOFF64)}), HasSubstr("does not exist"));
}

// MRENCLAVE is the SHA-256 of the stream itself.
std::vector<std::byte> sample_stream(bool unmeasured = false) {
  std::vector<std::byte> stream;
  const auto record = [&](std::string_view tag, std::uint64_t first, std::uint64_t second) {
    const std::size_t at = stream.size();
    stream.resize(at + 64);
    put_text(stream, at, tag);
    put(stream, at + 8, first);
    put(stream, at + 16, second);
  };
  record("ECREATE", 1 | std::uint64_t{0x4000} << 32, 0);
  for (const std::uint64_t page : {0x0, 0x2000}) {
    record("EADD", page, kData.value);
    for (std::uint64_t chunk = 0; chunk < 3; ++chunk) {
      record(unmeasured && chunk == 1 ? "UNMEASRD" : "EEXTEND", page + chunk * 0x500 / 256 * 256, 0);
      stream.insert(stream.end(), 256, static_cast<std::byte>(chunk + 1));
    }
  }
  return stream;
}

TEST(SgxsStream, MeasurementIsTheHashOfTheStream) {
  const auto stream = sample_stream();
  const auto enclaves = open_foreign(stream);
  ASSERT_TRUE(enclaves);
  EXPECT_EQ(enclaves->front()->format(), "sgxs");
  EXPECT_EQ(enclaves->front()->sigstruct(), nullptr);
  sgx::MeasuringBuilder builder;
  ASSERT_TRUE(enclaves->front()->describe(builder));
  sgx::Bytes<32> expected;
  EVP_Digest(stream.data(), stream.size(), expected.data(), nullptr, EVP_sha256(), nullptr);
  EXPECT_EQ(builder.mrenclave().bytes, expected);
  EXPECT_EQ(builder.page_count(), 2u);
}

TEST(SgxsStream, UnmeasuredChunksAreLoadedOnly) {
  RecordingBuilder builder;
  ASSERT_TRUE(open_foreign(sample_stream(true))->front()->describe(builder));
  ASSERT_EQ(builder.pages.size(), 2u);
  EXPECT_EQ(builder.pages[0].extend, 1 << 0 | 1 << 10);
  EXPECT_EQ(builder.pages[0].content[0x500], std::byte{2});
  EXPECT_EQ(builder.pages[0].content[0xa00], std::byte{3});
}

TEST(SgxsStream, TakesItsSignatureFromTheFileBesideIt) {
  const sgx::Sigstruct sigstruct = sample_sigstruct();
  const ByteView bytes = bytes_of(sigstruct);
  const auto enclaves = open_foreign(sample_stream(), std::vector(bytes.begin(), bytes.end()));
  ASSERT_TRUE(enclaves);
  ASSERT_NE(enclaves->front()->sigstruct(), nullptr);
  EXPECT_EQ(enclaves->front()->sigstruct()->isv_prod_id, 5);
  EXPECT_FALSE(open_foreign(sample_stream(), std::vector<std::byte>(1808)));
}

TEST(SgxsStream, DamageIsRefusedWithAReason) {
  const auto changed = [](std::uint64_t offset, auto value) {
    auto stream = sample_stream();
    put(stream, offset, value);
    return error_of(std::move(stream));
  };
  EXPECT_THAT(changed(64, std::uint64_t{0x41}), HasSubstr("unknown"));
  EXPECT_THAT(changed(40, std::uint64_t{1}), HasSubstr("ECREATE"));
  EXPECT_THAT(changed(64 + 8, std::uint64_t{0x80}), HasSubstr("page boundary"));
  EXPECT_THAT(changed(128 + 8, std::uint64_t{0x2000}), HasSubstr("does not belong"));
  EXPECT_THAT(changed(128 + 320 + 8, std::uint64_t{0}), HasSubstr("ascending"));
  EXPECT_THAT(changed(128 + 16, std::uint64_t{1}), HasSubstr("reserved"));
  auto cut = sample_stream();
  cut.pop_back();
  EXPECT_THAT(error_of(cut), HasSubstr("cut short"));
}

TEST(SigstructFile, HasNoPages) {
  const sgx::Sigstruct sigstruct = sample_sigstruct();
  const ByteView bytes = bytes_of(sigstruct);
  const auto enclaves = open_foreign({bytes.begin(), bytes.end()});
  ASSERT_TRUE(enclaves);
  EXPECT_EQ(enclaves->front()->format(), "sigstruct");
  EXPECT_FALSE(enclaves->front()->has_pages());
  RecordingBuilder builder;
  EXPECT_FALSE(enclaves->front()->describe(builder));
}

// A flipped bit must end in "the signature is wrong", not in "unknown file".
TEST(SigstructFile, IsRecognisedWithOneFieldChanged) {
  sgx::Sigstruct sigstruct = sample_sigstruct();
  sigstruct.header[0] ^= 1;
  const ByteView bytes = bytes_of(sigstruct);
  const auto enclaves = open_foreign({bytes.begin(), bytes.end()});
  ASSERT_TRUE(enclaves);
  EXPECT_EQ(sgx::verify(*enclaves->front()->sigstruct()), sgx::LeafError::kInvalidSigStruct);
  EXPECT_FALSE(open_foreign(std::vector<std::byte>(sizeof(sigstruct))));
}

TEST(ForeignImage, OtherFilesAreRefused) {
  EXPECT_THAT(error_of({}), HasSubstr("not an SGX enclave"));
  EXPECT_THAT(error_of(std::vector<std::byte>(5000)), HasSubstr("not an SGX enclave"));
}

// Enclaves that others signed are not ours to ship. COFFER_REAL_ENCLAVES names a folder of signed ones to try.
TEST(ForeignImage, RealEnclavesHaveTheirSignedMeasurement) {
  const char* folder = std::getenv("COFFER_REAL_ENCLAVES");
  if (folder == nullptr) GTEST_SKIP() << "COFFER_REAL_ENCLAVES is not set";
  int measured = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    auto file = read_file(entry.path());
    ASSERT_TRUE(file);
    const auto enclaves = open_foreign(std::move(*file));
    if (!enclaves) continue;
    for (const auto& enclave : *enclaves) {
      if (!enclave->has_pages() || enclave->sigstruct() == nullptr) continue;
      sgx::MeasuringBuilder builder;
      const auto described = enclave->describe(builder);
      ASSERT_TRUE(described) << entry.path() << ": " << described.error().message;
      EXPECT_EQ(builder.mrenclave(), enclave->sigstruct()->enclave_hash) << entry.path() << " " << enclave->detail();
      EXPECT_EQ(sgx::verify(*enclave->sigstruct()), sgx::LeafError::kSuccess) << entry.path();
      ++measured;
    }
  }
  EXPECT_GT(measured, 0);
}

// Whatever a file says, a reader ends soon, within its memory, with pages or one line of error.
TEST(ForeignImage, SurvivesMutatedFiles) {
  const std::vector<std::vector<std::byte>> samples = {
      sample_intel_image(),
      sample_intel_image({1, 3, 0x1100, {}}, 2),
      sample_intel_image({11, 4, 0x1400, ElrangeEntry{0x40000, 0, 0x100000}}),
      sample_open_enclave_image(),
      sample_open_enclave_image({24, false, 0, 0}),
      sample_stream(true)};
  std::mt19937 random(20260102);
  const Limits limits{4096, 1 << 22};
  int refused = 0;
  for (int round = 0; round < 4000; ++round) {
    std::vector<std::byte> file = samples[static_cast<std::size_t>(round) % samples.size()];
    for (unsigned change = random() % 4 + 1; change != 0; --change) {
      const std::size_t at = random() % file.size();
      static constexpr unsigned kValues[] = {0x00, 0xff, 0x7f, 0x80, 0x01};
      file[at] = static_cast<std::byte>(random() % 2 == 0 ? random() : kValues[random() % 5]);
      if (random() % 32 == 0) file.resize(random() % file.size() + 1);
    }
    const auto enclaves = open_foreign(std::move(file), std::nullopt, limits);
    if (!enclaves) {
      EXPECT_FALSE(enclaves.error().message.empty());
      ++refused;
      continue;
    }
    for (const auto& enclave : *enclaves) {
      sgx::MeasuringBuilder builder;
      const auto described = enclave->describe(builder);
      if (!described) {
        EXPECT_EQ(described.error().message.find('\n'), std::string::npos);
      }
      EXPECT_LE(builder.page_count(), limits.pages);
    }
  }
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace coffer::image
