// coffer emulate: runs a program written for SGX hardware on a machine without, over the emulated devices.
#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "cli/command_line.h"
#include "cli/verbs.h"
#include "emulate/system_files.h"

namespace coffer::cli {
namespace {

struct Options {
  std::string epc;
  std::vector<std::string> command;  // the program and its arguments
};

// The file that execvp() would take.
Result<std::filesystem::path> find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) {
    if (::access(name.c_str(), X_OK) == 0) return name;
    return system_error(name + ": no program that can be run", errno);
  }
  const char* variable = std::getenv("PATH");
  std::string_view folders = variable == nullptr ? "/usr/bin:/bin" : variable;
  while (!folders.empty()) {
    const std::size_t end = folders.find(':');
    std::filesystem::path file = std::filesystem::path(folders.substr(0, end)) / name;
    if (::access(file.c_str(), X_OK) == 0 && std::filesystem::is_regular_file(file)) return file;
    folders.remove_prefix(end == std::string_view::npos ? folders.size() : end + 1);
  }
  return input_error(name + ": no such program in PATH");
}

// The emulation is a library in the program: what the dynamic linker does not load cannot have it.
Result<void> check_program(const std::filesystem::path& program) {
  struct stat status{};
  if (::stat(program.c_str(), &status) != 0) return system_error(program.string(), errno);
  if ((status.st_mode & (S_ISUID | S_ISGID)) != 0 && ::geteuid() != 0) {
    return input_error(program.string() + " runs with another user's rights (setuid): the dynamic linker keeps the " +
                       "emulation out; run it as that user");
  }
  std::vector<std::byte> content(std::size_t{64} * 1024);  // where ELF files have their headers
  const FileDescriptor file(::open(program.c_str(), O_RDONLY | O_CLOEXEC));
  const ssize_t size = file ? ::pread(file.get(), content.data(), content.size(), 0) : -1;
  if (size < static_cast<ssize_t>(sizeof(Elf64_Ehdr))) return {};  // a script, or what exec will name
  content.resize(static_cast<std::size_t>(size));
  Elf64_Ehdr header;
  std::memcpy(&header, content.data(), sizeof(header));
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return {};
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != EM_X86_64) {
    return input_error(program.string() + " is no program for x86-64: coffer emulate cannot run it");
  }
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    if (!range_fits(header.e_phoff + std::uint64_t{i} * sizeof(segment), sizeof(segment), content.size())) break;
    std::memcpy(&segment, content.data() + header.e_phoff + std::uint64_t{i} * sizeof(segment), sizeof(segment));
    if (segment.p_type == PT_INTERP) return {};
  }
  return input_error(program.string() +
                     " is statically linked: coffer emulate needs a program that the dynamic linker " +
                     "loads; link it without -static");
}

Result<void> prepare_environment(const Options& options) {
  auto library = installed_part("libcoffer-emulate.so");
  if (!library) return std::unexpected(library.error());
  std::string preload = std::filesystem::absolute(*library).string();
  if (preload.find_first_of(" :") != std::string::npos) {
    return input_error(preload +
                       ": the dynamic linker takes no path with a space or a colon; install Coffer elsewhere");
  }
  if (const char* others = std::getenv("LD_PRELOAD"); others != nullptr && *others != '\0') {
    preload += std::string(":") + others;
  }
  ::setenv("LD_PRELOAD", preload.c_str(), 1);
  std::uint64_t epc = emulate::kDefaultEpcSize;
  if (!options.epc.empty()) {
    const auto size = emulate::parse_epc_size(options.epc);
    if (!size) return input_error("--epc " + options.epc + ": write a size of at least 1M, like 64M or 1G");
    epc = *size;
  }
  ::setenv(emulate::kEpcVariable, std::to_string(epc).c_str(), 1);
  return {};
}

int run_emulated(const Options& options) {
  const std::vector<std::string> command = as_given(options.command);
  auto program = find_program(command.front());
  if (!program) return report(program.error());
  if (auto checked = check_program(*program); !checked) return report(checked.error());
  if (auto prepared = prepare_environment(options); !prepared) return report(prepared.error());
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  ::execv(program->c_str(), arguments.data());
  return report(system_error("cannot run " + program->string(), errno).error());
}

}  // namespace

void add_emulate(CLI::App& app, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* emulate = app.add_subcommand("emulate", "Run a program made for SGX hardware, with SGX emulated");
  emulate->add_option("--epc", options->epc, "protected memory that CPUID tells of (default 128M)");
  emulate->add_option("command", options->command, "the program and its arguments, after --")->required();
  emulate->footer(
      "Examples:\n"
      "  coffer emulate -- ./test_sgx\n"
      "  coffer emulate --epc 32M -- ./app enclave.signed.so\n\n"
      "The program and what it starts find /dev/sgx_enclave, /dev/sgx_provision, SGX in CPUID and /proc/cpuinfo, and\n"
      "__vdso_sgx_enter_enclave. Nothing protects its enclaves: this is for testing. Their keys are no other rung's.\n"
      "The exit status is the program's. 2: usage or input error.");
  emulate->callback([options, &status] { status = run_emulated(*options); });
}

}  // namespace coffer::cli
