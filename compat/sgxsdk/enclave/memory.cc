// <sgx_mm.h>: the regions of this enclave.
#include <coffer/calls.h>
#include <signal.h>
#include <sys/sysinfo.h>
#include <ucontext.h>

#include <charconv>
#include <cstdlib>
#include <cstring>

#include "compat/sgxsdk/enclave/exception.h"
#include "compat/sgxsdk/enclave/memory_regions.h"
#include "compat/sgxsdk/protocol.h"
#include "enclave/sdk/calls/ranges.h"

namespace coffer::sgxsdk {
namespace {

constexpr std::uint32_t kSgxFault = 1U << 15;  // of the error code: always so inside

bool memory_fault(const ucontext_t& context);

// Bytes that can be allocated at once: the image's own word, under its measurement.
std::size_t user_region() {
  const char* text = std::getenv(kUserRegionVariableName);
  std::size_t bytes = 0;
  if (text != nullptr && std::from_chars(text, text + std::strlen(text), bytes).ec == std::errc()) return bytes;
  struct sysinfo machine{};
  return ::sysinfo(&machine) == 0 ? machine.totalram * machine.mem_unit : 0;
}

MemoryRegions& regions() {
  static MemoryRegions& made = []() -> MemoryRegions& {
    const calls::MemoryRanges& ranges = calls::memory_ranges();
    static MemoryRegions regions({ranges.base, ranges.base + ranges.size, user_region()});
    handle_memory_faults(memory_fault);
    return regions;
  }();
  return made;
}

bool memory_fault(const ucontext_t& context) {
  sgx_pfinfo info{};
  info.maddr = static_cast<std::uint64_t>(context.uc_mcontext.gregs[REG_CR2]);
  info.pfec.errcd = static_cast<std::uint32_t>(context.uc_mcontext.gregs[REG_ERR]) | kSgxFault;
  return regions().fault(info);
}

std::uintptr_t number(const void* address) { return reinterpret_cast<std::uintptr_t>(address); }

}  // namespace
}  // namespace coffer::sgxsdk

using namespace coffer::sgxsdk;

extern "C" {

// What programs that look at addresses themselves expect of the SDK's start-up: bytes of ELRANGE.
extern size_t g_enclave_size;
size_t g_enclave_size = coffer::calls::memory_ranges().size;

int sgx_mm_alloc(void* addr, size_t length, int flags, sgx_enclave_fault_handler_t handler, void* handler_private,
                 void** out_addr) {
  std::uintptr_t place = 0;
  const int failed = regions().allocate(number(addr), length, flags, handler, handler_private, &place);
  if (failed == 0 && out_addr != nullptr) *out_addr = reinterpret_cast<void*>(place);
  return failed;
}
int sgx_mm_uncommit(void* addr, size_t length) { return regions().uncommit(number(addr), length); }
int sgx_mm_dealloc(void* addr, size_t length) { return regions().release(number(addr), length); }
int sgx_mm_modify_permissions(void* addr, size_t length, int prot) {
  return regions().protect(number(addr), length, prot);
}
int sgx_mm_modify_type(void* addr, size_t length, int type) {
  return regions().change_type(number(addr), length, type);
}
int sgx_mm_commit(void* addr, size_t length) { return regions().commit(number(addr), length); }
int sgx_mm_commit_data(void* addr, size_t length, uint8_t* data, int prot) {
  return regions().commit_data(number(addr), length, data, prot);
}

}  // extern "C"
