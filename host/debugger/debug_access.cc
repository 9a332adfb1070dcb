#include "host/debugger/debug_access.h"

#include <algorithm>
#include <mutex>
#include <vector>

namespace coffer::host {

// A debugger's call takes no lock: everything stands still meanwhile, and who holds the lock might too.
struct DebugList {
  std::mutex lock;
  std::vector<const DebugAccess*> enclaves;

  static DebugList& instance() {
    static DebugList list;
    return list;
  }

  // `leaf` with the enclave's offset of `address`, its page brought in before.
  template <class Leaf>
  std::uint64_t run(std::uint64_t address, Leaf leaf) {
    constexpr std::uint64_t kFault = 0x100;
    const auto found =
        std::ranges::find_if(enclaves, [&](const DebugAccess* access) { return access->enclave_.contains(address); });
    if (found == enclaves.end()) return kFault + sgx::vector::kGeneralProtection;
    const std::uint64_t offset = address - (*found)->enclave_.base();
    (void)(*found)->pager_.resolve({.offset = offset & ~(sgx::kPageSize - 1), .permissions = 0});
    const processor::LeafOutcome outcome = leaf((*found)->enclave_, offset);
    switch (outcome.fault) {
      case processor::LeafOutcome::Fault::kNone:
        return static_cast<std::uint64_t>(outcome.error);
      case processor::LeafOutcome::Fault::kPageFault:
        return kFault + sgx::vector::kPageFault;
      default:
        return kFault + sgx::vector::kGeneralProtection;
    }
  }
};

DebugAccess::DebugAccess(processor::SoftEnclave& enclave, processor::Pager& pager) : enclave_(enclave), pager_(pager) {
  DebugList& list = DebugList::instance();
  const std::scoped_lock guard(list.lock);
  list.enclaves.push_back(this);
}

DebugAccess::~DebugAccess() {
  DebugList& list = DebugList::instance();
  const std::scoped_lock guard(list.lock);
  std::erase(list.enclaves, this);
}

void DebugAccess::ready() const { coffer_debugger_enclave_ready(enclave_.base()); }

bool DebugAccess::fault(int signal) {
  if (!coffer_debugger_wants_faults) return false;
  coffer_debugger_fault(signal);
  return true;
}

}  // namespace coffer::host

std::uint64_t coffer_debugger_value = 0;
volatile bool coffer_debugger_wants_faults = false;

std::uint64_t coffer_debugger_edbgrd(std::uint64_t address) {
  return coffer::host::DebugList::instance().run(address,
                                                 [](coffer::processor::SoftEnclave& enclave, std::uint64_t at) {
                                                   return enclave.edbgrd(at, &coffer_debugger_value);
                                                 });
}

std::uint64_t coffer_debugger_edbgwr(std::uint64_t address, std::uint64_t value) {
  return coffer::host::DebugList::instance().run(
      address,
      [value](coffer::processor::SoftEnclave& enclave, std::uint64_t at) { return enclave.edbgwr(at, value); });
}

// Not inlined, not merged with another: a debugger has breakpoints here.
[[gnu::noinline]] void coffer_debugger_enclave_ready(std::uint64_t base) { asm volatile("" ::"r"(base) : "memory"); }
[[gnu::noinline]] void coffer_debugger_fault(int signal) { asm volatile("" ::"r"(signal) : "memory"); }
