// The regions of <sgx_mm.h>: which addresses are allocated, what each page is. Over the kernel's mmap and mprotect,
// which inside an enclave are EAUG, EACCEPT, EMODPR, EMODPE and EMODT.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>

#include "compat/sgxsdk/include/sgx_mm.h"

namespace coffer::sgxsdk {

// Where the enclave's memory can be.
struct MemoryBounds {
  std::uintptr_t begin = 0, end = 0;
  std::size_t most = 0;  // bytes that can be allocated at once
};

// Thread-safe. Results are 0 or an errno value.
class MemoryRegions {
 public:
  explicit MemoryRegions(const MemoryBounds& bounds) : bounds_(bounds) {}

  [[nodiscard]] int allocate(std::uintptr_t address, std::size_t length, int flags, sgx_enclave_fault_handler_t handler,
                             void* context, std::uintptr_t* place);
  [[nodiscard]] int uncommit(std::uintptr_t address, std::size_t length);
  [[nodiscard]] int release(std::uintptr_t address, std::size_t length);
  [[nodiscard]] int protect(std::uintptr_t address, std::size_t length, int protection);
  [[nodiscard]] int change_type(std::uintptr_t address, std::size_t length, int type);
  [[nodiscard]] int commit(std::uintptr_t address, std::size_t length);
  [[nodiscard]] int commit_data(std::uintptr_t address, std::size_t length, const std::uint8_t* data, int protection);

  // A page fault. True: the instruction is to run again.
  [[nodiscard]] bool fault(const sgx_pfinfo& info);

 private:
  enum class State : std::uint8_t { kReserved, kOnDemand, kCommitted, kTcs };
  // By page: neighbours of a region may differ in everything.
  struct Page {
    State state = State::kReserved;
    int protection = SGX_EMA_PROT_NONE;
    sgx_enclave_fault_handler_t handler = nullptr;
    void* context = nullptr;
  };
  using Pages = std::map<std::uintptr_t, Page>;

  [[nodiscard]] bool in_bounds(std::uintptr_t address, std::size_t length) const;
  // The pages of the range where all are allocated.
  [[nodiscard]] bool all_allocated(std::uintptr_t address, std::size_t length) const;
  [[nodiscard]] int claim(std::uintptr_t address, std::size_t length, int flags, std::uintptr_t* place);
  [[nodiscard]] int set(std::uintptr_t address, Page& page, State state, int protection);

  MemoryBounds bounds_;
  std::mutex lock_;  // handlers run without it
  Pages pages_;
};

}  // namespace coffer::sgxsdk
