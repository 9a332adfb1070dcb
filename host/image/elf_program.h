// Programs as `coffer sign` takes them: static-pie ELF files for x86-64 (System V ABI, AMD64 supplement). No I/O.
//
// The reader checks everything it hands out against the file's size; symbols and relocations are optional in a program
// and are left out where they are malformed. Views point into the bytes given, which must outlive the object.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace coffer::image {

struct ElfSegment {  // a PT_LOAD
  std::uint64_t address = 0, memory_size = 0, alignment = 0;
  std::uint64_t permissions = 0;  // sgx::SecinfoFlags R, W, X
  ByteView content;               // file_size bytes

  [[nodiscard]] bool contains(std::uint64_t at) const { return at >= address && at - address < memory_size; }
};

struct ElfSymbol {
  std::string_view name;
  std::uint64_t address = 0, size = 0;
  bool function = false;  // STT_FUNC or STT_GNU_IFUNC
};

class ElfProgram {
 public:
  // Refuses what cannot run in an enclave (another machine, a position-dependent or dynamic program, W+X segments, no
  // entry), and says what to do. `name` starts every message.
  [[nodiscard]] static Result<ElfProgram> parse(ByteView file, std::string_view name);

  [[nodiscard]] std::uint64_t entry() const { return entry_; }
  [[nodiscard]] std::span<const ElfSegment> segments() const { return segments_; }  // ascending, no shared pages
  [[nodiscard]] std::uint64_t headers_address() const { return headers_address_; }  // where the program headers load
  [[nodiscard]] std::uint32_t header_count() const { return header_count_; }
  // Page-rounded end of the last segment's memory, and the largest segment alignment (at least a page).
  [[nodiscard]] std::uint64_t end() const;
  [[nodiscard]] std::uint64_t alignment() const;

  // Defined symbols of .symtab (or .dynsym), in the file's order; empty where the file is stripped.
  [[nodiscard]] std::span<const ElfSymbol> symbols() const { return symbols_; }
  [[nodiscard]] std::optional<std::uint64_t> symbol(std::string_view name) const;
  // Addresses that relocations put into memory: what function pointers and tables can point to.
  [[nodiscard]] std::span<const std::uint64_t> relocation_targets() const { return relocation_targets_; }
  // Text sections (SHF_EXECINSTR), or the executable segments where there is no section table.
  struct TextRange {
    std::uint64_t address = 0;
    ByteView code;
  };
  [[nodiscard]] std::span<const TextRange> text() const { return text_; }
  // The program carries the run-time library that looks for memory errors (boundary/sanitized.h).
  [[nodiscard]] bool sanitized() const { return sanitized_; }
  // False where the file has no section table: then symbols and relocations are not known either.
  [[nodiscard]] bool has_sections() const { return has_sections_; }
  // The contents at [address, ...) up to the end of the segment's file part; empty where there are none.
  [[nodiscard]] ByteView content_at(std::uint64_t address) const;

 private:
  class Parser;
  ElfProgram() = default;

  std::uint64_t entry_ = 0, headers_address_ = 0;
  std::uint32_t header_count_ = 0;
  bool has_sections_ = false, sanitized_ = false;
  std::vector<ElfSegment> segments_;
  std::vector<ElfSymbol> symbols_;
  std::vector<std::uint64_t> relocation_targets_;
  std::vector<TextRange> text_;
};

}  // namespace coffer::image
