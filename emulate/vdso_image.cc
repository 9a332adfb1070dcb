#include "emulate/vdso_image.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace coffer::emulate {

namespace {

constexpr std::string_view kName = "__vdso_sgx_enter_enclave";
constexpr std::string_view kSoname = "linux-vdso.so.1";
constexpr std::size_t kMaxSymbols = 4096;

// What the original has, as far as looking up symbols needs it.
struct Tables {
  std::vector<Elf64_Sym> symbols{Elf64_Sym{}};
  std::vector<Elf64_Half> versions{0};
  std::vector<char> strings{'\0'};
  std::vector<std::byte> version_definitions;
  std::uint64_t version_definition_count = 0;
};

const Elf64_Dyn* dynamic_of(std::uint64_t base) {
  const auto* header = reinterpret_cast<const Elf64_Ehdr*>(base);
  if (std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_ident[EI_CLASS] != ELFCLASS64) return nullptr;
  const auto* segments = reinterpret_cast<const Elf64_Phdr*>(base + header->e_phoff);
  for (unsigned i = 0; i < header->e_phnum; ++i) {
    if (segments[i].p_type == PT_DYNAMIC) return reinterpret_cast<const Elf64_Dyn*>(base + segments[i].p_vaddr);
  }
  return nullptr;
}

// The number of symbols, which only the hash tables know.
std::size_t count_symbols(const Elf64_Word* hash, const Elf64_Word* gnu_hash) {
  if (hash != nullptr) return hash[1];
  if (gnu_hash == nullptr) return 0;
  const Elf64_Word buckets = gnu_hash[0];
  const Elf64_Word first = gnu_hash[1];
  const Elf64_Word* bucket = gnu_hash + 4 + std::size_t{gnu_hash[2]} * 2;
  const Elf64_Word* chain = bucket + buckets;
  Elf64_Word last = 0;
  for (Elf64_Word i = 0; i < buckets; ++i) last = std::max(last, bucket[i]);
  if (last < first) return first;
  while ((chain[last - first] & 1) == 0) ++last;
  return std::size_t{last} + 1;
}

std::size_t definitions_size(const std::byte* definitions, std::uint64_t count) {
  std::size_t size = 0;
  std::size_t at = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto* definition = reinterpret_cast<const Elf64_Verdef*>(definitions + at);
    const std::size_t end = at + definition->vd_aux + definition->vd_cnt * sizeof(Elf64_Verdaux);
    size = std::max(size, end);
    if (definition->vd_next == 0) break;
    at += definition->vd_next;
  }
  return size;
}

Result<Tables> read_original(std::uint64_t original, std::uint64_t base) {
  const Elf64_Dyn* dynamic = dynamic_of(original);
  if (dynamic == nullptr) return input_error("the kernel's vDSO is no ELF file that can be read");
  const Elf64_Word* hash = nullptr;
  const Elf64_Word* gnu_hash = nullptr;
  const Elf64_Sym* symbols = nullptr;
  const char* strings = nullptr;
  std::size_t strings_size = 0;
  const Elf64_Half* versions = nullptr;
  const std::byte* definitions = nullptr;
  Tables tables;
  for (; dynamic->d_tag != DT_NULL; ++dynamic) {
    const std::uint64_t value = dynamic->d_un.d_ptr;
    // Whoever looked first (the dynamic linker) may have turned offsets into addresses.
    const std::uint64_t address = value >= original ? value : original + value;
    switch (dynamic->d_tag) {
      case DT_HASH:
        hash = reinterpret_cast<const Elf64_Word*>(address);
        break;
      case DT_GNU_HASH:
        gnu_hash = reinterpret_cast<const Elf64_Word*>(address);
        break;
      case DT_SYMTAB:
        symbols = reinterpret_cast<const Elf64_Sym*>(address);
        break;
      case DT_STRTAB:
        strings = reinterpret_cast<const char*>(address);
        break;
      case DT_STRSZ:
        strings_size = value;
        break;
      case DT_VERSYM:
        versions = reinterpret_cast<const Elf64_Half*>(address);
        break;
      case DT_VERDEF:
        definitions = reinterpret_cast<const std::byte*>(address);
        break;
      case DT_VERDEFNUM:
        tables.version_definition_count = value;
        break;
      default:
        break;
    }
  }
  const std::size_t count = count_symbols(hash, gnu_hash);
  if (symbols == nullptr || strings == nullptr || count > kMaxSymbols) {
    return input_error("the kernel's vDSO has no symbol table");
  }
  tables.strings.assign(strings, strings + strings_size);
  for (std::size_t i = 1; i < count; ++i) {
    Elf64_Sym symbol = symbols[i];
    const bool is_ours = kName == strings + symbol.st_name;  // of a machine with SGX: ours stands for it
    if (is_ours) continue;
    if (symbol.st_shndx != SHN_UNDEF && symbol.st_shndx != SHN_ABS) symbol.st_value += original - base;
    tables.symbols.push_back(symbol);
    tables.versions.push_back(versions == nullptr ? Elf64_Half{1} : versions[i]);
  }
  if (definitions != nullptr) {
    const std::size_t size = definitions_size(definitions, tables.version_definition_count);
    tables.version_definitions.assign(definitions, definitions + size);
  }
  return tables;
}

Elf64_Word new_hash(std::string_view name) {
  Elf64_Word h = 5381;
  for (const char c : name) h = h * 33 + static_cast<unsigned char>(c);
  return h;
}

// One bucket each: a table of a dozen symbols needs no more, and any order of symbols is right.
std::vector<Elf64_Word> hash_table(const Tables& tables) {
  const auto count = static_cast<Elf64_Word>(tables.symbols.size());
  std::vector<Elf64_Word> hash{1, count, count > 1 ? Elf64_Word{1} : Elf64_Word{0}, 0};
  for (Elf64_Word i = 1; i < count; ++i) hash.push_back(i + 1 < count ? i + 1 : 0);
  return hash;
}

std::vector<Elf64_Word> gnu_hash_table(const Tables& tables) {
  // One bucket, symbols from 1, one word of the filter that lets everything pass.
  std::vector<Elf64_Word> hash{1, 1, 1, 0, ~Elf64_Word{0}, ~Elf64_Word{0}, 1};
  for (std::size_t i = 1; i < tables.symbols.size(); ++i) {
    const Elf64_Word value = new_hash(tables.strings.data() + tables.symbols[i].st_name) & ~Elf64_Word{1};
    hash.push_back(value | (i + 1 == tables.symbols.size() ? 1 : 0));
  }
  return hash;
}

class Image {
 public:
  // Appends, aligned to 16 bytes; the offset is the address relative to the image.
  template <class T>
  std::uint64_t append(std::span<const T> values) {
    bytes_.resize((bytes_.size() + 15) & ~std::size_t{15});
    const std::uint64_t at = bytes_.size();
    const auto bytes = std::as_bytes(values);
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return at;
  }
  template <class T>
  std::uint64_t append(const std::vector<T>& values) {
    return append(std::span<const T>(values));
  }
  std::vector<std::byte>& bytes() { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

std::uint64_t add_string(Tables& tables, std::string_view text) {
  const std::uint64_t at = tables.strings.size();
  tables.strings.insert(tables.strings.end(), text.begin(), text.end());
  tables.strings.push_back('\0');
  return at;
}

// jmp *0(%rip); .quad target: the symbol is in the image, as that of a vDSO is.
std::vector<std::uint8_t> jump_to(std::uint64_t target) {
  std::vector<std::uint8_t> code{0xff, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  std::memcpy(&code[6], &target, sizeof(target));
  return code;
}

void write_headers(std::vector<std::byte>& image, std::uint64_t dynamic, std::size_t dynamic_size) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_DYN;
  header.e_machine = EM_X86_64;
  header.e_version = EV_CURRENT;
  header.e_phoff = sizeof(Elf64_Ehdr);
  header.e_ehsize = sizeof(Elf64_Ehdr);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 2;
  Elf64_Phdr segments[2]{};
  segments[0] = {PT_LOAD, PF_R | PF_X, 0, 0, 0, image.size(), image.size(), 0x1000};
  segments[1] = {PT_DYNAMIC, PF_R, dynamic, dynamic, dynamic, dynamic_size, dynamic_size, 8};
  std::memcpy(image.data(), &header, sizeof(header));
  std::memcpy(image.data() + sizeof(header), segments, sizeof(segments));
}

}  // namespace

Result<std::vector<std::byte>> make_vdso_image(std::uint64_t base, std::uint64_t original, std::uint64_t entry) {
  Tables tables;
  if (original != 0) {
    auto read = read_original(original, base);
    if (!read) return std::unexpected(read.error());
    tables = std::move(*read);
  }
  Image image;
  image.bytes().resize(sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr));
  const std::vector<std::uint8_t> code = jump_to(entry);
  const std::uint64_t code_at = image.append(code);

  Elf64_Sym symbol{};
  symbol.st_name = static_cast<Elf64_Word>(add_string(tables, kName));
  symbol.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
  symbol.st_shndx = 1;
  symbol.st_value = code_at;
  symbol.st_size = code.size();
  tables.symbols.push_back(symbol);
  // The version of its neighbours, which look-ups by version ask for.
  tables.versions.push_back(*std::ranges::max_element(tables.versions));
  const std::uint64_t soname = add_string(tables, kSoname);

  const std::uint64_t hash = image.append(hash_table(tables));
  const std::uint64_t gnu_hash = image.append(gnu_hash_table(tables));
  const std::uint64_t symbols = image.append(tables.symbols);
  const std::uint64_t strings = image.append(tables.strings);
  std::vector<Elf64_Dyn> dynamic;
  const auto add = [&dynamic](Elf64_Sxword tag, std::uint64_t value) { dynamic.push_back({tag, {value}}); };
  add(DT_SONAME, soname);
  add(DT_HASH, hash);
  add(DT_GNU_HASH, gnu_hash);
  add(DT_STRTAB, strings);
  add(DT_SYMTAB, symbols);
  add(DT_STRSZ, tables.strings.size());
  add(DT_SYMENT, sizeof(Elf64_Sym));
  if (!tables.version_definitions.empty()) {
    add(DT_VERSYM, image.append(tables.versions));
    add(DT_VERDEF, image.append(tables.version_definitions));
    add(DT_VERDEFNUM, tables.version_definition_count);
  }
  add(DT_NULL, 0);
  const std::uint64_t dynamic_at = image.append(dynamic);
  write_headers(image.bytes(), dynamic_at, dynamic.size() * sizeof(Elf64_Dyn));
  return std::move(image.bytes());
}

}  // namespace coffer::emulate
