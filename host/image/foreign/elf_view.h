// A bounds-checked view of a little-endian x86-64 ELF file from an untrusted source.
#pragma once

#include <elf.h>

#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace coffer::image {

struct ElfSymbol {
  Elf64_Sym raw{};
  std::string_view name;
};

// Holds copies of the header tables and refers to the file's bytes, which must outlive it.
class ElfView {
 public:
  // Refuses what is not a 64-bit x86-64 shared object or PIE, and any table or segment that leaves the file.
  [[nodiscard]] static Result<ElfView> parse(ByteView file);

  [[nodiscard]] const Elf64_Ehdr& header() const { return header_; }
  [[nodiscard]] const std::vector<Elf64_Phdr>& segments() const { return segments_; }
  [[nodiscard]] const std::vector<Elf64_Shdr>& sections() const { return sections_; }

  // The first section with the name or the address.
  [[nodiscard]] const Elf64_Shdr* section(std::string_view name) const;
  [[nodiscard]] const Elf64_Shdr* section_at(std::uint64_t address) const;
  // A section's bytes in the file; empty for SHT_NOBITS, nothing where they leave the file.
  [[nodiscard]] std::optional<ByteView> content(const Elf64_Shdr& section) const;
  // The bytes of a segment in the file (p_filesz of them).
  [[nodiscard]] ByteView content(const Elf64_Phdr& segment) const;

  // A value of the dynamic table; nothing where the tag is missing.
  [[nodiscard]] std::optional<std::uint64_t> dynamic(std::int64_t tag) const;
  // The symbol of .dynsym or .symtab (`table`) with the name; the first one that is defined.
  [[nodiscard]] std::optional<Elf64_Sym> symbol(std::string_view table, std::string_view name) const;
  // The symbol of .dynsym with the index.
  [[nodiscard]] std::optional<Elf64_Sym> dynamic_symbol(std::uint64_t index) const;

 private:
  [[nodiscard]] std::string_view text(ByteView strings, std::uint64_t offset) const;
  void read_dynamic();

  ByteView file_;
  Elf64_Ehdr header_{};
  std::vector<Elf64_Phdr> segments_;
  std::vector<Elf64_Shdr> sections_;
  std::vector<Elf64_Dyn> dynamic_;
  ByteView section_names_;
};

}  // namespace coffer::image
