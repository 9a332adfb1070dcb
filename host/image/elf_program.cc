#include "host/image/elf_program.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "boundary/sanitized.h"
#include "sgx/arch.h"

namespace coffer::image {
namespace {

using sgx::kPageSize;
using sgx::SecinfoFlags;

// Far above any program, far below what could overflow when offsets are added.
constexpr std::uint64_t kMaxAddress = std::uint64_t{1} << 38;
constexpr std::uint32_t kPackedRelocations = 19;  // SHT_RELR of the generic ABI; not in every elf.h
constexpr std::uint64_t kMaxAlignment = std::uint64_t{1} << 24;

std::uint64_t page_down(std::uint64_t value) { return value / kPageSize * kPageSize; }
std::uint64_t page_up(std::uint64_t value) { return page_down(value + kPageSize - 1); }

}  // namespace

class ElfProgram::Parser {
 public:
  Parser(ByteView file, std::string_view name) : file_(file), name_(name) {}

  Result<ElfProgram> parse() {
    for (auto step : {&Parser::header, &Parser::program_headers, &Parser::check_segments, &Parser::check_entry}) {
      if (auto done = (this->*step)(); !done) return std::unexpected(done.error());
    }
    sections();
    return std::move(program_);
  }

 private:
  template <class T>
  std::optional<T> at(std::uint64_t offset) const {
    if (!range_fits(offset, sizeof(T), file_.size())) return std::nullopt;
    return ByteReader(file_.subspan(offset)).read<T>();
  }
  std::unexpected<Error> wrong(std::string_view what) const { return input_error(fmt::format("{}: {}", name_, what)); }

  // The loader that the program asks for.
  std::string_view loader(const Elf64_Phdr& header) const {
    if (!range_fits(header.p_offset, header.p_filesz, file_.size())) return {};
    return {reinterpret_cast<const char*>(file_.data() + header.p_offset), header.p_filesz};
  }

  Result<void> header();
  Result<void> program_headers();
  Result<void> load(const Elf64_Phdr& header);
  Result<void> check_segments();
  Result<void> check_entry();
  void notes(const Elf64_Phdr& header);
  void sections();
  void symbols(const Elf64_Shdr& table);
  void relocations(const Elf64_Shdr& table);
  void packed_relocations(const Elf64_Shdr& table);
  void text(const Elf64_Shdr& section);

  ByteView file_;
  std::string name_;
  Elf64_Ehdr header_{};
  ElfProgram program_;
};

Result<ElfProgram> ElfProgram::parse(ByteView file, std::string_view name) { return Parser(file, name).parse(); }

Result<void> ElfProgram::Parser::header() {
  auto header = at<Elf64_Ehdr>(0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) {
    return wrong("is not an ELF program; give the file that the linker made");
  }
  if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
      header->e_machine != EM_X86_64) {
    return wrong("is not a 64-bit x86-64 program; compile for x86-64");
  }
  if (header->e_type == ET_EXEC) return wrong("is not position-independent; compile with -fPIE, link with -static-pie");
  if (header->e_type != ET_DYN) return wrong("is an object file, not a program; link it with -static-pie");
  if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phnum == 0 || header->e_phnum > 64 ||
      !range_fits(header->e_phoff, header->e_phnum * sizeof(Elf64_Phdr), file_.size())) {
    return wrong("has no readable program headers: the file is damaged, link it again");
  }
  header_ = *header;
  return {};
}

Result<void> ElfProgram::Parser::program_headers() {
  for (unsigned i = 0; i < header_.e_phnum; ++i) {
    auto header = at<Elf64_Phdr>(header_.e_phoff + i * sizeof(Elf64_Phdr));
    if (!header) return wrong(fmt::format("program header {} is cut off: link it again", i));
    if (header->p_type == PT_INTERP) {
      if (loader(*header).contains("/ld-musl")) {
        return wrong(
            "is dynamically linked: Debian's musl-gcc does not know -static-pie; docs/programs.md has the command");
      }
      return wrong(
          "is dynamically linked; link it statically with -static-pie (with CMake: target_link_options(... "
          "-static-pie))");
    }
    if (header->p_type == PT_NOTE) notes(*header);
    if (header->p_type != PT_LOAD || header->p_memsz == 0) continue;
    if (auto loaded = load(*header); !loaded) return loaded;
  }
  return {};
}

Result<void> ElfProgram::Parser::load(const Elf64_Phdr& header) {
  auto bad = [&](std::string_view what) { return wrong(fmt::format("the segment at {:#x} {}", header.p_vaddr, what)); };
  if (header.p_vaddr > kMaxAddress || header.p_memsz > kMaxAddress || header.p_filesz > header.p_memsz ||
      !range_fits(header.p_offset, header.p_filesz, file_.size())) {
    return bad("does not fit the file: it is damaged, link it again");
  }
  if (header.p_align != 0 && !std::has_single_bit(header.p_align)) return bad("is damaged: link it again");
  if (header.p_align > kMaxAlignment) return bad("wants an alignment above 16 MiB; link with -z max-page-size=4096");
  if ((header.p_flags & PF_W) != 0 && (header.p_flags & PF_X) != 0) {
    return bad(
        "is writable and executable, which an enclave never allows; remove `-z execstack`, `-N` or the section "
        "flags that make it so");
  }
  if ((header.p_flags & PF_R) == 0) return bad("is not readable; link without --execute-only");
  std::uint64_t permissions = SecinfoFlags::kR;
  if ((header.p_flags & PF_W) != 0) permissions |= SecinfoFlags::kW;
  if ((header.p_flags & PF_X) != 0) permissions |= SecinfoFlags::kX;
  program_.segments_.push_back({.address = header.p_vaddr,
                                .memory_size = header.p_memsz,
                                .alignment = header.p_align,
                                .permissions = permissions,
                                .content = file_.subspan(header.p_offset, header.p_filesz)});
  // The program headers load with the segment that covers them in the file.
  const std::uint64_t headers_size = header_.e_phnum * sizeof(Elf64_Phdr);
  if (header_.e_phoff >= header.p_offset &&
      range_fits(header_.e_phoff - header.p_offset, headers_size, header.p_filesz)) {
    program_.headers_address_ = header.p_vaddr + (header_.e_phoff - header.p_offset);
    program_.header_count_ = header_.e_phnum;
  }
  return {};
}

void ElfProgram::Parser::notes(const Elf64_Phdr& header) {
  if (!range_fits(header.p_offset, header.p_filesz, file_.size())) return;
  // Name and contents each fill whole words, or eight bytes where the segment says so.
  const std::uint64_t unit = header.p_align == 8 ? 8 : 4;
  const auto padded = [unit](std::uint64_t size) { return (size + unit - 1) / unit * unit; };
  const std::string_view wanted(boundary::kSanitizerNoteName, sizeof(boundary::kSanitizerNoteName));
  const std::uint64_t end = header.p_offset + header.p_filesz;
  for (std::uint64_t place = header.p_offset; end - place >= sizeof(Elf64_Nhdr);) {
    const Elf64_Nhdr note = *at<Elf64_Nhdr>(place);
    const std::uint64_t name = place + sizeof(Elf64_Nhdr);
    if (!range_fits(name, note.n_namesz, end)) return;
    const std::string_view text(reinterpret_cast<const char*>(file_.data() + name), note.n_namesz);
    if (text == wanted && note.n_type == boundary::kSanitizerNoteType) program_.sanitized_ = true;
    const std::uint64_t whole = padded(sizeof(Elf64_Nhdr) + note.n_namesz) + padded(note.n_descsz);
    if (!range_fits(place, whole, end)) return;
    place += whole;
  }
}

Result<void> ElfProgram::Parser::check_segments() {
  if (program_.segments_.empty()) return wrong("has no segments to load: link it again");
  std::uint64_t end = 0;
  for (const ElfSegment& segment : program_.segments_) {
    if (page_down(segment.address) < end) {
      return wrong(
          fmt::format("the segment at {:#x} shares a page with the one before it or is out of order; link with "
                      "-Wl,-z,separate-code",
                      segment.address));
    }
    end = page_up(segment.address + segment.memory_size);
  }
  return {};
}

Result<void> ElfProgram::Parser::check_entry() {
  program_.entry_ = header_.e_entry;
  for (const ElfSegment& segment : program_.segments_) {
    bool executable = (segment.permissions & SecinfoFlags::kX) != 0;
    if (executable && segment.contains(header_.e_entry)) return {};
  }
  return wrong("has no entry point in executable code; it is a library, link a program with -static-pie");
}

void ElfProgram::Parser::sections() {
  constexpr unsigned kMaxSections = 4096;
  bool has_symbols = false;
  std::optional<Elf64_Shdr> dynamic_symbols;
  if (header_.e_shoff != 0 && header_.e_shentsize == sizeof(Elf64_Shdr) && header_.e_shnum <= kMaxSections) {
    for (unsigned i = 0; i < header_.e_shnum; ++i) {
      auto section = at<Elf64_Shdr>(header_.e_shoff + i * sizeof(Elf64_Shdr));
      if (!section) break;
      if (section->sh_type == SHT_SYMTAB) {
        symbols(*section);
        has_symbols = true;
      }
      if (section->sh_type == SHT_DYNSYM) dynamic_symbols = *section;
      if (section->sh_type == SHT_RELA && (section->sh_flags & SHF_ALLOC) != 0) relocations(*section);
      if (section->sh_type == kPackedRelocations) packed_relocations(*section);
      if (section->sh_type == SHT_PROGBITS && (section->sh_flags & SHF_EXECINSTR) != 0) text(*section);
    }
  }
  if (!has_symbols && dynamic_symbols) symbols(*dynamic_symbols);
  if (!program_.text_.empty()) {
    program_.has_sections_ = true;
    return;
  }
  for (const ElfSegment& segment : program_.segments_) {
    if ((segment.permissions & SecinfoFlags::kX) == 0) continue;
    program_.text_.push_back({segment.address, segment.content});
  }
}

void ElfProgram::Parser::text(const Elf64_Shdr& section) {
  for (const ElfSegment& segment : program_.segments_) {
    if ((segment.permissions & SecinfoFlags::kX) == 0 || !segment.contains(section.sh_addr)) continue;
    const std::uint64_t inside = section.sh_addr - segment.address;
    if (!range_fits(inside, section.sh_size, segment.content.size())) continue;
    program_.text_.push_back({section.sh_addr, segment.content.subspan(inside, section.sh_size)});
  }
}

void ElfProgram::Parser::symbols(const Elf64_Shdr& table) {
  if (table.sh_entsize != sizeof(Elf64_Sym) || !range_fits(table.sh_offset, table.sh_size, file_.size())) return;
  if (table.sh_link >= header_.e_shnum) return;
  auto strings = at<Elf64_Shdr>(header_.e_shoff + table.sh_link * sizeof(Elf64_Shdr));
  if (!strings || !range_fits(strings->sh_offset, strings->sh_size, file_.size())) return;
  const auto* text = reinterpret_cast<const char*>(file_.data() + strings->sh_offset);
  const std::string_view names(text, strings->sh_size);
  constexpr std::size_t kMaxNameSize = 4096;

  ByteReader reader(file_.subspan(table.sh_offset, table.sh_size));
  while (auto symbol = reader.read<Elf64_Sym>()) {
    const unsigned type = ELF64_ST_TYPE(symbol->st_info);
    if (symbol->st_shndx == SHN_UNDEF || symbol->st_name >= names.size()) continue;
    if (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE && type != STT_OBJECT) continue;
    std::string_view name = names.substr(symbol->st_name, kMaxNameSize);
    program_.symbols_.push_back({.name = name.substr(0, name.find('\0')),
                                 .address = symbol->st_value,
                                 .size = symbol->st_size,
                                 .function = type == STT_FUNC || type == STT_GNU_IFUNC});
  }
}

void ElfProgram::Parser::relocations(const Elf64_Shdr& table) {
  if (table.sh_entsize != sizeof(Elf64_Rela) || !range_fits(table.sh_offset, table.sh_size, file_.size())) return;
  ByteReader reader(file_.subspan(table.sh_offset, table.sh_size));
  while (auto entry = reader.read<Elf64_Rela>()) {
    // In a static-pie every symbol is resolved: RELATIVE and IRELATIVE carry the address in the addend.
    program_.relocation_targets_.push_back(static_cast<std::uint64_t>(entry->r_addend));
  }
}

void ElfProgram::Parser::packed_relocations(const Elf64_Shdr& table) {
  if (!range_fits(table.sh_offset, table.sh_size, file_.size())) return;
  auto add_place = [&](std::uint64_t place) {
    if (auto value = ByteReader(program_.content_at(place)).read<std::uint64_t>()) {
      program_.relocation_targets_.push_back(*value);
    }
  };
  // An even entry is a place; an odd one is a bitmap of the 63 words that follow the last place.
  constexpr std::uint64_t kWord = 8;
  std::uint64_t next = 0;
  ByteReader reader(file_.subspan(table.sh_offset, table.sh_size));
  while (auto entry = reader.read<std::uint64_t>()) {
    if ((*entry & 1) == 0) {
      add_place(*entry);
      next = *entry + kWord;
      continue;
    }
    for (unsigned bit = 1; bit < 64; ++bit) {
      if ((*entry >> bit & 1) != 0) add_place(next + (bit - 1) * kWord);
    }
    next += 63 * kWord;
  }
}

ByteView ElfProgram::content_at(std::uint64_t address) const {
  for (const ElfSegment& segment : segments_) {
    if (address >= segment.address && address - segment.address < segment.content.size()) {
      return segment.content.subspan(address - segment.address);
    }
  }
  return {};
}

std::uint64_t ElfProgram::end() const {
  const ElfSegment& last = segments_.back();
  return page_up(last.address + last.memory_size);
}

std::uint64_t ElfProgram::alignment() const {
  std::uint64_t largest = kPageSize;
  for (const ElfSegment& segment : segments_) largest = std::max(largest, segment.alignment);
  return largest;
}

std::optional<std::uint64_t> ElfProgram::symbol(std::string_view name) const {
  auto found = std::ranges::find(symbols_, name, &ElfSymbol::name);
  if (found == symbols_.end()) return std::nullopt;
  return found->address;
}

}  // namespace coffer::image
