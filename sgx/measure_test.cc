// The expected values were computed with Python's hashlib from the record layouts of the SDM, apart from this code.
#include "sgx/measure.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "base/hex.h"
#include "sgx/builder.h"

namespace coffer::sgx {
namespace {

std::string hex(const MrEnclave& value) { return to_hex(bytes_of(value.bytes)); }

constexpr char kCreated[] = "1ae08d565db91bba3113eb03c476049ee802c1df05465ddf7cbebfd256e60114";
constexpr char kWithCode[] = "cf5fb12bc8cc97abfc57cf98255904720ff118b1c37b5a72915668d63730b799";
constexpr char kWithTcs[] = "734c180432b18ad5143d520b2429552289af3ac53c431c29619b4e6d04027346";
constexpr char kComplete[] = "6371fa651ddeda0a6cb38ab5208f7fcbdee86113e78af20a8afb6696c2f2fe8f";

std::vector<std::byte> pattern_page() {
  std::vector<std::byte> page(kPageSize);
  for (std::size_t i = 0; i < page.size(); ++i) page[i] = static_cast<std::byte>(i * 7 + (i >> 8));
  return page;
}

Tcs test_tcs() {
  Tcs tcs;
  tcs.ssa_offset = 0x2000;
  tcs.ssa_count = 2;
  tcs.entry_offset = 0x40;
  tcs.fs_offset = tcs.gs_offset = 0x3000;
  tcs.fs_limit = tcs.gs_limit = 0xfff;
  return tcs;
}

TEST(Measurement, LeavesGiveTheWrittenDownValues) {
  Measurement measurement;
  measurement.ecreate(1, 0x4000);
  EXPECT_EQ(hex(measurement.value()), kCreated);
  const auto page = pattern_page();
  measurement.eadd(0, SecinfoFlags::make(PageType::kReg, SecinfoFlags::kR | SecinfoFlags::kX));
  for (std::size_t at = 0; at < kPageSize; at += kExtendSize) {
    measurement.eextend(at, std::span(page).subspan(at).first<kExtendSize>());
  }
  EXPECT_EQ(hex(measurement.value()), kWithCode);
  EXPECT_EQ(hex(measurement.value()), kWithCode) << "reading the value must not change it";
}

TEST(Measurement, MovesCarryTheState) {
  Measurement first;
  first.ecreate(1, 0x4000);
  Measurement second(std::move(first));
  EXPECT_EQ(hex(second.value()), kCreated);
}

class MeasuringBuilderTest : public ::testing::Test {
 protected:
  static constexpr SecinfoFlags kCode = SecinfoFlags::make(PageType::kReg, SecinfoFlags::kR | SecinfoFlags::kX);
  static constexpr SecinfoFlags kData = SecinfoFlags::make(PageType::kReg, SecinfoFlags::kR | SecinfoFlags::kW);
  static constexpr SecinfoFlags kTcs = SecinfoFlags::make(PageType::kTcs, 0);
  MeasuringBuilder builder_;
  std::vector<std::byte> page_ = pattern_page();
};

TEST_F(MeasuringBuilderTest, GivesTheWrittenDownValuesAndCounts) {
  ASSERT_TRUE(builder_.create({.size = 0x4000}));
  ASSERT_TRUE(builder_.add_pages(0, kCode, page_, kExtendAll));
  EXPECT_EQ(hex(builder_.mrenclave()), kWithCode);
  ASSERT_TRUE(builder_.add_pages(0x1000, kTcs, bytes_of(test_tcs()), kExtendAll));
  EXPECT_EQ(hex(builder_.mrenclave()), kWithTcs);
  ASSERT_TRUE(builder_.add_pages(0x2000, kData, page_, 1 << 3));
  ASSERT_TRUE(builder_.add_pages(0x3000, kData, page_, kExtendNone));
  EXPECT_EQ(hex(builder_.mrenclave()), kComplete);
  EXPECT_EQ(builder_.page_count(), 4u);
  EXPECT_EQ(builder_.tcs_count(), 1u);
}

TEST_F(MeasuringBuilderTest, SeveralPagesAtOnceMeasureAsOneByOne) {
  std::vector<std::byte> pages = page_;
  pages.insert(pages.end(), page_.rbegin(), page_.rend());
  MeasuringBuilder other;
  ASSERT_TRUE(builder_.create({.size = 0x4000}));
  ASSERT_TRUE(other.create({.size = 0x4000}));
  ASSERT_TRUE(builder_.add_pages(0x1000, kData, pages, kExtendAll));
  ASSERT_TRUE(other.add_pages(0x1000, kData, ByteView(pages).first(kPageSize), kExtendAll));
  ASSERT_TRUE(other.add_pages(0x2000, kData, ByteView(pages).subspan(kPageSize), kExtendAll));
  EXPECT_EQ(builder_.mrenclave(), other.mrenclave());
  EXPECT_EQ(builder_.page_count(), 2u);
}

// EADD clears what belongs to the processor before anything is measured, so these cannot change the value.
TEST_F(MeasuringBuilderTest, ProcessorStateInATcsIsNotMeasured) {
  Tcs tcs = test_tcs();
  tcs.state = 1;
  tcs.flags = 1;
  tcs.current_ssa = 1;
  tcs.aep = 0x1234;
  ASSERT_TRUE(builder_.create({.size = 0x4000}));
  ASSERT_TRUE(builder_.add_pages(0, kCode, page_, kExtendAll));
  ASSERT_TRUE(builder_.add_pages(0x1000, SecinfoFlags::make(PageType::kTcs, 3), bytes_of(tcs), kExtendAll));
  EXPECT_EQ(hex(builder_.mrenclave()), kWithTcs);
}

TEST_F(MeasuringBuilderTest, EveryInputChangesTheValue) {
  const auto measure = [&](std::uint64_t size, std::uint32_t ssa, std::uint64_t offset, SecinfoFlags flags,
                           ExtendMask extend) {
    MeasuringBuilder builder;
    EXPECT_TRUE(builder.create({.size = size, .ssa_frame_size = ssa}));
    EXPECT_TRUE(builder.add_pages(offset, flags, page_, extend));
    return builder.mrenclave();
  };
  const MrEnclave reference = measure(0x4000, 1, 0, kCode, kExtendAll);
  EXPECT_NE(reference, measure(0x8000, 1, 0, kCode, kExtendAll));
  EXPECT_NE(reference, measure(0x4000, 2, 0, kCode, kExtendAll));
  EXPECT_NE(reference, measure(0x4000, 1, 0x1000, kCode, kExtendAll));
  EXPECT_NE(reference, measure(0x4000, 1, 0, kData, kExtendAll));
  EXPECT_NE(reference, measure(0x4000, 1, 0, kCode, 0x7fff));
  page_[4095] ^= std::byte{1};
  EXPECT_NE(reference, measure(0x4000, 1, 0, kCode, kExtendAll));
}

TEST_F(MeasuringBuilderTest, RefusesWhatTheLeavesRefuse) {
  EXPECT_FALSE(builder_.add_pages(0, kCode, page_, kExtendAll)) << "before create";
  EXPECT_FALSE(builder_.create({.size = 0x1000}));
  EXPECT_FALSE(builder_.create({.size = 0x5000}));
  EXPECT_FALSE(builder_.create({.size = 0}));
  EXPECT_FALSE(builder_.create({.size = 0x4000, .ssa_frame_size = 0}));
  ASSERT_TRUE(builder_.create({.size = 0x4000}));
  EXPECT_FALSE(builder_.create({.size = 0x4000})) << "twice";
  EXPECT_FALSE(builder_.add_pages(0x800, kCode, page_, kExtendAll));
  EXPECT_FALSE(builder_.add_pages(0x4000, kCode, page_, kExtendAll));
  EXPECT_FALSE(builder_.add_pages(~std::uint64_t{0xfff}, kCode, page_, kExtendAll));
  EXPECT_FALSE(builder_.add_pages(0, kCode, ByteView(page_).first(100), kExtendAll));
  EXPECT_FALSE(builder_.add_pages(0, SecinfoFlags::make(PageType::kSecs, 0), page_, kExtendAll));
  EXPECT_FALSE(builder_.add_pages(0, SecinfoFlags::make(PageType::kReg, SecinfoFlags::kW), page_, kExtendAll));
  EXPECT_EQ(builder_.page_count(), 0u);
  EXPECT_EQ(hex(builder_.mrenclave()), kCreated) << "a refused page leaves the measurement alone";
}

}  // namespace
}  // namespace coffer::sgx
