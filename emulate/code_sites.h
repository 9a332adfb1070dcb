// Finding and changing single instructions in code that is already mapped. All of it is async-signal-safe: it runs in
// the traps of a program that has just loaded a library.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace coffer::emulate {

// True where an instruction starts at code[at]. `from` is where one is known to start (a function), or nothing: then
// decoding from many places before must agree, and one that disagrees is a no.
[[nodiscard]] bool instruction_starts(ByteView code, std::size_t at, std::optional<std::size_t> from);

// The start of the function that holds `address`, by the binary search table of .eh_frame_hdr at `header`; nothing
// where the table is in another form or knows none.
[[nodiscard]] std::optional<std::uint64_t> function_start(const std::byte* header, std::uint64_t address);

// Addresses, added from anywhere and never removed.
class SiteTable {
 public:
  [[nodiscard]] bool add(std::uint64_t address);  // false: full
  [[nodiscard]] bool contains(std::uint64_t address) const;

 private:
  static constexpr std::size_t kPlaces = 4096;
  std::array<std::atomic<std::uint64_t>, kPlaces> places_{};
};

// Puts a trap of the same length in place of every CPUID (two bytes) of `code`, which stands at its address with
// `protection`, and notes it in `sites`. `unwind_header` is .eh_frame_hdr of the object or null.
void trap_cpuid(ByteView code, int protection, const std::byte* unwind_header, SiteTable& sites);
// Changes one byte of code, and gives its page back the protection. False where the machine refuses.
[[nodiscard]] bool write_code(std::uint64_t address, ByteView bytes, int protection);

}  // namespace coffer::emulate
