#include "host/image/foreign/elf_view.h"

#include <cstring>

namespace coffer::image {

namespace {

template <class T>
std::optional<std::vector<T>> read_table(ByteView file, std::uint64_t offset, std::uint64_t count) {
  if (!range_fits(offset, count * sizeof(T), file.size())) return std::nullopt;
  std::vector<T> table(count);
  if (count != 0) std::memcpy(table.data(), file.data() + offset, count * sizeof(T));
  return table;
}

}  // namespace

Result<ElfView> ElfView::parse(ByteView file) {
  ElfView view;
  view.file_ = file;
  ByteReader reader(file);
  const auto header = reader.read<Elf64_Ehdr>();
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return input_error("not an ELF file");
  view.header_ = *header;
  if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
      header->e_machine != EM_X86_64) {
    return input_error("an ELF file, but not for x86-64; only 64-bit enclaves are supported");
  }
  if (header->e_type != ET_DYN) return input_error("an ELF file, but not a shared object or PIE, as enclaves are");
  if (header->e_phentsize != sizeof(Elf64_Phdr) ||
      (header->e_shnum != 0 && header->e_shentsize != sizeof(Elf64_Shdr))) {
    return input_error("the ELF file's header tables have entries of an unknown size");
  }
  // Counts are 16 bits wide, so the products below cannot overflow and the tables stay small.
  auto segments = read_table<Elf64_Phdr>(file, header->e_phoff, header->e_phnum);
  auto sections = read_table<Elf64_Shdr>(file, header->e_shoff, header->e_shnum);
  if (!segments || !sections) return input_error("the ELF file's header tables leave the file; it is cut short");
  view.segments_ = std::move(*segments);
  view.sections_ = std::move(*sections);
  for (const Elf64_Phdr& segment : view.segments_) {
    if (!range_fits(segment.p_offset, segment.p_filesz, file.size())) {
      return input_error("a segment of the ELF file leaves the file; it is cut short");
    }
  }
  if (header->e_shstrndx < view.sections_.size()) {
    view.section_names_ = view.content(view.sections_[header->e_shstrndx]).value_or(ByteView{});
  }
  view.read_dynamic();
  return view;
}

void ElfView::read_dynamic() {
  for (const Elf64_Phdr& segment : segments_) {
    if (segment.p_type != PT_DYNAMIC) continue;
    ByteReader reader(content(segment));
    while (const auto entry = reader.read<Elf64_Dyn>()) {
      if (entry->d_tag == DT_NULL) break;
      dynamic_.push_back(*entry);
    }
    return;
  }
}

std::string_view ElfView::text(ByteView strings, std::uint64_t offset) const {
  if (offset >= strings.size()) return {};
  const auto* start = reinterpret_cast<const char*>(strings.data()) + offset;
  return {start, strnlen(start, strings.size() - offset)};
}

const Elf64_Shdr* ElfView::section(std::string_view name) const {
  for (const Elf64_Shdr& candidate : sections_) {
    if (text(section_names_, candidate.sh_name) == name) return &candidate;
  }
  return nullptr;
}

const Elf64_Shdr* ElfView::section_at(std::uint64_t address) const {
  for (const Elf64_Shdr& candidate : sections_) {
    if (candidate.sh_addr == address) return &candidate;
  }
  return nullptr;
}

std::optional<ByteView> ElfView::content(const Elf64_Shdr& section) const {
  if (section.sh_type == SHT_NOBITS) return ByteView{};
  if (!range_fits(section.sh_offset, section.sh_size, file_.size())) return std::nullopt;
  return file_.subspan(section.sh_offset, section.sh_size);
}

ByteView ElfView::content(const Elf64_Phdr& segment) const { return file_.subspan(segment.p_offset, segment.p_filesz); }

std::optional<std::uint64_t> ElfView::dynamic(std::int64_t tag) const {
  // A later entry replaces an earlier one, as loaders that index the table by tag have it.
  for (auto entry = dynamic_.rbegin(); entry != dynamic_.rend(); ++entry) {
    if (entry->d_tag == tag) return entry->d_un.d_val;
  }
  return std::nullopt;
}

std::optional<Elf64_Sym> ElfView::symbol(std::string_view table, std::string_view name) const {
  const Elf64_Shdr* symbols = section(table);
  if (symbols == nullptr || symbols->sh_link >= sections_.size()) return std::nullopt;
  const auto bytes = content(*symbols);
  const auto strings = content(sections_[symbols->sh_link]);
  if (!bytes || !strings) return std::nullopt;
  ByteReader reader(*bytes);
  while (const auto entry = reader.read<Elf64_Sym>()) {
    if (entry->st_name != 0 && entry->st_shndx != SHN_UNDEF && text(*strings, entry->st_name) == name) return entry;
  }
  return std::nullopt;
}

std::optional<Elf64_Sym> ElfView::dynamic_symbol(std::uint64_t index) const {
  const Elf64_Shdr* symbols = section(".dynsym");
  const auto bytes = symbols == nullptr ? std::nullopt : content(*symbols);
  if (!bytes || index >= bytes->size() / sizeof(Elf64_Sym)) return std::nullopt;
  ByteReader reader(bytes->subspan(index * sizeof(Elf64_Sym)));
  return reader.read<Elf64_Sym>();
}

}  // namespace coffer::image
