#include "host/image/foreign/open_enclave_image.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "host/image/foreign/elf_view.h"
#include "host/image/foreign/page_writer.h"
#include "host/image/foreign/staged_segments.h"

namespace coffer::image {

namespace {

using sgx::kPageSize;
using sgx::PageType;
using sgx::SecinfoFlags;

constexpr std::string_view kInfoSection = ".oeinfo";
constexpr std::string_view kThreadDataOffsetSymbol = "_td_from_tcs_offset";
constexpr std::uint64_t kControlPages = 4;     // TCS, two SSA frames, a guard page
constexpr std::uint64_t kThreadDataPages = 1;  // behind the thread-local pages
constexpr std::uint64_t kSsaPages = 2;
constexpr std::byte kStackFill{0xcc};
constexpr std::uint64_t kMaxThreads = 4096;
constexpr SecinfoFlags kReadWrite = SecinfoFlags::make(PageType::kReg, SecinfoFlags::kR | SecinfoFlags::kW);
constexpr SecinfoFlags kReadOnly = SecinfoFlags::make(PageType::kReg, SecinfoFlags::kR);

struct PropertiesHeader {
  std::uint32_t size = 0;  // of all the properties
  std::uint32_t type = 0;
  std::uint64_t heap_pages = 0, stack_pages = 0, thread_count = 0;
};

struct ImageInfo {  // filled in by the loader
  std::uint64_t info_rva = 0, info_size = 0, relocation_rva = 0, relocation_size = 0, heap_rva = 0, enclave_size = 0;
};

// The properties are header, config, ImageInfo, SIGSTRUCT and an end marker; the config grew over the releases, so the
// size of the whole tells its version.
constexpr std::uint64_t kFixedSize = sizeof(PropertiesHeader) + sizeof(ImageInfo) + sizeof(sgx::Sigstruct) + 8;
constexpr std::array<std::uint64_t, 3> kConfigSizes = {24, 56, 64};  // since 0.5, 0.13 and 0.18
constexpr std::uint64_t kConfigWithFlags = 56, kConfigWithStart = 64;
constexpr std::uint32_t kCaptureFaults = 1, kZeroBase = 2;  // config flags

struct Properties {
  PropertiesHeader header;
  std::uint64_t config_size = 0;
  std::uint64_t start_address = 0;  // of a zero-base enclave
  std::uint32_t flags = 0;
  sgx::Sigstruct sigstruct;

  [[nodiscard]] bool zero_base() const { return (flags & kZeroBase) != 0; }
  [[nodiscard]] std::uint64_t info_offset() const { return sizeof(PropertiesHeader) + config_size; }
  [[nodiscard]] std::uint64_t sigstruct_offset() const { return info_offset() + sizeof(ImageInfo); }
};

// What changed between releases and cannot be read off the properties.
struct Rules {
  bool thread_local_pages = true;       // as many as .tdata and .tbss need; before 0.11 always one
  bool gs_before_thread_local = false;  // before 0.8 GS pointed at the page that FS points behind
  bool plt_relocations = true;          // .rela.plt is loaded too; since 0.17
  bool clear_section_headers = false;   // in the ELF header in memory; before 0.17
  bool states_used_size = false;        // the size told to the enclave is not rounded up; before 0.10
};

// The releases that had rules of their own, newest first, for images that name or do not name the thread data's place.
constexpr Rules kSince11[] = {{true, false, true, false, false},
                              {true, false, false, true, false},
                              {true, false, false, false, false},
                              {true, false, true, true, false}};
constexpr Rules kBefore11[] = {
    {false, false, false, true, false}, {false, false, false, true, true}, {false, true, false, true, true}};

struct ThreadLocal {
  std::uint64_t data_rva = 0, data_size = 0, data_align = 1, zero_size = 0, zero_align = 1;

  [[nodiscard]] std::uint64_t pages() const {
    return page_ceiling(rounded(data_size, data_align) + rounded(zero_size, zero_align)) / kPageSize;
  }

 private:
  static std::uint64_t rounded(std::uint64_t size, std::uint64_t align) {
    return align == 0 ? size : (size + align - 1) / align * align;
  }
};

Result<Properties> read_properties(const StagedSegments& memory, std::uint64_t address) {
  Properties properties;
  if (!memory.read(address, writable_bytes_of(properties.header))) {
    return input_error("the image's .oeinfo section is not in its memory");
  }
  const std::uint64_t size = properties.header.size;
  const auto* config = std::ranges::find_if(kConfigSizes, [&](auto bytes) { return kFixedSize + bytes == size; });
  if (config == kConfigSizes.end()) {
    return input_error("the image's .oeinfo section has " + std::to_string(size) +
                       " bytes, which no release of Open Enclave from 0.5 on wrote");
  }
  properties.config_size = *config;
  bool complete = memory.read(address + properties.sigstruct_offset(), writable_bytes_of(properties.sigstruct));
  if (*config >= kConfigWithFlags) {
    complete &= memory.read(address + sizeof(PropertiesHeader) + 4, writable_bytes_of(properties.flags));
  }
  if (*config >= kConfigWithStart) {
    complete &= memory.read(address + sizeof(PropertiesHeader) + 56, writable_bytes_of(properties.start_address));
  }
  if (!complete) return input_error("the image's .oeinfo section is cut short");
  const PropertiesHeader& header = properties.header;
  if (header.heap_pages >= kMaxAddress / kPageSize || header.stack_pages >= kMaxAddress / kPageSize ||
      header.thread_count == 0 || header.thread_count > kMaxThreads) {
    return input_error("the image's .oeinfo section asks for a heap, stacks or threads that no enclave can have");
  }
  if (properties.zero_base() &&
      (properties.start_address % kPageSize != 0 || properties.start_address >= kMaxAddress)) {
    return input_error("the image's .oeinfo section asks for a start address that no enclave can have");
  }
  return properties;
}

Result<ThreadLocal> read_thread_local(const ElfView& elf) {
  ThreadLocal found;
  if (const Elf64_Shdr* data = elf.section(".tdata"); data != nullptr) {
    found.data_rva = data->sh_addr;
    found.data_size = data->sh_size;
    found.data_align = data->sh_addralign;
  }
  if (const Elf64_Shdr* zeros = elf.section(".tbss"); zeros != nullptr) {
    found.zero_size = zeros->sh_size;
    found.zero_align = zeros->sh_addralign;
  }
  for (const Elf64_Phdr& segment : elf.segments()) {
    if (segment.p_type == PT_TLS && segment.p_vaddr == found.data_rva) found.data_align = segment.p_align;
  }
  for (const std::uint64_t value : {found.data_size, found.data_align, found.zero_size, found.zero_align}) {
    if (value >= std::uint64_t{1} << 32) return input_error("the image's thread-local section is impossibly large");
  }
  return found;
}

// The relocation table as the enclave gets it, padded to whole pages.
Result<std::vector<std::byte>> read_relocations(const ElfView& elf, bool with_plt) {
  std::vector<std::byte> table;
  for (const std::string_view name : {".rela.dyn", ".rela.plt"}) {
    if (name == ".rela.plt" && (!with_plt || table.empty())) continue;
    const Elf64_Shdr* section = elf.section(name);
    if (section == nullptr) continue;
    const auto content = elf.content(*section);
    if (!content) return input_error("the image's relocations leave the file");
    table.insert(table.end(), content->begin(), content->end());
  }
  // The enclave looks up no symbols: thread-local relocations carry the symbol's value.
  for (std::size_t at = 0; at + sizeof(Elf64_Rela) <= table.size(); at += sizeof(Elf64_Rela)) {
    Elf64_Rela entry;
    std::memcpy(&entry, table.data() + at, sizeof(entry));
    if (ELF64_R_TYPE(entry.r_info) != R_X86_64_TPOFF64) continue;
    const auto symbol = elf.dynamic_symbol(ELF64_R_SYM(entry.r_info));
    if (!symbol) return input_error("a relocation of the image names a symbol that does not exist");
    entry.r_addend = static_cast<std::int64_t>(symbol->st_value);
    std::memcpy(table.data() + at, &entry, sizeof(entry));
  }
  table.resize(page_ceiling(table.size()));
  return table;
}

// Numbers that a layout is made of, in bytes unless they say pages.
struct Layout {
  std::uint64_t image_size = 0, relocation_size = 0, thread_local_pages = 0;
  std::uint64_t used_size = 0;
  std::uint64_t enclave_size = 0;  // used_size rounded up
  std::uint64_t range_size = 0;    // ELRANGE
};

Result<Layout> make_layout(const Properties& properties, std::uint64_t image_size, std::uint64_t relocation_size,
                           std::uint64_t thread_local_pages) {
  Layout layout{image_size, relocation_size, thread_local_pages, 0, 0, 0};
  const PropertiesHeader& header = properties.header;
  const std::uint64_t thread_pages = header.stack_pages + 2 + thread_local_pages + kControlPages + kThreadDataPages;
  if (thread_pages >= kMaxAddress / kPageSize / kMaxThreads) {
    return input_error("the image's .oeinfo section asks for stacks that no enclave can have");
  }
  layout.used_size =
      image_size + relocation_size + (header.heap_pages + header.thread_count * thread_pages) * kPageSize;
  layout.enclave_size = std::bit_ceil(layout.used_size);
  layout.range_size =
      properties.zero_base() ? std::bit_ceil(layout.used_size + properties.start_address) : layout.enclave_size;
  return layout;
}

struct OpenFile {
  std::vector<std::byte> bytes;
  ElfView elf;
  std::uint64_t info_rva = 0;
  StagedSegments memory;
  Properties properties;
  ThreadLocal thread_local_data;
};

class OpenEnclave final : public ForeignEnclave {
 public:
  OpenEnclave(std::shared_ptr<const OpenFile> file, Rules rules, Limits limits)
      : file_(std::move(file)), rules_(rules), limits_(limits) {}

  [[nodiscard]] std::string_view format() const override { return "open-enclave"; }
  [[nodiscard]] std::string detail() const override {
    return "properties of " + std::to_string(file_->properties.header.size) + " bytes";
  }
  [[nodiscard]] const sgx::Sigstruct* sigstruct() const override { return &file_->properties.sigstruct; }
  [[nodiscard]] std::optional<std::uint64_t> base() const override {
    return file_->properties.zero_base() ? std::optional<std::uint64_t>(0) : std::nullopt;
  }

  [[nodiscard]] Result<void> describe(sgx::EnclaveBuilder& builder) const override {
    const Properties& properties = file_->properties;
    const auto relocations = read_relocations(file_->elf, rules_.plt_relocations);
    if (!relocations) return std::unexpected(relocations.error());
    const auto layout = make_layout(properties, file_->memory.size(), relocations->size(),
                                    rules_.thread_local_pages ? file_->thread_local_data.pages() : 1);
    if (!layout) return std::unexpected(layout.error());
    StagedSegments memory = file_->memory;
    if (auto patched = patch(memory, *layout); !patched) return patched;

    sgx::CreateParameters parameters;
    parameters.size = layout->range_size;
    parameters.misc_select = (properties.flags & kCaptureFaults) != 0 ? sgx::kMiscExInfo : 0;
    parameters.attributes = properties.sigstruct.attributes;
    parameters.attributes.flags &= ~sgx::attribute::kInit;
    if (auto created = builder.create(parameters); !created) return created;
    PageWriter writer(builder, limits_);
    const std::uint64_t shift = properties.zero_base() ? properties.start_address : 0;
    if (auto added = memory.add_to(writer, shift); !added) return added;
    std::uint64_t next = shift + layout->image_size;
    if (auto added = writer.pages(next, kReadOnly, *relocations, true); !added) return added;
    next += layout->relocation_size;
    if (auto added = writer.zeros(next, properties.header.heap_pages, kReadWrite, false); !added) return added;
    next += properties.header.heap_pages * kPageSize;
    for (std::uint64_t thread = 0; thread < properties.header.thread_count; ++thread) {
      if (auto added = add_thread(writer, next, shift, *layout); !added) return added;
    }
    return {};
  }

 private:
  // Writes what the loader tells the enclave about itself; the SIGSTRUCT cannot be part of what it signs.
  [[nodiscard]] Result<void> patch(StagedSegments& memory, const Layout& layout) const {
    const Properties& properties = file_->properties;
    const ThreadLocal& local = file_->thread_local_data;
    ImageInfo info;
    info.info_rva = file_->info_rva;
    info.info_size = properties.header.size;
    info.relocation_rva = layout.image_size;
    info.relocation_size = layout.relocation_size;
    info.heap_rva = layout.image_size + layout.relocation_size;
    info.enclave_size = rules_.states_used_size ? layout.used_size : layout.enclave_size;
    bool done = memory.write(file_->info_rva + properties.info_offset(), bytes_of(info)) &&
                memory.write(file_->info_rva + properties.sigstruct_offset(), bytes_of(sgx::Sigstruct{}));
    if (rules_.clear_section_headers) done &= clear_section_headers(memory);
    const auto set = [&](std::string_view name, std::uint64_t value) {
      if (const auto address = symbol(name)) done &= memory.write(*address, bytes_of(value));
    };
    if (const auto own = symbol("_enclave_rva")) set("_enclave_rva", *own);
    set("_reloc_rva", info.relocation_rva);
    set("_reloc_size", info.relocation_size);
    if (local.data_size != 0) {
      set("_tdata_rva", local.data_rva);
      set("_tdata_size", local.data_size);
      set("_tdata_align", local.data_align);
    }
    if (local.zero_size != 0) {
      set("_tbss_size", local.zero_size);
      set("_tbss_align", local.zero_align);
    }
    set(kThreadDataOffsetSymbol, (layout.thread_local_pages + kControlPages) * kPageSize);
    return done ? Result<void>{} : input_error("the image lacks the memory that its loader has to fill in");
  }

  [[nodiscard]] static bool clear_section_headers(StagedSegments& memory) {
    Elf64_Ehdr header;
    if (!memory.read(0, writable_bytes_of(header))) return false;
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return true;
    header.e_shoff = 0;
    header.e_shnum = header.e_shstrndx = 0;
    return memory.write(0, bytes_of(header));
  }

  [[nodiscard]] std::optional<std::uint64_t> symbol(std::string_view name) const {
    auto found = file_->elf.symbol(".dynsym", name);
    if (!found) found = file_->elf.symbol(".symtab", name);
    return found ? std::optional(found->st_value) : std::nullopt;
  }

  // A guard page, the stack, a guard page, the TCS, its SSA frames, a guard page, thread-local pages.
  [[nodiscard]] Result<void> add_thread(PageWriter& writer, std::uint64_t& next, std::uint64_t shift,
                                        const Layout& layout) const {
    std::array<std::byte, kPageSize> stack;
    stack.fill(kStackFill);
    next += kPageSize;
    if (auto added = writer.repeat(next, file_->properties.header.stack_pages, kReadWrite, stack, true); !added) {
      return added;
    }
    next += (file_->properties.header.stack_pages + 1) * kPageSize;

    sgx::Tcs tcs;
    tcs.ssa_offset = next + kPageSize;
    tcs.ssa_count = kSsaPages;
    tcs.entry_offset = shift + file_->elf.header().e_entry;
    tcs.fs_offset = next + (layout.thread_local_pages + kControlPages) * kPageSize;
    tcs.gs_offset = rules_.gs_before_thread_local ? next + kControlPages * kPageSize : tcs.fs_offset;
    tcs.fs_limit = tcs.gs_limit = 0xffffffff;
    if (auto added = writer.pages(next, SecinfoFlags::make(PageType::kTcs, 0), bytes_of(tcs), true); !added) {
      return added;
    }
    if (auto added = writer.zeros(next + kPageSize, kSsaPages, kReadWrite, true); !added) return added;
    next += kControlPages * kPageSize;
    const std::uint64_t data_pages = layout.thread_local_pages + kThreadDataPages;
    if (auto added = writer.zeros(next, data_pages, kReadWrite, true); !added) return added;
    next += data_pages * kPageSize;
    return {};
  }

  std::shared_ptr<const OpenFile> file_;
  Rules rules_;
  Limits limits_;
};

std::span<const Rules> candidate_rules(const ElfView& elf) {
  if (elf.symbol(".dynsym", kThreadDataOffsetSymbol)) return kSince11;
  return kBefore11;
}

}  // namespace

bool is_open_enclave_image(ByteView file) {
  const auto elf = ElfView::parse(file);
  return elf && elf->section(kInfoSection) != nullptr;
}

Result<std::vector<std::unique_ptr<ForeignEnclave>>> open_open_enclave(std::vector<std::byte> file, Limits limits) {
  auto shared = std::make_shared<OpenFile>();
  shared->bytes = std::move(file);
  auto elf = ElfView::parse(shared->bytes);
  if (!elf) return std::unexpected(elf.error());
  shared->elf = std::move(*elf);
  const Elf64_Shdr* info = shared->elf.section(kInfoSection);
  if (info == nullptr) return input_error("the image has no .oeinfo section");
  shared->info_rva = info->sh_addr;
  auto memory = StagedSegments::stage(shared->elf);
  if (!memory) return std::unexpected(memory.error());
  shared->memory = std::move(*memory);
  auto properties = read_properties(shared->memory, shared->info_rva);
  if (!properties) return std::unexpected(properties.error());
  shared->properties = *properties;
  auto local = read_thread_local(shared->elf);
  if (!local) return std::unexpected(local.error());
  shared->thread_local_data = *local;

  std::unique_ptr<ForeignEnclave> chosen;
  for (const Rules& rules : candidate_rules(shared->elf)) {
    auto enclave = std::make_unique<OpenEnclave>(shared, rules, limits);
    sgx::MeasuringBuilder builder;
    const bool matches = enclave->describe(builder) && builder.mrenclave() == shared->properties.sigstruct.enclave_hash;
    if (!chosen || matches) chosen = std::move(enclave);
    if (matches) break;
  }
  std::vector<std::unique_ptr<ForeignEnclave>> enclaves;
  enclaves.push_back(std::move(chosen));
  return enclaves;
}

}  // namespace coffer::image
