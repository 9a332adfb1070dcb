// Crash reports: what is known of an enclave that died of a fault, as a JSON file in crash_folder(). A production
// enclave's report has page addresses alone; a debug enclave's has registers, the stack and a backtrace by frame
// pointers.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "boundary/crash.h"

namespace coffer::operate {

inline constexpr std::size_t kCrashReportsKept = 32;  // the oldest go

// Addresses inside are relative to the enclave's base unless said otherwise.
struct CrashReport {
  std::int64_t time_ms = 0;
  std::string id, name, image, mrenclave, mrsigner;
  bool debug = false;
  int signal = 0;
  std::uint64_t address = 0;                         // where the thread was
  std::uint64_t fault_address = 0;                   // linear: what it touched, for SIGSEGV and SIGBUS
  std::uint64_t granularity = 4096;                  // 1 where the addresses are exact, 4096 where they are of pages
  std::uint64_t program_base = 0, program_size = 0;  // where the ELF file's address 0 stands, and its bytes
  struct Machine {                                   // debug enclaves
    boundary::CrashRecord record{};                  // linear addresses
    std::vector<std::byte> stack;                    // from record.stack_begin on
  };
  std::optional<Machine> machine;
};

// Checks a record that an enclave left, with the bytes that stand in its exchange area. Nothing where it is none.
[[nodiscard]] std::optional<CrashReport::Machine> read_record(const boundary::CrashRecord& record, ByteView stack);

// The return addresses that a chain of frame pointers on the kept stack names, the innermost first, linear. Programs
// that were compiled without frame pointers break it; `coffer symbolize` unwinds those.
[[nodiscard]] std::vector<std::uint64_t> frame_pointer_chain(const CrashReport::Machine& machine);

[[nodiscard]] std::string to_json(const CrashReport& report);
[[nodiscard]] Result<CrashReport> parse_crash_report(std::string_view json);
// Into crash_folder(), 0600; the path.
[[nodiscard]] Result<std::string> keep(const CrashReport& report);

}  // namespace coffer::operate
