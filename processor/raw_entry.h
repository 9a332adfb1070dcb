// ENCLU as an instruction of ordinary code: what a CPU with SGX does for programs that bring their own loader and their
// own entry code. eenter() and eresume() (entry.h) are for hosts that call the processor; here the program executes
// ENCLU, or calls coffer_raw_enclu in its place, and every register is as the architecture says: EENTER passes all but
// RAX, RBX and RCX, EEXIT goes to RBX with RCX = AEP, an asynchronous exit to the AEP with synthetic state (Intel SDM
// volume 3D, 37.2-37.4 and 40.4).
#pragma once

#include <ucontext.h>
#include <csignal>
#include <cstdint>

#include "processor/enclave.h"

namespace coffer::processor {

// Enclaves whose TCSs ENCLU finds by address. A thread inside keeps the enclave in use: withdraw() only when nobody is.
[[nodiscard]] bool publish_enclave(SoftEnclave& enclave);  // false: too many
void withdraw_enclave(const SoftEnclave& enclave);
// Async-signal-safe.
[[nodiscard]] SoftEnclave* published_enclave_at(std::uint64_t address);

// Where patched EEXIT sites of one enclave find the thread that leaves, by its FS base; read by raw_entry.S.
struct ExitSites {
  std::uint64_t base = 0, size = 0;
  ThreadState** threads = nullptr;  // by page number of the FS base; one that names two is nobody's
  std::uint64_t stub = 0;           // kept for who patches (RawHooks::exit_trapped)
  bool refused = false;
};
// Null where the enclave is not published.
[[nodiscard]] ExitSites* exit_sites_of(const SoftEnclave& enclave);

struct RawHooks {
  // A signal of ordinary code, before the program's own handler: true where it was served. Async-signal-safe.
  bool (*outside)(int signal, siginfo_t* info, ucontext_t* context) = nullptr;
  // EEXIT trapped at this address: a chance to make it faster. Async-signal-safe.
  void (*exit_trapped)(SoftEnclave& enclave, std::uint64_t rip) = nullptr;
  // The ENCLU whose exceptions are told to code instead of by signals, as the kernel does for its vDSO: RIP becomes
  // `landing`, RAX the leaf, RDI, RSI and RDX vector, error code and address.
  std::uint64_t enclu = 0;
  std::uint64_t landing = 0;
};
// Once, before the first entry.
void set_raw_hooks(const RawHooks& hooks);

// sigaction() of the program: its handlers run beside the processor's, after an asynchronous exit where the signal
// comes while an enclave runs. 0, or -1 and errno.
[[nodiscard]] int program_sigaction(int signal, const struct sigaction* action, struct sigaction* previous);
// Takes the signals out that the processor cannot do without.
void keep_unblocked(sigset_t& mask);

// While one of these lives, signals of the program's own wait: its handlers run before or after what the operating
// system does in one piece, never in the middle of it.
class SignalsHeld {
 public:
  SignalsHeld();
  ~SignalsHeld();
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;

 private:
  unsigned long before_ = 0;
};

extern "C" void coffer_raw_enclu();
extern "C" void coffer_raw_exit();

// --- for traps.cc
// ENCLU executed by ordinary code at the context's RIP: true where it was EENTER or ERESUME of a published enclave; a
// leaf that faults is reported in *fault and the context is as it was.
struct RawFault {
  std::uint8_t vector = 0;
  std::uint32_t error_code = 0;
  std::uint64_t address = 0;
};
[[nodiscard]] bool raw_enclu(ucontext_t* context, RawFault* fault);
[[nodiscard]] const RawHooks& raw_hooks();
// The thread that leaves through `lane`; called with the host's segments loaded.
void raw_exit(ucontext_t* context, Lane& lane);
void raw_asynchronous_exit(ucontext_t* context, Lane& lane);

}  // namespace coffer::processor
