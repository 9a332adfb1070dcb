// Small images of other SDKs for the tests, laid out by hand, and a builder that records what a reader does.
#pragma once

#include <elf.h>

#include <cstring>
#include <string>
#include <vector>

#include "host/image/foreign/foreign_image.h"
#include "host/image/foreign/intel_metadata.h"
#include "sgx/sigstruct.h"

namespace coffer::image::testing {

using sgx::kPageSize;
using sgx::PageType;
using sgx::SecinfoFlags;

inline constexpr SecinfoFlags kCode = SecinfoFlags::make(PageType::kReg, SecinfoFlags::kR | SecinfoFlags::kX);
inline constexpr SecinfoFlags kCodeWritable =
    SecinfoFlags::make(PageType::kReg, SecinfoFlags::kR | SecinfoFlags::kW | SecinfoFlags::kX);
inline constexpr SecinfoFlags kData = SecinfoFlags::make(PageType::kReg, SecinfoFlags::kR | SecinfoFlags::kW);
inline constexpr SecinfoFlags kReadOnly = SecinfoFlags::make(PageType::kReg, SecinfoFlags::kR);
inline constexpr SecinfoFlags kTcs = SecinfoFlags::make(PageType::kTcs, 0);

struct RecordedPage {
  std::uint64_t offset = 0;
  SecinfoFlags flags;
  std::vector<std::byte> content;
  sgx::ExtendMask extend = 0;

  friend bool operator==(const RecordedPage&, const RecordedPage&) = default;
};

class RecordingBuilder final : public sgx::EnclaveBuilder {
 public:
  Result<void> create(const sgx::CreateParameters& given) override {
    parameters = given;
    return {};
  }
  Result<void> add_pages(std::uint64_t offset, SecinfoFlags flags, ByteView content, sgx::ExtendMask extend) override {
    for (std::size_t at = 0; at < content.size(); at += kPageSize) {
      const ByteView page = content.subspan(at, kPageSize);
      pages.push_back({offset + at, flags, {page.begin(), page.end()}, extend});
    }
    return {};
  }

  sgx::CreateParameters parameters;
  std::vector<RecordedPage> pages;
};

inline std::vector<std::byte> page_of(std::byte value) { return std::vector<std::byte>(kPageSize, value); }

template <class T>
void put(std::vector<std::byte>& file, std::uint64_t offset, const T& value) {
  if (file.size() < offset + sizeof(T)) file.resize(offset + sizeof(T));
  std::memcpy(file.data() + offset, &value, sizeof(T));
}

inline void put_text(std::vector<std::byte>& file, std::uint64_t offset, std::string_view text) {
  if (file.size() < offset + text.size()) file.resize(offset + text.size());
  std::memcpy(file.data() + offset, text.data(), text.size());
}

// An ELF file under construction. Headers go to the end; content is written where the caller likes.
class ElfWriter {
 public:
  void segment(std::uint32_t type, std::uint32_t flags, std::uint64_t offset, std::uint64_t address,
               std::uint64_t file_size, std::uint64_t memory_size, std::uint64_t align = kPageSize) {
    segments_.push_back({type, flags, offset, address, address, file_size, memory_size, align});
  }
  void section(const std::string& name, std::uint32_t type, std::uint64_t address, std::uint64_t offset,
               std::uint64_t size, std::uint32_t link = 0, std::uint64_t align = 1) {
    Elf64_Shdr header{};
    header.sh_name = static_cast<std::uint32_t>(names_.size());
    names_ += name + '\0';
    header.sh_type = type;
    header.sh_addr = address;
    header.sh_offset = offset;
    header.sh_size = size;
    header.sh_link = link;
    header.sh_addralign = align;
    sections_.push_back(header);
  }

  std::vector<std::byte> finish(std::uint64_t entry) {
    const std::uint64_t names_at = file.size();
    section(".shstrtab", SHT_STRTAB, 0, names_at, 0);
    sections_.back().sh_size = names_.size();
    put_text(file, names_at, names_);
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_DYN;
    header.e_machine = EM_X86_64;
    header.e_entry = entry;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_shentsize = sizeof(Elf64_Shdr);
    header.e_phoff = (file.size() + 7) & ~std::uint64_t{7};
    header.e_phnum = static_cast<std::uint16_t>(segments_.size());
    for (std::size_t i = 0; i < segments_.size(); ++i) put(file, header.e_phoff + i * sizeof(Elf64_Phdr), segments_[i]);
    header.e_shoff = (file.size() + 7) & ~std::uint64_t{7};
    header.e_shnum = static_cast<std::uint16_t>(sections_.size());
    header.e_shstrndx = static_cast<std::uint16_t>(sections_.size() - 1);
    for (std::size_t i = 0; i < sections_.size(); ++i) put(file, header.e_shoff + i * sizeof(Elf64_Shdr), sections_[i]);
    put(file, 0, header);
    return file;
  }

  std::vector<std::byte> file;

 private:
  std::string names_ = std::string(1, '\0');
  std::vector<Elf64_Phdr> segments_;
  std::vector<Elf64_Shdr> sections_ = {Elf64_Shdr{}};
};

inline sgx::Sigstruct sample_sigstruct() {
  sgx::Sigstruct sigstruct;
  sgx::set_fixed_fields(sigstruct);
  sigstruct.attributes = {sgx::attribute::kMode64Bit, 3};
  sigstruct.isv_prod_id = 5;
  return sigstruct;
}

struct IntelOptions {
  std::uint32_t major = 1, minor = 4;
  std::uint64_t data_memory_size = 0x1400;
  std::optional<ElrangeEntry> elrange;
};

inline constexpr std::uint64_t kSampleEnclaveSize = 0x20000;

// A metadata block: a patch of eight bytes at file offset 0x40, a heap of two pages that is not measured, then one
// thread (a stack page filled with a word, a guard, a TCS, a page with content) that a group adds once more.
inline std::vector<std::byte> sample_metadata(const IntelOptions& options) {
  constexpr std::uint64_t kDirectories = sizeof(MetadataHeader), kPatch = 1920, kLayout = 1952;
  constexpr std::uint32_t kEntries = 6;
  constexpr std::uint64_t kBytes = kLayout + kEntries * sizeof(LayoutEntry), kTcsTemplate = kBytes + 16;
  constexpr std::uint64_t kElrange = kTcsTemplate + 72, kSize = kElrange + sizeof(ElrangeEntry);
  std::vector<std::byte> block;
  MetadataHeader header;
  header.magic = kMetadataMagic;
  header.major = options.major;
  header.minor = options.minor;
  header.size = kSize;
  header.ssa_frame_size = 1;
  header.enclave_size = kSampleEnclaveSize;
  header.attributes = {sgx::attribute::kMode64Bit, 3};
  header.sigstruct = sample_sigstruct();
  put(block, 0, header);
  put(block, kDirectories, MetadataDirectory{kPatch, sizeof(PatchEntry)});
  put(block, kDirectories + 8, MetadataDirectory{kLayout, kEntries * sizeof(LayoutEntry)});
  if (options.elrange) put(block, kDirectories + 16, MetadataDirectory{kElrange, sizeof(ElrangeEntry)});

  put(block, kPatch, PatchEntry{0x40, kBytes, 8, {}});
  put_text(block, kBytes, "patched!content.");
  auto entry = [&, at = kLayout](const auto& value) mutable {
    put(block, at, value);
    at += sizeof(value);
  };
  entry(LayoutEntry{1, kLayoutEadd, 2, 0x8000, 0, 0, kData.value});
  entry(LayoutEntry{7, kLayoutEadd | kLayoutEextend, 1, 0xa000, 0xcccccccc, 0, kData.value});
  entry(LayoutEntry{10, 0, 1, 0xb000, 0, 0, 0});
  entry(LayoutEntry{4, kLayoutEadd | kLayoutEextend, 1, 0xc000, 72, kTcsTemplate, kTcs.value});
  entry(LayoutEntry{5, kLayoutEadd | kLayoutEextend, 1, 0xd000, 8, kBytes + 8, kData.value});
  entry(LayoutGroup{kGroupFlag | 9, 4, 1, 0x4000, {}});
  sgx::Tcs tcs;
  tcs.ssa_offset = 0x1000;
  tcs.ssa_count = 2;
  tcs.entry_offset = 0x123;
  tcs.fs_offset = tcs.gs_offset = 0x1800;
  tcs.fs_limit = tcs.gs_limit = 0xfff;
  block.resize(kSize);
  std::memcpy(block.data() + kTcsTemplate, &tcs, 72);
  if (options.elrange) put(block, kElrange, *options.elrange);
  return block;
}

// Code of 0x1800 bytes at 0 with a relocated second page, data of 0x400 bytes at 0x2e00.
inline std::vector<std::byte> sample_intel_image(const IntelOptions& options = {}, int blocks = 1) {
  ElfWriter writer;
  auto& file = writer.file;
  file.assign(0x4000, std::byte{0});
  for (std::size_t i = 0x400; i < 0x1800; ++i) file[i] = std::byte{0x90};
  for (std::size_t i = 0x2e00; i < 0x3200; ++i) file[i] = std::byte{0xda};
  put(file, 0x100, Elf64_Dyn{DT_TEXTREL, {0}});
  put(file, 0x110, Elf64_Dyn{DT_RELA, {0x200}});
  put(file, 0x120, Elf64_Dyn{DT_RELASZ, {2 * sizeof(Elf64_Rela)}});
  put(file, 0x200, Elf64_Rela{0x1008, R_X86_64_RELATIVE, 0});
  put(file, 0x218, Elf64_Rela{0x10, R_X86_64_NONE, 0});
  const std::uint64_t note = 0x4000;
  put(file, note, Elf64_Nhdr{13, 0x1000, 0});
  put_text(file, note + 12, std::string_view("sgx_metadata\0", 13));
  for (int i = 0; i < blocks; ++i) {
    IntelOptions block_options = options;
    block_options.minor += static_cast<std::uint32_t>(i);
    const auto block = sample_metadata(block_options);
    file.insert(file.end(), block.begin(), block.end());
  }
  writer.segment(PT_LOAD, PF_R | PF_X, 0, 0, 0x1800, 0x1800);
  writer.segment(PT_LOAD, PF_R | PF_W, 0x2e00, 0x2e00, 0x400, options.data_memory_size);
  writer.segment(PT_DYNAMIC, PF_R, 0x100, 0x100, 0x40, 0x40);
  writer.section(".rela.dyn", SHT_RELA, 0x200, 0x200, 2 * sizeof(Elf64_Rela));
  writer.section(".note.sgxmeta", SHT_NOTE, 0, note, file.size() - note);
  return writer.finish(0x123);
}

struct OpenEnclaveOptions {
  std::uint64_t config_size = 64;
  bool thread_data_symbol = true;  // as in images of release 0.11 and later
  std::uint32_t flags = 0;
  std::uint64_t start_address = 0;
};

inline constexpr std::uint64_t kSampleInfo = 0x1400;  // address of .oeinfo
inline constexpr std::uint64_t kSampleEnclaveRva = 0x1100, kSampleRelocRva = 0x1108, kSampleThreadData = 0x1110;

// Code at 0, data with .oeinfo at 0x1000 that takes 0x2800 bytes of memory, one relocation of each kind, one thread
// with a stack of two pages, three pages of heap, 0x1800 bytes of thread-local data.
inline std::vector<std::byte> sample_open_enclave_image(const OpenEnclaveOptions& options = {}) {
  ElfWriter writer;
  auto& file = writer.file;
  file.assign(0x2000, std::byte{0});
  for (std::size_t i = 0x400; i < 0x1000; ++i) file[i] = std::byte{0x90};
  put(file, kSampleInfo, static_cast<std::uint32_t>(32 + options.config_size + 48 + 1808 + 8));
  put(file, kSampleInfo + 4, std::uint32_t{2});
  put(file, kSampleInfo + 8, std::uint64_t{3});   // heap pages
  put(file, kSampleInfo + 16, std::uint64_t{2});  // stack pages
  put(file, kSampleInfo + 24, std::uint64_t{1});  // threads
  if (options.config_size >= 56) put(file, kSampleInfo + 36, options.flags);
  if (options.config_size >= 64) put(file, kSampleInfo + 88, options.start_address);
  put(file, kSampleInfo + 32 + options.config_size + 48, sample_sigstruct());

  constexpr std::uint64_t kRelocations = 0x2000, kSymbols = 0x2100, kStrings = 0x2200;
  put(file, kRelocations, Elf64_Rela{0x1200, R_X86_64_RELATIVE, 0x77});
  put(file, kRelocations + 24, Elf64_Rela{0x1208, ELF64_R_INFO(1, R_X86_64_TPOFF64), 0});
  std::string strings(1, '\0');
  std::uint64_t count = 1;
  put(file, kSymbols, Elf64_Sym{});
  const auto symbol = [&](const char* name, std::uint64_t value) {
    put(file, kSymbols + count++ * sizeof(Elf64_Sym),
        Elf64_Sym{static_cast<std::uint32_t>(strings.size()), 0, 0, 1, value, 8});
    strings += std::string(name) + '\0';
  };
  symbol("some_thread_local", 0x18);
  symbol("_enclave_rva", kSampleEnclaveRva);
  symbol("_reloc_rva", kSampleRelocRva);
  if (options.thread_data_symbol) symbol("_td_from_tcs_offset", kSampleThreadData);
  put_text(file, kStrings, strings);

  writer.segment(PT_LOAD, PF_R | PF_X, 0, 0, 0x1000, 0x1000);
  writer.segment(PT_LOAD, PF_R | PF_W, 0x1000, 0x1000, 0x1000, 0x2800);
  writer.section(".rela.dyn", SHT_RELA, kRelocations, kRelocations, 2 * sizeof(Elf64_Rela));
  writer.section(".dynsym", SHT_DYNSYM, kSymbols, kSymbols, count * sizeof(Elf64_Sym), 3);
  writer.section(".dynstr", SHT_STRTAB, kStrings, kStrings, strings.size());
  writer.section(".oeinfo", SHT_PROGBITS, kSampleInfo, kSampleInfo, 0x800);
  writer.section(".tbss", SHT_NOBITS, 0x1300, 0x1300, 0x1800, 0, 16);
  return writer.finish(0x456);
}

}  // namespace coffer::image::testing
