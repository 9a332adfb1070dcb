// What a debugger of this process finds while an enclave runs on the rung `inline`: functions to stop at, once the
// enclave is there and when it faults for good, and EDBGRD and EDBGWR as functions that it calls.
// debugger/coffer_gdb.py is who knows them.
#pragma once

#include <cstdint>

#include "processor/enclave.h"
#include "processor/pager/pager.h"

namespace coffer::host {

// Lists an enclave for the debugger. Both arguments must outlive it.
class DebugAccess {
 public:
  DebugAccess(processor::SoftEnclave& enclave, processor::Pager& pager);
  ~DebugAccess();
  DebugAccess(const DebugAccess&) = delete;
  DebugAccess& operator=(const DebugAccess&) = delete;

  // The enclave is initialised and about to be entered for the first time.
  void ready() const;

  // An exception that sends `signal` and that the enclave has no handler for. True: a debugger is there, and stops this
  // thread when the instruction runs again.
  [[nodiscard]] static bool fault(int signal);

 private:
  friend struct DebugList;
  processor::SoftEnclave& enclave_;
  processor::Pager& pager_;
};

}  // namespace coffer::host

// Called by the debugger, in a thread that is outside the enclave, while all others stand still. `address` is aligned
// to 8. 0; a code of <asm/sgx.h> like SGX_PAGE_NOT_DEBUGGABLE; or the fault's vector, 13 or 14, plus 0x100. A page that
// was paged out is brought back first. What is read is in coffer_debugger_value.
extern "C" {
extern std::uint64_t coffer_debugger_value;
std::uint64_t coffer_debugger_edbgrd(std::uint64_t address);
std::uint64_t coffer_debugger_edbgwr(std::uint64_t address, std::uint64_t value);
// Where the debugger stops: the enclave at `base` is ready.
void coffer_debugger_enclave_ready(std::uint64_t base);
// Set by the debugger where it wants to be told of exceptions that nothing in the enclave handles...
extern volatile bool coffer_debugger_wants_faults;
// ... and where it is told: the next `signal` of this thread is the program's own.
void coffer_debugger_fault(int signal);
}
