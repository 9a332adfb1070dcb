// A rung of the ladder: what executes an enclave. One interface for all of them: build, sign off, enter, end.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "boundary/counters.h"
#include "host/arena.h"
#include "host/debugger/symbol_files.h"
#include "processor/entry.h"
#include "sgx/builder.h"

namespace coffer::host {

using processor::Registers;

// Where the enclave's threads are: TCS i stands at first_tcs + i * stride.
struct ThreadPlan {
  std::uint64_t first_tcs = 0, stride = 0;
  std::uint32_t count = 0;
  std::byte* exchange = nullptr;  // ExchangeArea[count] in the arena; none: requests for files are all the host's
};

// Why an enclave thread cannot go on.
struct ThreadDeath {
  int signal = 0;                      // 0: the enclave was ended from outside
  std::uint64_t rip = 0, address = 0;  // RIP relative to the enclave's base
};

// What came of entering: a request of the enclave in the registers, or the end of the thread.
struct EnterResult {
  bool dead = false;
  ThreadDeath death;
};

// Thread-safety: building and init() from one thread; enter() from any, one at a time for each enclave thread;
// destroy() from any at any time.
class Rung : public sgx::EnclaveBuilder {
 public:
  // EINIT. Refused where the processor refuses: the message says which check failed.
  [[nodiscard]] virtual Result<void> init(const sgx::Sigstruct& sigstruct, const ThreadPlan& threads) = 0;
  // After init(), before enter(), one of the two: what traps on hardware is to be fast where the rung can make it so,
  // or it is to trap. The measured bytes are the same on every rung, and so is what the enclave computes.
  [[nodiscard]] virtual Result<void> apply_fast_paths(std::uint64_t layout_offset) = 0;
  [[nodiscard]] virtual Result<void> apply_traps(std::uint64_t layout_offset) = 0;
  // EENTER of enclave thread `thread`, through exceptions and local requests, until a request for the host.
  [[nodiscard]] virtual Result<EnterResult> enter(std::uint32_t thread, Registers& registers) = 0;
  // After init(), before enter(): `on_end` is called once, on a thread of the rung's own, when what carries the enclave
  // has ended, whoever ended it.
  virtual void watch(std::function<void()> on_end) = 0;
  // Ends the enclave; every enter() returns dead soon.
  virtual void destroy() = 0;
  virtual void set_spin(std::chrono::nanoseconds spin) = 0;
  // From now on what carries the enclave may answer kFileRead and kFileWrite of `handle` itself, with a copy of
  // `descriptor`. False where it does not: requests come to the host as before. Thread-safe, as is unshare_file(),
  // after which nothing is answered so any more, but for what is being answered.
  [[nodiscard]] virtual bool share_file(std::uint64_t /*handle*/, int /*descriptor*/) { return false; }
  virtual void unshare_file(std::uint64_t /*handle*/) {}
  [[nodiscard]] virtual std::vector<std::string> missing_protections() const = 0;
  [[nodiscard]] virtual Arena& arena() = 0;
  // True where the enclave takes calls whose data stands in any memory of this process but its own.
  [[nodiscard]] virtual bool shares_process() const { return false; }
  // True where the enclave can reach all of the range: calls use it in place.
  [[nodiscard]] virtual bool reaches(std::uint64_t address, std::uint64_t size) {
    return arena().contains(address, size);
  }
  // An exception that the enclave has no handler for, which sends `signal`: true where a debugger is to stop at it.
  // Then the thread is to go on, so that the instruction runs once more; said of one exception only.
  [[nodiscard]] virtual bool shows_fault(int signal) {
    (void)signal;
    return false;
  }
  // Before the first enter(): the files that a debugger of this process finds the enclave's names and lines in. Nothing
  // where the enclave is none of this process's.
  virtual void show_symbols(std::vector<SymbolFile>) {}
  // For those who operate the enclave; after init(). A rung that cannot tell says zero.
  [[nodiscard]] virtual boundary::EpcCounters epc_counters() { return {}; }
  [[nodiscard]] virtual const boundary::CarrierCounters* carrier_counters(std::uint32_t) const { return nullptr; }
  // The process that carries the enclave; 0: this one, or one of the daemon's.
  [[nodiscard]] virtual int carrier_pid() const { return 0; }
};

struct RungOptions {
  std::uint64_t epc_size = 0;    // bytes
  std::uint64_t page_limit = 0;  // bytes of pages that the enclave may have, in the EPC and paged out
  std::uint64_t arena_size = 0;  // bytes
};

[[nodiscard]] Result<std::unique_ptr<Rung>> make_inline_rung(const RungOptions& options);
[[nodiscard]] Result<std::unique_ptr<Rung>> make_process_rung(const RungOptions& options);
// The machine's EPC and its sharing out are the operating system's: of the sizes, the arena's alone counts.
[[nodiscard]] Result<std::unique_ptr<Rung>> make_sgx_rung(const RungOptions& options);

// The error for a leaf that did not succeed: "EINIT: the measurement ... (SGX_INVALID_MEASUREMENT)".
[[nodiscard]] Error leaf_failure(const std::string& leaf, const processor::LeafOutcome& outcome);

}  // namespace coffer::host
