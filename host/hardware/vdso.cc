#include "host/hardware/vdso.h"

#include <elf.h>
#include <sys/auxv.h>

#include <cstring>

namespace coffer::host::hardware {

namespace {

template <class T>
const T* at(std::uint64_t address) {
  return reinterpret_cast<const T*>(address);
}

// Symbols are counted by the hash tables: the older one says it, the newer one has to be walked to its last chain's
// end.
std::uint32_t count_symbols(std::uint64_t hash, std::uint64_t gnu_hash) {
  if (hash != 0) return at<std::uint32_t>(hash)[1];
  if (gnu_hash == 0) return 0;
  const auto* table = at<std::uint32_t>(gnu_hash);
  const std::uint32_t bucket_count = table[0];
  const std::uint32_t first = table[1];
  const std::uint32_t bloom_words = table[2];
  const std::uint32_t* buckets = table + 4 + std::size_t{bloom_words} * 2;
  const std::uint32_t* chains = buckets + bucket_count;
  std::uint32_t last = 0;
  for (std::uint32_t i = 0; i < bucket_count; ++i) last = buckets[i] > last ? buckets[i] : last;
  if (last < first) return first;
  while ((chains[last - first] & 1) == 0) ++last;
  return last + 1;
}

struct Tables {
  std::uint64_t symbols = 0, strings = 0, hash = 0, gnu_hash = 0;
};

// Addresses in a dynamic section are the linker's, or the loader's that has relocated them.
Tables read_tables(const Elf64_Dyn* dynamic, std::uint64_t base, std::uint64_t bias) {
  const auto place = [&](std::uint64_t address) { return address < base ? address + bias : address; };
  Tables tables;
  for (; dynamic->d_tag != DT_NULL; ++dynamic) {
    const std::uint64_t address = place(dynamic->d_un.d_ptr);
    if (dynamic->d_tag == DT_SYMTAB) tables.symbols = address;
    if (dynamic->d_tag == DT_STRTAB) tables.strings = address;
    if (dynamic->d_tag == DT_HASH) tables.hash = address;
    if (dynamic->d_tag == DT_GNU_HASH) tables.gnu_hash = address;
  }
  return tables;
}

}  // namespace

std::uint64_t find_vdso_symbol(std::uint64_t base, std::string_view name) {
  const auto* header = at<Elf64_Ehdr>(base);
  if (base == 0 || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return 0;
  const Elf64_Dyn* dynamic = nullptr;
  std::uint64_t bias = base;
  const auto* segments = at<Elf64_Phdr>(base + header->e_phoff);
  for (unsigned i = 0; i < header->e_phnum; ++i) {
    if (segments[i].p_type == PT_LOAD) bias = base + segments[i].p_offset - segments[i].p_vaddr;
    if (segments[i].p_type == PT_DYNAMIC) dynamic = at<Elf64_Dyn>(base + segments[i].p_offset);
  }
  if (dynamic == nullptr) return 0;
  const Tables tables = read_tables(dynamic, base, bias);
  if (tables.symbols == 0 || tables.strings == 0) return 0;
  const std::uint32_t count = count_symbols(tables.hash, tables.gnu_hash);
  for (std::uint32_t i = 0; i < count; ++i) {
    const Elf64_Sym& symbol = at<Elf64_Sym>(tables.symbols)[i];
    if (symbol.st_shndx != SHN_UNDEF && name == at<char>(tables.strings + symbol.st_name)) {
      return symbol.st_value + bias;
    }
  }
  return 0;
}

EnterFunction find_enter_function() {
  const std::uint64_t address = find_vdso_symbol(::getauxval(AT_SYSINFO_EHDR), "__vdso_sgx_enter_enclave");
  return reinterpret_cast<EnterFunction>(address);
}

}  // namespace coffer::host::hardware
