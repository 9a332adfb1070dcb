#include "host/image/static_pie.h"

#include <elf.h>
#include <fmt/format.h>

#include <cstring>
#include <optional>

namespace coffer::image {
namespace {

class Rewriter {
 public:
  Rewriter(ByteView file, std::string_view name) : file_(file.begin(), file.end()), name_(name) {}

  Result<std::vector<std::byte>> rewrite() {
    const auto header = get<Elf64_Ehdr>(0);
    if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_ident[EI_CLASS] != ELFCLASS64 ||
        header->e_machine != EM_X86_64 || header->e_type != ET_DYN || header->e_phentsize != sizeof(Elf64_Phdr)) {
      return std::move(file_);
    }
    read_segments(*header);
    if (!dynamic_) return std::move(file_);
    if (auto checked = read_dynamic(); !checked) return std::unexpected(checked.error());
    for (const auto& [table, size] : {std::pair{relocations_, relocations_size_}, std::pair{jumps_, jumps_size_}}) {
      if (auto done = resolve(table, size); !done) return std::unexpected(done.error());
    }
    for (const std::uint64_t at : interpreters_) put<std::uint32_t>(at + offsetof(Elf64_Phdr, p_type), PT_NULL);
    return std::move(file_);
  }

 private:
  template <class T>
  [[nodiscard]] std::optional<T> get(std::uint64_t offset) const {
    if (!range_fits(offset, sizeof(T), file_.size())) return std::nullopt;
    T value;
    std::memcpy(&value, file_.data() + offset, sizeof(T));
    return value;
  }
  template <class T>
  void put(std::uint64_t offset, const T& value) {
    if (range_fits(offset, sizeof(T), file_.size())) std::memcpy(file_.data() + offset, &value, sizeof(T));
  }
  [[nodiscard]] std::unexpected<Error> wrong(std::string_view what) const {
    return input_error(fmt::format("{}: {}", name_, what));
  }

  // Where the byte at an address stands in the file.
  [[nodiscard]] std::optional<std::uint64_t> place(std::uint64_t address) const {
    for (const Elf64_Phdr& load : loads_) {
      if (address >= load.p_vaddr && address - load.p_vaddr < load.p_filesz) {
        return load.p_offset + (address - load.p_vaddr);
      }
    }
    return std::nullopt;
  }

  [[nodiscard]] std::string text(std::uint64_t offset) const {
    constexpr std::size_t kLongest = 4096;
    const auto start = place(strings_ + offset);
    if (offset >= strings_size_ || !start || *start >= file_.size()) return "?";
    const auto* from = reinterpret_cast<const char*>(file_.data() + *start);
    return {from, ::strnlen(from, std::min<std::size_t>(kLongest, file_.size() - *start))};
  }

  void read_segments(const Elf64_Ehdr& header) {
    for (unsigned i = 0; i < header.e_phnum; ++i) {
      const std::uint64_t at = header.e_phoff + i * sizeof(Elf64_Phdr);
      const auto segment = get<Elf64_Phdr>(at);
      if (!segment) break;
      if (segment->p_type == PT_INTERP) interpreters_.push_back(at);
      if (segment->p_type == PT_LOAD) loads_.push_back(*segment);
      if (segment->p_type == PT_DYNAMIC) dynamic_ = *segment;
    }
  }

  Result<void> read_dynamic() {
    std::optional<std::uint64_t> needed;
    for (std::uint64_t done = 0; done + sizeof(Elf64_Dyn) <= dynamic_->p_filesz; done += sizeof(Elf64_Dyn)) {
      const auto entry = get<Elf64_Dyn>(dynamic_->p_offset + done);
      if (!entry || entry->d_tag == DT_NULL) break;
      const std::uint64_t value = entry->d_un.d_val;
      if (entry->d_tag == DT_NEEDED && !needed) needed = value;
      if (entry->d_tag == DT_RELA) relocations_ = value;
      if (entry->d_tag == DT_RELASZ) relocations_size_ = value;
      if (entry->d_tag == DT_JMPREL) jumps_ = value;
      if (entry->d_tag == DT_PLTRELSZ) jumps_size_ = value;
      if (entry->d_tag == DT_SYMTAB) symbols_ = value;
      if (entry->d_tag == DT_STRTAB) strings_ = value;
      if (entry->d_tag == DT_STRSZ) strings_size_ = value;
    }
    if (!needed) return {};
    return wrong("needs the shared library " + text(*needed) + "; link its static one");
  }

  // Relocations to symbols that nothing defines: weak ones become what they mean, zero.
  Result<void> resolve(std::uint64_t table, std::uint64_t size) {
    for (std::uint64_t done = 0; done + sizeof(Elf64_Rela) <= size; done += sizeof(Elf64_Rela)) {
      const auto at = place(table + done);
      const auto entry = at ? get<Elf64_Rela>(*at) : std::nullopt;
      if (!entry) return wrong("has relocations outside the file: it is damaged, link it again");
      const std::uint64_t index = ELF64_R_SYM(entry->r_info);
      if (index == 0) continue;
      const auto symbol_at = place(symbols_ + index * sizeof(Elf64_Sym));
      const auto symbol = symbol_at ? get<Elf64_Sym>(*symbol_at) : std::nullopt;
      if (!symbol) return wrong("has relocations to symbols that it does not have: it is damaged, link it again");
      if (symbol->st_shndx != SHN_UNDEF) continue;
      if (ELF64_ST_BIND(symbol->st_info) != STB_WEAK) {
        return wrong("nothing defines the symbol " + text(symbol->st_name) + "; link the library that has it");
      }
      const auto target = place(entry->r_offset);
      const bool plain = ELF64_R_TYPE(entry->r_info) == R_X86_64_64;
      if (target) put<std::uint64_t>(*target, plain ? static_cast<std::uint64_t>(entry->r_addend) : 0);
      put(*at, Elf64_Rela{.r_offset = entry->r_offset, .r_info = ELF64_R_INFO(0, R_X86_64_NONE), .r_addend = 0});
    }
    return {};
  }

  std::vector<std::byte> file_;
  std::string name_;
  std::vector<std::uint64_t> interpreters_;  // offsets of their program headers
  std::vector<Elf64_Phdr> loads_;
  std::optional<Elf64_Phdr> dynamic_;
  std::uint64_t relocations_ = 0, relocations_size_ = 0, jumps_ = 0, jumps_size_ = 0;
  std::uint64_t symbols_ = 0, strings_ = 0, strings_size_ = 0;
};

}  // namespace

Result<std::vector<std::byte>> as_static_pie(ByteView file, std::string_view name) {
  return Rewriter(file, name).rewrite();
}

}  // namespace coffer::image
