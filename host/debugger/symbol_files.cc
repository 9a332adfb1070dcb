#include "host/debugger/symbol_files.h"

#include <cxxabi.h>
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include "base/file.h"
#include "host/parts.h"

namespace coffer::host {

namespace {

constexpr std::uint64_t kCompared = std::uint64_t{1} << 20;  // bytes of each segment that have to be the image's
constexpr int kMostFiles = 512;                              // that are looked at in the image's folder

// A file's bytes, mapped.
class FileBytes {
 public:
  explicit FileBytes(const std::filesystem::path& path) {
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat status{};
    if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return;
    const auto size = static_cast<std::size_t>(status.st_size);
    if (size < sizeof(Elf64_Ehdr)) return;
    void* memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
    if (memory != MAP_FAILED) bytes_ = {static_cast<const std::byte*>(memory), size};
  }
  ~FileBytes() {
    if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }
  FileBytes(const FileBytes&) = delete;
  FileBytes& operator=(const FileBytes&) = delete;
  [[nodiscard]] ByteView bytes() const { return bytes_; }

 private:
  ByteView bytes_;
};

// `count` structures of the file from `offset` on; empty where they are not all there.
template <class T>
std::vector<T> table(ByteView file, std::uint64_t offset, std::uint64_t count) {
  if (offset > file.size() || count > (file.size() - offset) / sizeof(T)) return {};
  std::vector<T> rows(count);
  if (count != 0) std::memcpy(rows.data(), file.data() + offset, count * sizeof(T));
  return rows;
}

bool same_in_image(const image::CofferImage& image, std::uint64_t offset, ByteView bytes) {
  while (!bytes.empty()) {
    const auto segment = std::ranges::find_if(image.segments(), [offset](const image::Segment& at) {
      return !at.zero_filled() && offset >= at.offset && offset - at.offset < at.content.size();
    });
    if (segment == image.segments().end()) return false;
    const ByteView there = segment->content.subspan(offset - segment->offset);
    const std::size_t size = std::min(there.size(), bytes.size());
    if (std::memcmp(there.data(), bytes.data(), size) != 0) return false;
    bytes = bytes.subspan(size);
    offset += size;
  }
  return true;
}

struct Candidate {
  SymbolFile found;
  bool has_symbols = false;
};

// The file, where its code stands in the image with its address 0 at `base`.
std::optional<Candidate> check(const std::filesystem::path& path, const image::CofferImage& image, std::uint64_t base) {
  const FileBytes mapped(path);
  const ByteView file = mapped.bytes();
  const auto headers = table<Elf64_Ehdr>(file, 0, 1);
  if (headers.empty() || std::memcmp(headers[0].e_ident, ELFMAG, SELFMAG) != 0) return std::nullopt;
  const Elf64_Ehdr& header = headers[0];
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(Elf64_Phdr)) return std::nullopt;
  Candidate candidate;
  bool has_code = false;
  for (const Elf64_Phdr& part : table<Elf64_Phdr>(file, header.e_phoff, header.e_phnum)) {
    if (part.p_type == PT_DYNAMIC) candidate.found.dynamic = base + part.p_vaddr;
    // Code alone: of what stands around it, an image leaves out what tells where it was built.
    if (part.p_type != PT_LOAD || (part.p_flags & PF_X) == 0 || (part.p_flags & PF_W) != 0) continue;
    const std::uint64_t size = std::min<std::uint64_t>(part.p_filesz, kCompared);
    if (part.p_offset > file.size() || size > file.size() - part.p_offset) return std::nullopt;
    if (!same_in_image(image, base + part.p_vaddr, file.subspan(part.p_offset, size))) return std::nullopt;
    has_code = has_code || size != 0;
  }
  if (!has_code) return std::nullopt;
  for (const Elf64_Shdr& section : table<Elf64_Shdr>(file, header.e_shoff, header.e_shnum)) {
    candidate.has_symbols = candidate.has_symbols || section.sh_type == SHT_SYMTAB;
  }
  std::error_code error;
  candidate.found.file = std::filesystem::absolute(path, error);
  candidate.found.base = base;
  return candidate;
}

// Names that the program may have beside its image: without the ending that signing gave, and the one that the image
// calls it by.
std::vector<std::filesystem::path> usual_names(const std::filesystem::path& image_path,
                                               const image::CofferImage& image) {
  const std::filesystem::path folder = image_path.parent_path();
  const std::string name = image_path.filename().string();
  std::vector<std::filesystem::path> names = {image_path};  // a program that is signed while it is loaded
  for (const std::string_view ending : {".enclave", ".signed", ".signed.so"}) {
    if (!name.ends_with(ending)) continue;
    const std::string stem = name.substr(0, name.size() - ending.size());
    names.push_back(folder / (ending == ".signed.so" ? stem + ".so" : stem));
  }
  names.push_back(folder / image.program_name());
  return names;
}

// Any of the folder's; one without symbols only where there is none with.
std::optional<SymbolFile> find_program(const std::filesystem::path& image_path, const image::CofferImage& image) {
  const std::uint64_t base = image.layout().app_base;
  std::optional<SymbolFile> found;
  const auto take = [&](const std::filesystem::path& path) {
    const auto candidate = check(path, image, base);
    if (candidate && (candidate->has_symbols || !found)) found = candidate->found;
    return candidate && candidate->has_symbols;
  };
  for (const auto& path : usual_names(image_path, image)) {
    if (take(path)) return found;
  }
  std::error_code error;
  const std::filesystem::path folder = image_path.has_parent_path() ? image_path.parent_path() : ".";
  int looked_at = 0;
  for (auto at = std::filesystem::directory_iterator(folder, error);
       !error && at != std::filesystem::directory_iterator() && looked_at < kMostFiles; at.increment(error)) {
    ++looked_at;
    if (take(at->path())) return found;
  }
  return found;
}

std::string demangled(const std::string& name) {
  struct Free {
    void operator()(char* text) const { std::free(text); }
  };
  int status = 0;
  const std::unique_ptr<char, Free> text(abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status));
  return status == 0 && text != nullptr ? text.get() : name;
}

// As function_at(), of one file; `address` is the file's own.
std::string function_in(const std::filesystem::path& path, std::uint64_t address) {
  const FileBytes mapped(path);
  const ByteView file = mapped.bytes();
  const auto headers = table<Elf64_Ehdr>(file, 0, 1);
  if (headers.empty()) return {};
  const auto sections = table<Elf64_Shdr>(file, headers[0].e_shoff, headers[0].e_shnum);
  for (const Elf64_Shdr& section : sections) {
    if (section.sh_type != SHT_SYMTAB || section.sh_link >= sections.size()) continue;
    const Elf64_Shdr& strings = sections[section.sh_link];
    const auto text = table<char>(file, strings.sh_offset, strings.sh_size);
    for (const Elf64_Sym& symbol : table<Elf64_Sym>(file, section.sh_offset, section.sh_size / sizeof(Elf64_Sym))) {
      const bool holds = ELF64_ST_TYPE(symbol.st_info) == STT_FUNC && address - symbol.st_value < symbol.st_size;
      if (!holds || symbol.st_name >= text.size()) continue;
      const char* name = text.data() + symbol.st_name;
      char distance[32];
      std::snprintf(distance, sizeof(distance), "+0x%llx", static_cast<unsigned long long>(address - symbol.st_value));
      return demangled({name, ::strnlen(name, text.size() - symbol.st_name)}) + distance;
    }
  }
  return {};
}

}  // namespace

std::string function_at(const std::vector<SymbolFile>& files, std::uint64_t offset) {
  for (const SymbolFile& file : files) {
    if (offset < file.base) continue;
    if (std::string found = function_in(file.file, offset - file.base); !found.empty()) return found;
  }
  return {};
}

std::vector<SymbolFile> find_symbol_files(const std::filesystem::path& image_path, const image::CofferImage& image) {
  const char* told = std::getenv("COFFER_SYMBOLS");
  const std::string_view where = told == nullptr ? "" : told;
  std::vector<SymbolFile> files;
  if (where == "off") return files;
  if (where.empty()) {
    if (auto program = find_program(image_path, image)) files.push_back(std::move(*program));
  } else if (auto program = check(where, image, image.layout().app_base)) {
    files.push_back(std::move(program->found));
  }
  if (const auto kernel = find_part("enclave-kernel.elf")) {
    if (auto found = check(*kernel, image, 0)) files.push_back(std::move(found->found));
  }
  return files;
}

}  // namespace coffer::host
