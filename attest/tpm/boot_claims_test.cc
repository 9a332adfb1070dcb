#include "attest/tpm/boot_claims.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include <coffer/attest/tpm.h>

#include "attest/testing/vectors.h"
#include "base/hex.h"

namespace coffer::attest::tpm {
namespace {

using Json = nlohmann::json;

std::vector<std::byte> log_bytes(const std::string& name) {
  return testing::read_bytes(testing::vectors() / "tpm/log" / name / "event_log.bin");
}

Json claims_of(ByteView bytes) {
  const auto answer = verify_event_log(bytes);
  EXPECT_TRUE(answer) << answer.error().message;
  return answer ? Json::parse(to_json(answer->claims)) : Json::object();
}

// Where the data of the event with this text starts in the log.
const Event* event_with(const EventLog& log, EventType type, std::uint32_t index, std::size_t skip = 0) {
  for (const Event& event : log.events()) {
    if (event.type == type && event.register_index == index && skip-- == 0) return &event;
  }
  return nullptr;
}

TEST(BootClaims, SayWhatADebianMachineMeasured) {
  const Json claims = claims_of(log_bytes("debian-10"));
  EXPECT_EQ(claims["secureBootEnabled"], true);
  EXPECT_EQ(claims["secure_boot_variables"]["dbx"], Json({{"x509", 3}, {"sha256", 183}}));
  EXPECT_EQ(claims["boot_order"], Json({"Boot0000", "Boot0001"}));
  EXPECT_EQ(claims["boot_options"]["Boot0001"]["device_path"], "PciRoot(0x0)/Pci(0x3,0x0)/Scsi(0x1,0x0)");
  EXPECT_EQ(claims["boot_components"][0]["device_path"],
            "PciRoot(0x0)/Pci(0x3,0x0)/Scsi(0x1,0x0)/HD(15,GPT,70f5fb2b-5c34-6c42-90b1-f8f78823537d,0x2000,0x3e000)/"
            "File(\\EFI\\BOOT\\BOOTX64.EFI)");
  EXPECT_EQ(claims["events"][20]["type"], "EV_EFI_GPT_EVENT");
  EXPECT_EQ(claims["events"][20]["disk"], "cbb36459-9018-1f40-9129-341d4258fdac");
  EXPECT_EQ(claims["events"][23]["data"], "differs");  // shim's own, of 2019
  EXPECT_EQ(claims["events"][21]["data"], "description");
}

TEST(BootClaims, SayWhatGrubStarted) {
  const Json claims = claims_of(log_bytes("tpm2tools-bootorder"));
  EXPECT_EQ(claims["secureBootEnabled"], false);
  ASSERT_EQ(claims["kernel_command_line"].size(), 1U);
  EXPECT_TRUE(claims["kernel_command_line"][0].get<std::string>().starts_with("/boot/vmlinuz-5.4.0-45-generic root="));
}

TEST(BootClaims, OfACcelAreInRtmrs) {
  const Json claims = claims_of(log_bytes("CCEL_data_ovmf"));
  EXPECT_EQ(claims["secureBootEnabled"], false);
  EXPECT_EQ(claims["rtmr_from_log"].size(), 3U);
  EXPECT_EQ(claims["rtmr_from_log"]["0"], claims["pcrs_after_replay"]["sha384"]["1"]);
  EXPECT_EQ(claims["events"][0]["register"], 1);
}

// A log that says SecureBoot is on where the digest says off: the registers are the same, the claim is gone.
TEST(BootClaims, AreNotMadeOfDataThatDoesNotFit) {
  auto bytes = log_bytes("tpm2tools-bootorder");
  const auto log = EventLog::parse(bytes);
  const Event* secure_boot = event_with(*log, EventType::kVariableDriverConfig, 7);
  ASSERT_NE(secure_boot, nullptr);
  const auto last = static_cast<std::size_t>(secure_boot->data.data() - bytes.data()) + secure_boot->data.size() - 1;
  const Json before = claims_of(bytes);
  bytes[last] = std::byte{1};
  const Json after = claims_of(bytes);
  EXPECT_EQ(before["pcrs_after_replay"], after["pcrs_after_replay"]);
  EXPECT_EQ(after["events"][3]["enabled"], true);
  EXPECT_EQ(after["events"][3]["data"], "differs");
  EXPECT_FALSE(after.contains("secureBootEnabled"));
}

// Whoever runs after the firmware can extend PCR 7 with the digest of any variable, and name the separator before it
// otherwise in the log.
TEST(BootClaims, IgnoreVariablesAfterTheSeparatorWhateverItIsCalled) {
  auto bytes = log_bytes("tpm2tools-bootorder");
  const auto log = EventLog::parse(bytes);
  const Event* off = event_with(*log, EventType::kVariableDriverConfig, 7);
  const Event* separator = event_with(*log, EventType::kSeparator, 7);
  ASSERT_NE(separator, nullptr);
  // The event that says "off" is told as another kind, and one that says "on" is put at the end.
  std::vector<std::byte> forged(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(log->size()));
  const auto rename = [&](const Event& event, EventType type) {
    std::memcpy(forged.data() + event.offset + 4, &type, sizeof type);
  };
  rename(*off, EventType::kFirmwareBlob);
  rename(*separator, EventType::kFirmwareBlob);
  std::vector<std::byte> data(off->data.begin(), off->data.end());
  data.back() = std::byte{1};
  const auto append = [&forged](ByteView more) { forged.insert(forged.end(), more.begin(), more.end()); };
  const std::uint32_t head[] = {7, static_cast<std::uint32_t>(EventType::kVariableDriverConfig), 2};
  append(std::as_bytes(std::span(head)));
  for (const HashId hash : {HashId::kSha1, HashId::kSha256}) {
    append(bytes_of(hash));
    append(Hasher(hash).digest(data)->view());
  }
  append(bytes_of(static_cast<std::uint32_t>(data.size())));
  append(data);
  const Json claims = claims_of(forged);
  EXPECT_EQ(claims["events"].back()["data"], "proven");
  EXPECT_EQ(claims["events"].back()["enabled"], true);
  EXPECT_FALSE(claims.contains("secureBootEnabled"));
}

TEST(EventLogs, AreNobodysWithoutAQuote) {
  const auto answer = verify_event_log(log_bytes("debian-10"));
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->checks.all_passed());
  EXPECT_FALSE(answer->authentic());
}

// Cut anywhere, a log is unreadable, or ends between two events.
TEST(EventLogs, AreReadToTheEndOrNotAtAll) {
  for (const char* name : {"debian-10", "crypto_agile_eventlog", "tpm2tools-uefivar"}) {
    const auto bytes = log_bytes(name);
    const auto whole = EventLog::parse(bytes);
    std::set<std::size_t> ends{whole->size()};
    for (const Event& event : whole->events()) ends.insert(event.offset);
    std::size_t readable = 0;
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      if (!EventLog::parse(ByteView(bytes).first(size))) continue;
      ++readable;
      // Zeros at the cut can be taken for padding.
      const auto end = ends.upper_bound(size);
      const ByteView rest = ByteView(bytes).subspan(*std::prev(end), size - *std::prev(end));
      const bool padding =
          std::ranges::all_of(rest, [](std::byte b) { return b == std::byte{0} || b == std::byte{0xff}; });
      ASSERT_TRUE(ends.contains(size) || padding) << name << " " << size;
    }
    EXPECT_GE(readable + 2, whole->events().size()) << name;
  }
}

TEST(EventLogs, WithImpossibleLengthsAreUnreadable) {
  const auto bytes = log_bytes("crypto_agile_eventlog");
  const auto log = EventLog::parse(bytes);
  for (const Event& event : log->events()) {
    auto broken = bytes;
    const std::size_t size_at = static_cast<std::size_t>(event.data.data() - bytes.data()) - 4;
    std::ranges::fill(std::span(broken).subspan(size_at, 4), std::byte{0xfe});
    EXPECT_FALSE(EventLog::parse(broken));
    broken = bytes;
    std::ranges::fill(std::span(broken).subspan(event.offset + 8, 4), std::byte{0x7f});  // the number of digests
    EXPECT_FALSE(EventLog::parse(broken));
  }
}

}  // namespace
}  // namespace coffer::attest::tpm
