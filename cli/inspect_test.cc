#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/hex.h"
#include "cli/command_line.h"
#include "host/image/foreign/sample_images.h"
#include "sgx/sigstruct.h"
#include "sgx/test_keys.h"

namespace coffer::cli {
namespace {

using ::testing::HasSubstr;
namespace samples = image::testing;

struct Outcome {
  int status = 0;
  std::string output, errors;
};

class InspectTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("coffer-inspect-test-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, ByteView content) {
    const auto path = folder_ / name;
    EXPECT_TRUE(write_file_atomically(path, content));
    return path.string();
  }
  static Outcome inspect(const std::vector<std::string>& arguments) {
    std::vector<const char*> all = {"coffer", "inspect"};
    for (const auto& argument : arguments) all.push_back(argument.c_str());
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    Outcome outcome;
    outcome.status = run_command(static_cast<int>(all.size()), all.data());
    outcome.output = ::testing::internal::GetCapturedStdout();
    outcome.errors = ::testing::internal::GetCapturedStderr();
    return outcome;
  }

  std::filesystem::path folder_;
};

sgx::Sigstruct sign_for(const sgx::MrEnclave& mrenclave, bool production) {
  sgx::Sigstruct sigstruct = samples::sample_sigstruct();
  sigstruct.enclave_hash = mrenclave;
  sigstruct.isv_svn = 3;
  sigstruct.attribute_mask = {production ? ~std::uint64_t{0} : ~sgx::attribute::kDebug, ~std::uint64_t{3}};
  EXPECT_TRUE(sgx::sign(sigstruct, *sgx::SigningKey::from_pem(sgx::testing::kTestKey)));
  return sigstruct;
}

sgx::MrEnclave measure(const std::vector<std::byte>& file) {
  sgx::MeasuringBuilder builder;
  EXPECT_TRUE(image::open_foreign(file)->front()->describe(builder));
  return builder.mrenclave();
}

constexpr std::uint64_t kIntelSigstruct = 0x4000 + 25 + 64;

std::vector<std::byte> signed_intel_image() {
  auto file = samples::sample_intel_image();
  samples::put(file, kIntelSigstruct, sign_for(measure(file), true));
  return file;
}

TEST_F(InspectTest, AGoodImageIsExplained) {
  const auto file = signed_intel_image();
  const std::string path = write("good.so", file);
  const Outcome json = inspect({path, "--json"});
  ASSERT_EQ(json.status, 0) << json.errors;
  EXPECT_EQ(json.errors, "");
  const auto fields = nlohmann::json::parse(json.output);
  EXPECT_EQ(fields["format"], "intel-sgx-sdk");
  EXPECT_EQ(fields["mrenclave"], to_hex(bytes_of(measure(file).bytes)));
  EXPECT_EQ(fields["mrsigner"], "a03fef3ec5555ed57d65c37b4c56b8478944dbd8f8a157db841ee47833dc4cc6");
  EXPECT_EQ(fields["isvprodid"], 5);
  EXPECT_EQ(fields["isvsvn"], 3);
  EXPECT_EQ(fields["attributes"]["flags"], "0x0000000000000004");
  EXPECT_EQ(fields["debug"], false);
  EXPECT_EQ(fields["size"], samples::kSampleEnclaveSize);
  EXPECT_TRUE(fields.contains("base") && fields["base"].is_null());
  EXPECT_EQ(fields["threads"], 2);
  EXPECT_EQ(fields["pages"], 13);
  EXPECT_EQ(fields["signature_valid"], true);
  EXPECT_EQ(fields["mrenclave_matches"], true);

  const Outcome human = inspect({path});
  EXPECT_EQ(human.status, 0);
  EXPECT_THAT(human.output, HasSubstr(fields["mrenclave"].get<std::string>()));
  EXPECT_THAT(human.output, HasSubstr("who signed it"));
}

TEST_F(InspectTest, AChangedPageIsRefused) {
  auto file = signed_intel_image();
  file[0x800] ^= std::byte{1};
  const Outcome outcome = inspect({write("changed.so", file), "--json"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.errors, HasSubstr("signed measurement"));
  const auto fields = nlohmann::json::parse(outcome.output);
  EXPECT_EQ(fields["signature_valid"], true);
  EXPECT_EQ(fields["mrenclave_matches"], false);
  EXPECT_NE(fields["mrenclave"], fields["signed_mrenclave"]);
}

TEST_F(InspectTest, AChangedSignatureIsRefused) {
  auto file = signed_intel_image();
  file[kIntelSigstruct + offsetof(sgx::Sigstruct, isv_svn)] ^= std::byte{1};
  const Outcome outcome = inspect({write("changed.so", file), "--json"});
  EXPECT_EQ(outcome.status, 1);
  const auto fields = nlohmann::json::parse(outcome.output);
  EXPECT_EQ(fields["signature_valid"], false);
  EXPECT_EQ(fields["mrenclave_matches"], true);
}

TEST_F(InspectTest, ASigstructAloneHasNothingToMeasure) {
  const sgx::Sigstruct sigstruct = sign_for({}, false);
  const Outcome outcome = inspect({write("alone.sig", bytes_of(sigstruct)), "--json"});
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  const auto fields = nlohmann::json::parse(outcome.output);
  EXPECT_EQ(fields["format"], "sigstruct");
  EXPECT_EQ(fields["mrenclave"], std::string(64, '0'));
  EXPECT_EQ(fields["signature_valid"], true);
  EXPECT_TRUE(fields["mrenclave_matches"].is_null());
  EXPECT_TRUE(fields["pages"].is_null());
  EXPECT_EQ(fields["debug"], true);

  sgx::Sigstruct changed = sigstruct;
  changed.header[0] ^= 1;
  EXPECT_EQ(inspect({write("changed.sig", bytes_of(changed))}).status, 1);
}

TEST_F(InspectTest, AStreamTakesTheSignatureBesideIt) {
  std::vector<std::byte> stream(128);
  samples::put_text(stream, 0, "ECREATE");
  samples::put(stream, 8, std::uint32_t{1});
  samples::put(stream, 12, std::uint64_t{0x2000});
  samples::put_text(stream, 64, "EADD");
  samples::put(stream, 64 + 16, samples::kData.value);
  const std::string path = write("enclave.sgxs", stream);
  const Outcome alone = inspect({path, "--json"});
  EXPECT_EQ(alone.status, 0) << alone.errors;
  EXPECT_TRUE(nlohmann::json::parse(alone.output)["signature_valid"].is_null());

  const sgx::Sigstruct sigstruct = sign_for(measure(stream), true);
  write("enclave.sig", bytes_of(sigstruct));
  const auto beside = nlohmann::json::parse(inspect({path, "--json"}).output);
  EXPECT_EQ(beside["mrenclave_matches"], true);
  EXPECT_EQ(beside["isvprodid"], 5);

  const sgx::Sigstruct other = sign_for({}, true);
  const std::string other_path = write("other.sigstruct", bytes_of(other));
  EXPECT_EQ(inspect({path, "--signature", other_path}).status, 1);
}

TEST_F(InspectTest, WhatIsNoEnclaveIsOneLineOfError) {
  const std::vector<std::byte> noise(3000, std::byte{7});
  for (const std::string& path : {write("noise", noise), write("empty", {}), (folder_ / "missing").string()}) {
    const Outcome outcome = inspect({path, "--json"});
    EXPECT_EQ(outcome.status, 2) << path;
    EXPECT_EQ(outcome.output, "");
    EXPECT_EQ(std::ranges::count(outcome.errors, '\n'), 1) << outcome.errors;
    EXPECT_THAT(outcome.errors, HasSubstr(path));
  }
}

}  // namespace
}  // namespace coffer::cli
