#include "attest/tpm/event_log.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "attest/tpm/replay.h"
#include "base/file.h"
#include "base/hex.h"

namespace coffer::attest::tpm {
namespace {

using Json = nlohmann::json;
const std::filesystem::path kVectors = std::filesystem::path(COFFER_SOURCE_DIR) / "tests/vectors/attestation/tpm";

std::vector<std::byte> bytes_of_file(const std::filesystem::path& path) {
  auto bytes = read_file(path);
  EXPECT_TRUE(bytes) << path;
  return bytes ? *bytes : std::vector<std::byte>{};
}

class RealLog : public testing::TestWithParam<std::string> {};

TEST_P(RealLog, ReplaysToWhatIsExpected) {
  const auto folder = kVectors / "log" / GetParam();
  const auto bytes = bytes_of_file(folder / "event_log.bin");
  const Json expect = Json::parse(std::ifstream(folder / "expect.json"));
  const auto log = EventLog::parse(bytes);
  ASSERT_TRUE(log) << log.error().message;
  EXPECT_EQ(log->events().size(), expect["events"].get<std::size_t>());
  const Registers registers = replay(*log);
  for (const auto& [name, values] : expect["pcrs_after_replay"].items()) {
    const Bank* bank = registers.find(*hash_of_name(name));
    ASSERT_NE(bank, nullptr) << name;
    for (std::uint32_t index = 0; index < kMostRegisters; ++index) {
      const auto expected = values.find(std::to_string(index));
      ASSERT_EQ(bank->is_extended(index), expected != values.end()) << name << " " << index;
      if (expected == values.end()) continue;
      EXPECT_EQ(to_hex(bank->values[index].view()), expected->get<std::string>());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, RealLog,
                         testing::Values("arch-linux-workstation", "debian-10", "ubuntu-1804-amd-sev",
                                         "cos-101-amd-sev", "crypto_agile_eventlog", "tpm2tools-bootorder",
                                         "tpm2tools-uefi-sha1-log", "tpm2tools-uefiaction", "tpm2tools-uefivar",
                                         "CCEL_data_ovmf"),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace coffer::attest::tpm
