#include "host/operate/crash_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace coffer::operate {
namespace {

using boundary::CrashRegister;

constexpr std::uint64_t kBase = 0x7000'0000'0000;
constexpr std::uint64_t kStack = kBase + 0x9000;

void set(CrashReport::Machine& machine, CrashRegister name, std::uint64_t value) {
  machine.record.registers[static_cast<std::uint32_t>(name)] = value;
}
void poke(CrashReport::Machine& machine, std::uint64_t address, std::uint64_t value) {
  std::memcpy(machine.stack.data() + (address - kStack), &value, sizeof(value));
}

// Three frames: the innermost at kStack + 0x40.
CrashReport::Machine machine_with_frames() {
  CrashReport::Machine machine;
  machine.record.magic = boundary::kCrashMagic;
  machine.record.base = kBase;
  machine.record.stack_begin = kStack;
  machine.stack.resize(0x200);
  machine.record.stack_size = 0x200;
  set(machine, CrashRegister::kRip, kBase + 0x1111);
  set(machine, CrashRegister::kRbp, kStack + 0x40);
  poke(machine, kStack + 0x40, kStack + 0x80);
  poke(machine, kStack + 0x48, kBase + 0x2222);
  poke(machine, kStack + 0x80, 0);
  poke(machine, kStack + 0x88, kBase + 0x3333);
  return machine;
}

CrashReport report_of(CrashReport::Machine machine) {
  CrashReport report;
  report.time_ms = 1'700'000'000'123;
  report.id = "0123456789ab";
  report.name = "web";
  report.image = "/x.enclave";
  report.mrenclave = std::string(64, 'a');
  report.debug = true;
  report.signal = 11;
  report.address = 0x1111;
  report.fault_address = 0x1234;
  report.granularity = 1;
  report.program_base = 0x5000;
  report.machine = std::move(machine);
  return report;
}

TEST(CrashReport, SurvivesTheFile) {
  const CrashReport report = report_of(machine_with_frames());
  const auto read = parse_crash_report(to_json(report));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->address, 0x1111u);
  EXPECT_EQ(read->program_base, 0x5000u);
  EXPECT_EQ(read->signal, 11);
  ASSERT_TRUE(read->machine);
  EXPECT_EQ(read->machine->record.base, kBase);
  EXPECT_EQ(read->machine->stack, report.machine->stack);
  EXPECT_EQ(std::memcmp(read->machine->record.registers, report.machine->record.registers,
                        sizeof(report.machine->record.registers)),
            0);
  EXPECT_THAT(to_json(report), ::testing::HasSubstr("\"signal_name\": \"SIGSEGV\""));
  for (const char* wrong : {"", "{}", "[1]", "{\"format\": \"another\"}"})
    EXPECT_FALSE(parse_crash_report(wrong)) << wrong;
}

TEST(CrashReport, FramePointersAreFollowedUpTheStackAlone) {
  EXPECT_THAT(frame_pointer_chain(machine_with_frames()),
              ::testing::ElementsAre(kBase + 0x1111, kBase + 0x2222, kBase + 0x3333));
  auto loop = machine_with_frames();
  poke(loop, kStack + 0x80, kStack + 0x40);
  EXPECT_EQ(frame_pointer_chain(loop).size(), 3u) << "a chain that comes back ends";
  auto elsewhere = machine_with_frames();
  set(elsewhere, CrashRegister::kRbp, ~std::uint64_t{0} - 3);
  EXPECT_THAT(frame_pointer_chain(elsewhere), ::testing::ElementsAre(kBase + 0x1111));
}

TEST(CrashReport, ARecordOfTheEnclaveIsBounded) {
  boundary::CrashRecord record = machine_with_frames().record;
  record.stack_size = ~std::uint32_t{0};
  const std::vector<std::byte> area(1000);
  const auto machine = read_record(record, area);
  ASSERT_TRUE(machine);
  EXPECT_EQ(machine->stack.size(), 1000u);
  EXPECT_EQ(machine->record.stack_size, 1000u);
  record.magic ^= 1;
  EXPECT_FALSE(read_record(record, area));
}

TEST(CrashReport, OnlySomeAreKept) {
  std::string pattern = (std::filesystem::temp_directory_path() / "coffer-crash-XXXXXX").string();
  const std::filesystem::path folder = ::mkdtemp(pattern.data());
  ::setenv("COFFER_HOME", folder.c_str(), 1);
  std::string last;
  for (int i = 0; i < 40; ++i) {
    CrashReport report = report_of({});
    report.machine.reset();
    report.time_ms += i;
    const auto kept = keep(report);
    ASSERT_TRUE(kept) << kept.error().message;
    last = *kept;
  }
  EXPECT_TRUE(std::filesystem::exists(last));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder / "crashes"), {}),
            static_cast<std::ptrdiff_t>(kCrashReportsKept));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace coffer::operate
