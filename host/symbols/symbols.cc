#include "host/symbols/symbols.h"

#include <cxxabi.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <set>

#include "base/file.h"

namespace coffer::symbols {

namespace {

// libdwfl takes 0 for "no address": the enclave stands here in its eyes.
constexpr std::uint64_t kShift = std::uint64_t{1} << 40;
constexpr pid_t kThread = 1;

std::string demangled(const char* name) {
  int failed = 0;
  char* plain = abi::__cxa_demangle(name, nullptr, nullptr, &failed);
  if (failed != 0 || plain == nullptr) return name;
  std::string text = plain;
  std::free(plain);
  return text;
}

// What unwinding asks for while it runs.
struct Unwinding {
  const operate::CrashReport::Machine* machine = nullptr;
  std::uint64_t base = 0;
  std::vector<std::uint64_t> found;
};

constexpr std::size_t kMostFrames = 256;

pid_t next_thread(Dwfl*, void* raw, void** position) {
  if (*position != nullptr) return 0;
  *position = raw;
  return kThread;
}

bool set_registers(Dwfl_Thread* thread, void* raw) {
  const auto& unwinding = *static_cast<Unwinding*>(raw);
  Dwarf_Word registers[boundary::kCrashRegisters];
  std::copy_n(unwinding.machine->record.registers, boundary::kCrashRegisters, registers);
  return dwfl_thread_state_registers(thread, 0, boundary::kCrashRegisters, registers);
}

bool read_memory(Dwfl*, Dwarf_Addr address, Dwarf_Word* result, void* raw) {
  const auto& machine = *static_cast<Unwinding*>(raw)->machine;
  const std::uint64_t begin = machine.record.stack_begin;
  if (address < begin || !range_fits(address - begin, sizeof(*result), machine.stack.size())) return false;
  std::memcpy(result, machine.stack.data() + (address - begin), sizeof(*result));
  return true;
}

int take_frame(Dwfl_Frame* frame, void* raw) {
  auto& unwinding = *static_cast<Unwinding*>(raw);
  Dwarf_Addr address = 0;
  if (!dwfl_frame_pc(frame, &address, nullptr) || unwinding.found.size() >= kMostFrames) return DWARF_CB_ABORT;
  if (address == 0) return DWARF_CB_ABORT;
  unwinding.found.push_back(address - unwinding.base);
  return DWARF_CB_OK;
}

constexpr Dwfl_Callbacks kFiles = {.find_elf = dwfl_build_id_find_elf,
                                   .find_debuginfo = dwfl_standard_find_debuginfo,
                                   .section_address = dwfl_offline_section_address,
                                   .debuginfo_path = nullptr};
constexpr Dwfl_Thread_Callbacks kThreads = {.next_thread = next_thread,
                                            .get_thread = nullptr,
                                            .memory_read = read_memory,
                                            .set_initial_registers = set_registers,
                                            .detach = nullptr,
                                            .thread_detach = nullptr};

struct Added {
  std::string module;
  std::filesystem::path file;
  std::uint64_t base;
};

}  // namespace

struct Symbols::State {
  Dwfl* dwfl = nullptr;
  std::vector<Added> files;

  static Result<void> report(Dwfl* dwfl, const Added& added, std::uint64_t shift) {
    FileDescriptor fd(::open(added.file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return system_error("cannot open " + added.file.string(), errno);
    // libdwfl owns the descriptor where it succeeds.
    if (dwfl_report_elf(dwfl, added.module.c_str(), added.file.c_str(), fd.get(), shift + added.base, true) ==
        nullptr) {
      return input_error(added.file.string() + " is no ELF program: " + dwfl_errmsg(-1));
    }
    (void)fd.release();
    return {};
  }
};

Symbols::Symbols() : state_(std::make_unique<State>()) {}

Symbols::~Symbols() {
  if (state_->dwfl != nullptr) dwfl_end(state_->dwfl);
}

Result<std::unique_ptr<Symbols>> Symbols::make() {
  std::unique_ptr<Symbols> symbols(new Symbols);
  symbols->state_->dwfl = dwfl_begin(&kFiles);
  if (symbols->state_->dwfl == nullptr) return fail(ErrorKind::kSystem, std::string("libdw: ") + dwfl_errmsg(-1));
  dwfl_report_begin(symbols->state_->dwfl);
  return symbols;
}

Result<void> Symbols::add(const std::string& module, const std::filesystem::path& file, std::uint64_t base) {
  const Added added{module, file, base};
  if (auto reported = State::report(state_->dwfl, added, kShift); !reported) return reported;
  state_->files.push_back(added);
  return {};
}

void Symbols::ready() { dwfl_report_end(state_->dwfl, nullptr, nullptr); }

Place Symbols::explain(std::uint64_t address, bool is_return) const {
  Place place{.address = address, .module = {}, .function = {}, .file = {}};
  const Dwarf_Addr at = kShift + address - (is_return ? 1 : 0);
  Dwfl_Module* module = dwfl_addrmodule(state_->dwfl, at);
  if (module == nullptr) return place;
  place.module = dwfl_module_info(module, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr);
  GElf_Off offset = 0;
  GElf_Sym symbol;
  const char* name = dwfl_module_addrinfo(module, at, &offset, &symbol, nullptr, nullptr, nullptr);
  if (name != nullptr) {
    place.function = demangled(name);
    place.offset = offset + (is_return ? 1 : 0);
  }
  if (Dwfl_Line* line = dwfl_module_getsrc(module, at); line != nullptr) {
    if (const char* file = dwfl_lineinfo(line, nullptr, &place.line, nullptr, nullptr, nullptr)) place.file = file;
  }
  return place;
}

std::vector<std::string> Symbols::functions_in(std::uint64_t begin, std::uint64_t end) const {
  std::vector<std::string> names;
  Dwfl_Module* module = dwfl_addrmodule(state_->dwfl, kShift + begin);
  if (module == nullptr) return names;
  std::set<std::pair<std::uint64_t, std::string>> found;  // by address
  const int count = dwfl_module_getsymtab(module);
  for (int i = 0; i < count; ++i) {
    GElf_Sym symbol;
    GElf_Addr address = 0;
    const char* name = dwfl_module_getsym_info(module, i, &symbol, &address, nullptr, nullptr, nullptr);
    if (name == nullptr || *name == '\0' || GELF_ST_TYPE(symbol.st_info) != STT_FUNC) continue;
    const std::uint64_t first = address - kShift;
    if (first < end && first + std::max<std::uint64_t>(symbol.st_size, 1) > begin) {
      found.emplace(first, demangled(name));
    }
  }
  for (const auto& [address, name] : found) names.push_back(name);
  return names;
}

std::vector<std::uint64_t> Symbols::unwind(const operate::CrashReport::Machine& machine) {
  // Of its own: registers and stack speak of the addresses that the enclave had.
  Dwfl* dwfl = dwfl_begin(&kFiles);
  if (dwfl == nullptr) return {};
  Unwinding unwinding{.machine = &machine, .base = machine.record.base, .found = {}};
  dwfl_report_begin(dwfl);
  for (const Added& added : state_->files) {
    if (!State::report(dwfl, added, machine.record.base)) continue;
  }
  dwfl_report_end(dwfl, nullptr, nullptr);
  if (dwfl_attach_state(dwfl, nullptr, kThread, &kThreads, &unwinding)) {
    dwfl_getthread_frames(dwfl, kThread, take_frame, &unwinding);
  }
  dwfl_end(dwfl);
  return unwinding.found;
}

}  // namespace coffer::symbols
