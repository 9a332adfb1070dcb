// Where the enclave stands, random numbers, and what the kernel does without being asked.
#include <openenclave/enclave.h>
#include <openenclave/internal/cpuid.h>
#include <openenclave/internal/globals.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>

#include "compat/openenclave/enclave/memory.h"
#include "enclave/sdk/calls/ranges.h"

using coffer::calls::memory_ranges;

extern "C" {

const uint32_t supported_cpuid_leaves[OE_CPUID_LEAF_COUNT] = {0, 1, 4, 7, 0x80000000, 0x80000001};

const void* __oe_get_enclave_start_address(void) { return reinterpret_cast<const void*>(memory_ranges().base); }
const void* __oe_get_enclave_base_address(void) { return __oe_get_enclave_start_address(); }
size_t __oe_get_enclave_size(void) { return memory_ranges().size; }
size_t __oe_get_heap_size(void) { return coffer::openenclave::memory_use().limit; }
uint64_t oe_get_num_heap_pages(void) { return __oe_get_heap_size() / OE_PAGE_SIZE; }
uint64_t oe_get_num_pages(void) { return __oe_get_enclave_size() / OE_PAGE_SIZE; }

oe_result_t oe_random(void* data, size_t size) {
  if (data == nullptr && size != 0) return OE_INVALID_PARAMETER;
  auto* next = static_cast<std::uint8_t*>(data);
  while (size != 0) {
    const ssize_t got = ::getrandom(next, size, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return OE_FAILURE;
    next += got;
    size -= static_cast<std::size_t>(got);
  }
  return OE_OK;
}

oe_result_t oe_load_module_host_file_system(void) { return OE_OK; }
oe_result_t oe_load_module_host_socket_interface(void) { return OE_OK; }
oe_result_t oe_load_module_host_resolver(void) { return OE_OK; }
oe_result_t oe_load_module_host_epoll(void) { return OE_OK; }

}  // extern "C"
