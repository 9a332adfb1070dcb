#include "host/report/verifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "base/hex.h"
#include "processor/keys.h"

namespace coffer::host {
namespace {

using ::testing::HasSubstr;

ByteView text_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(ParseReport, TakesBytesAndDigits) {
  sgx::Report report;
  report.body.isv_svn = 7;
  report.mac.fill(0xab);
  const auto same = [&report](ByteView file) {
    const auto parsed = parse_report(file, "report");
    return parsed && std::memcmp(&*parsed, &report, sizeof(report)) == 0;
  };
  EXPECT_TRUE(same(bytes_of(report)));
  const std::string digits = to_hex(bytes_of(report));
  EXPECT_TRUE(same(text_bytes(digits)));
  EXPECT_TRUE(same(text_bytes("  " + digits.substr(0, 101) + "\r\n\t" + digits.substr(101) + "\n")));
}

TEST(ParseReport, RefusesEverythingElse) {
  const std::string digits(864, 'a');
  const std::string zero(432, '\0');
  std::string with_zero = digits;
  with_zero[5] = '\0';
  for (const std::string& wrong : {std::string(), std::string("\n"), digits.substr(1), digits + "a",
                                   "x" + digits.substr(1), with_zero, zero.substr(1), zero + '\0'}) {
    const auto parsed = parse_report(text_bytes(wrong), "some/file");
    ASSERT_FALSE(parsed) << wrong.size();
    EXPECT_EQ(parsed.error().kind, ErrorKind::kInput);
    EXPECT_THAT(parsed.error().message, HasSubstr("some/file: not a report"));
  }
}

// Left out under the sanitizers, whose runtime makes system calls that a cell refuses.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// The real verifier, in a real cell. Its reports are made here with the platform's keys, as EREPORT would.
class VerifierTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("coffer-verifier-test-" + std::to_string(::getpid()));
    use_platform("one");
  }
  void TearDown() override {
    ::unsetenv("COFFER_HOME");
    std::filesystem::remove_all(folder_);
  }
  void use_platform(const char* name) {
    const auto home = folder_ / name;
    std::filesystem::create_directories(home);
    ::setenv("COFFER_HOME", home.c_str(), 1);
    fuses_folder_ = home;
  }
  sgx::Report make_report(const sgx::TargetInfo& target) const {
    sgx::Report report;
    report.body.mrenclave.bytes.fill(0x42);
    report.body.report_data.fill(0x17);
    auto fuses = processor::Fuses::load_or_make(fuses_folder_);
    EXPECT_TRUE(fuses);
    const processor::KeyVault vault(std::move(*fuses));
    report.body.cpu_svn = vault.cpu_svn();
    vault.seal_report(target, report);
    return report;
  }

  std::filesystem::path folder_, fuses_folder_;
};

bool genuine(const sgx::Report& report) {
  const auto verdict = is_genuine(report);
  EXPECT_TRUE(verdict) << verdict.error().message;
  return verdict.value_or(false);
}

TEST_F(VerifierTest, TakesReportsForItselfOnly) {
  const auto target = verifier_target();
  ASSERT_TRUE(target) << target.error().message;
  EXPECT_EQ(target->attributes.flags & sgx::attribute::kDebug, 0u) << "the verifier must be a production enclave";
  const sgx::Report report = make_report(*target);
  EXPECT_TRUE(genuine(report));

  sgx::TargetInfo other = *target;
  other.mrenclave.bytes[0] ^= 1;
  EXPECT_FALSE(genuine(make_report(other)));
  // The same code with its memory open is another target.
  other = *target;
  other.attributes.flags |= sgx::attribute::kDebug;
  EXPECT_FALSE(genuine(make_report(other)));

  use_platform("two");
  EXPECT_FALSE(genuine(report)) << "another platform's";
  const auto target_there = verifier_target();
  ASSERT_TRUE(target_there);
  EXPECT_EQ(std::memcmp(&*target_there, &*target, sizeof(*target)), 0) << "the target is not the platform's";
}

TEST_F(VerifierTest, NoByteCanBeChanged) {
  const auto target = verifier_target();
  ASSERT_TRUE(target) << target.error().message;
  const sgx::Report report = make_report(*target);
  // One byte of each part: CPUSVN, attributes, MRENCLAVE, MRSIGNER, ids, the data's ends, key id, MAC.
  for (const std::size_t offset : {0u, 48u, 64u, 128u, 256u, 320u, 383u, 384u, 416u, 431u}) {
    sgx::Report changed = report;
    writable_bytes_of(changed)[offset] ^= std::byte{1};
    EXPECT_FALSE(genuine(changed)) << offset;
  }
}

TEST_F(VerifierTest, AMissingVerifierIsNoVerdict) {
  ::setenv("COFFER_LIBEXEC", folder_.c_str(), 1);
  // find_part goes on to the folder beside the program; so take a file that is there and no image.
  std::filesystem::copy_file("/proc/self/exe", folder_ / "report-verifier.enclave");
  const auto verdict = is_genuine({});
  ::unsetenv("COFFER_LIBEXEC");
  ASSERT_FALSE(verdict);
  EXPECT_THAT(verdict.error().message, HasSubstr("report-verifier.enclave"));
}
#endif

}  // namespace
}  // namespace coffer::host
