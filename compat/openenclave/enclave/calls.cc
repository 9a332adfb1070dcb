// Calling the host, and the memory that both sides reach.
#include <coffer/calls.h>
#include <openenclave/edger8r/enclave.h>
#include <openenclave/enclave.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <new>
#include <unordered_map>

using namespace coffer;

namespace {

// Blocks of OCALLs are a stack of each thread, as their calls are.
struct Block {
  explicit Block(std::size_t size, Block* under) : shared(size), below(under) {}
  calls::SharedBlock shared;
  Block* below;
  bool released = false;
};
thread_local Block* top = nullptr;

// Sizes of what oe_host_malloc() gave, for oe_host_realloc(): the host's own word would not do.
std::mutex sizes_lock;
std::unordered_map<void*, std::size_t>& sizes() {
  static auto* const map = new std::unordered_map<void*, std::size_t>;  // for exit handlers too
  return *map;
}

bool remember(void* memory, std::size_t size) {
  const std::scoped_lock lock(sizes_lock);
  try {
    sizes()[memory] = size;
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

oe_result_t result_of(std::int64_t status) {
  if (status < 0) return status == calls::kNoMemory ? OE_OUT_OF_MEMORY : OE_NOT_FOUND;
  return status <= OE_SGX_QUOTE_LIBRARY_ERROR ? static_cast<oe_result_t>(status) : OE_UNEXPECTED;
}

std::size_t at_least_one(std::size_t size) { return std::max<std::size_t>(size, 1); }

using HostFunction = Outcome<calls::HostAnswer> (*)(std::uint64_t, std::span<const std::byte>, std::span<std::byte>);

oe_result_t call_host(HostFunction function, std::size_t index, std::span<const std::byte> input,
                      std::span<std::byte> output, std::size_t* written) {
  if (written == nullptr) return OE_INVALID_PARAMETER;
  *written = 0;
  std::fflush(stdout);  // before the host writes
  const auto answer = function(index, input, output);
  if (!answer) return OE_INVALID_PARAMETER;
  if (answer->status != OE_OK) return result_of(answer->status);
  *written = answer->written;
  return OE_OK;
}

}  // namespace

extern "C" {

oe_result_t oe_call_host_function(size_t function_id, const void* input_buffer, size_t input_buffer_size,
                                  void* output_buffer, size_t output_buffer_size, size_t* output_bytes_written) {
  return call_host(calls::call_host, function_id, {static_cast<const std::byte*>(input_buffer), input_buffer_size},
                   {static_cast<std::byte*>(output_buffer), output_buffer_size}, output_bytes_written);
}

oe_result_t oe_switchless_call_host_function(size_t function_id, const void* input_buffer, size_t input_buffer_size,
                                             void* output_buffer, size_t output_buffer_size,
                                             size_t* output_bytes_written) {
  return call_host(calls::call_host_switchless, function_id,
                   {static_cast<const std::byte*>(input_buffer), input_buffer_size},
                   {static_cast<std::byte*>(output_buffer), output_buffer_size}, output_bytes_written);
}

void* oe_allocate_ocall_buffer(size_t size) {
  auto* block = new (std::nothrow) Block(at_least_one(size), top);
  if (block == nullptr) return nullptr;
  if (block->shared.bytes().empty()) {
    delete block;
    return nullptr;
  }
  top = block;
  return block->shared.bytes().data();
}

void oe_free_ocall_buffer(void* buffer) {
  for (Block* block = top; block != nullptr; block = block->below) {
    if (block->shared.bytes().data() == buffer) block->released = true;
  }
  while (top != nullptr && top->released) {
    Block* below = top->below;
    delete top;
    top = below;
  }
}

void* oe_allocate_switchless_ocall_buffer(size_t size) { return oe_allocate_ocall_buffer(size); }
void oe_free_switchless_ocall_buffer(void* buffer) { oe_free_ocall_buffer(buffer); }

uint8_t* coffer_oe_take_deep_copy(uint8_t* host, size_t size) {
  if (host == nullptr || !oe_is_outside_enclave(host, size) || !calls::in_shared_memory(host, size)) return nullptr;
  auto* copy = static_cast<uint8_t*>(std::malloc(at_least_one(size)));
  if (copy != nullptr) std::memcpy(copy, host, size);
  calls::release_shared(host);
  return copy;
}

oe_result_t oe_get_enclave_status(void) { return OE_OK; }  // an enclave that crashes runs nothing any more

bool oe_is_within_enclave(const void* ptr, size_t size) {
  return ptr != nullptr && calls::within_enclave(ptr, at_least_one(size));
}

bool oe_is_outside_enclave(const void* ptr, size_t size) {
  return ptr != nullptr && calls::outside_enclave(ptr, at_least_one(size));
}

void* oe_host_malloc(size_t size) {
  void* memory = calls::allocate_shared(at_least_one(size));
  if (memory != nullptr && !remember(memory, size)) {
    calls::release_shared(memory);
    return nullptr;
  }
  return memory;
}

void oe_host_free(void* ptr) {
  if (ptr == nullptr) return;
  {
    const std::scoped_lock lock(sizes_lock);
    sizes().erase(ptr);
  }
  calls::release_shared(ptr);
}

void* oe_host_calloc(size_t nmemb, size_t size) {
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(nmemb, size, &bytes)) return nullptr;
  void* memory = oe_host_malloc(bytes);
  if (memory != nullptr) std::memset(memory, 0, bytes);
  return memory;
}

void* oe_host_realloc(void* ptr, size_t size) {
  if (ptr == nullptr) return oe_host_malloc(size);
  std::size_t had = 0;
  {
    const std::scoped_lock lock(sizes_lock);
    const auto found = sizes().find(ptr);
    if (found == sizes().end()) return nullptr;  // not ours: how large it is only the host could say
    had = found->second;
  }
  void* memory = oe_host_malloc(size);
  if (memory == nullptr) return nullptr;
  std::memcpy(memory, ptr, std::min(had, size));
  oe_host_free(ptr);
  return memory;
}

char* oe_host_strndup(const char* str, size_t n) {
  if (str == nullptr || n == SIZE_MAX) return nullptr;
  const std::size_t length = strnlen(str, n);
  auto* copy = static_cast<char*>(oe_host_malloc(length + 1));
  if (copy == nullptr) return nullptr;
  std::memcpy(copy, str, length);
  copy[length] = '\0';
  return copy;
}

void* oe_memcpy_with_barrier(void* to, const void* from, size_t size) { return std::memcpy(to, from, size); }
void* oe_memmove_with_barrier(void* to, const void* from, size_t size) { return std::memmove(to, from, size); }
void* oe_memset_with_barrier(void* to, int value, size_t size) { return std::memset(to, value, size); }

oe_result_t oe_memcpy_s_with_barrier(void* to, size_t room, const void* from, size_t size) {
  if (to == nullptr || from == nullptr) return OE_INVALID_PARAMETER;
  if (size > room) return OE_BUFFER_TOO_SMALL;
  const auto first = reinterpret_cast<std::uintptr_t>(to), second = reinterpret_cast<std::uintptr_t>(from);
  if ((first > second ? first - second : second - first) < size) return OE_OVERLAPPED_COPY;
  std::memcpy(to, from, size);
  return OE_OK;
}

oe_result_t oe_memmove_s_with_barrier(void* to, size_t room, const void* from, size_t size) {
  if (to == nullptr || from == nullptr) return OE_INVALID_PARAMETER;
  if (size > room) return OE_BUFFER_TOO_SMALL;
  std::memmove(to, from, size);
  return OE_OK;
}

oe_result_t oe_memset_s_with_barrier(void* to, size_t room, int value, size_t size) {
  if (to == nullptr) return OE_INVALID_PARAMETER;
  if (size > room) return OE_BUFFER_TOO_SMALL;
  std::memset(to, value, size);
  return OE_OK;
}

}  // extern "C"
