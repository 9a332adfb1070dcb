// Explaining addresses of an enclave with the ELF files that it was made of: functions and lines, and the callers of a
// function where a crash report kept the stack. Over elfutils' libdw, which reads ELF and DWARF and unwinds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "host/operate/crash_report.h"

namespace coffer::symbols {

// Empty or 0 where it is not known.
struct Place {
  std::uint64_t address = 0;  // as asked for
  std::string module;         // "program" or "kernel"
  std::string function;       // demangled
  std::uint64_t offset = 0;   // from the function's beginning
  std::string file;
  int line = 0;
};

// Addresses are relative to the enclave's base. One thread at a time.
class Symbols {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Symbols>> make();
  ~Symbols();
  Symbols(const Symbols&) = delete;
  Symbols& operator=(const Symbols&) = delete;

  // An ELF file whose address 0 stands at `base`. Input error where it is no ELF file.
  [[nodiscard]] Result<void> add(const std::string& module, const std::filesystem::path& file, std::uint64_t base);
  // No more files come.
  void ready();

  // `is_return`: the address is where a call comes back to, so the call stands before it.
  [[nodiscard]] Place explain(std::uint64_t address, bool is_return = false) const;
  // Every function that has code in [begin, end), for page addresses.
  [[nodiscard]] std::vector<std::string> functions_in(std::uint64_t begin, std::uint64_t end) const;
  // Innermost first; the first is where the thread was, the others return addresses. Empty where nothing could be
  // unwound.
  [[nodiscard]] std::vector<std::uint64_t> unwind(const operate::CrashReport::Machine& machine);

 private:
  Symbols();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace coffer::symbols
