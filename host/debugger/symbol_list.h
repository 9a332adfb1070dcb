// Shows a debugger of this process the ELF files that an enclave on the rung `inline` is made of, without a script of
// the debugger's: as a namespace of the dynamic linker's more, which GDB (13 and later) reads from the list that the
// linker keeps for debuggers (struct r_debug_extended). Only with glibc from 2.35 on, in dynamically linked programs;
// elsewhere nothing happens.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "host/debugger/symbol_files.h"

namespace coffer::host {

// In the list as long as it lives. Thread-safe; the enclave's memory must outlive it. A debugger that is attached looks
// at the list in the constructor and in the destructor; one that comes later, when it comes.
class SymbolList {
 public:
  SymbolList(const std::vector<SymbolFile>& files, std::uint64_t enclave_base);
  ~SymbolList();
  SymbolList(const SymbolList&) = delete;
  SymbolList& operator=(const SymbolList&) = delete;

  struct Entry;

 private:
  std::vector<std::unique_ptr<Entry>> entries_;
};

// True where a debugger, or another tracer, is attached to this process.
[[nodiscard]] bool is_traced();

}  // namespace coffer::host
