// Faults that are no mistakes: what looks at a page fault before the handlers of <sgx_trts_exception.h> do.
#pragma once

#include <ucontext.h>

namespace coffer::sgxsdk {

// True where the fault is dealt with and the instruction is to run again.
using MemoryFaultHandler = bool (*)(const ucontext_t& context);
// One for the program; from then on the SDK catches exceptions.
void handle_memory_faults(MemoryFaultHandler handler);

}  // namespace coffer::sgxsdk
