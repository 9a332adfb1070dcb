#include "compat/sgxsdk/enclave/edge.h"

#include <coffer/enclave.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <vector>

#include "compat/sgxsdk/include/sgx_edger8r.h"
#include "compat/sgxsdk/protocol.h"

namespace coffer::sgxsdk {
namespace {

// What sgx_ocalloc() gave during one ECALL.
class OutsideMemory {
 public:
  OutsideMemory() : outer_(innermost) { innermost = this; }
  ~OutsideMemory() {
    release();
    innermost = outer_;
  }
  OutsideMemory(const OutsideMemory&) = delete;
  OutsideMemory& operator=(const OutsideMemory&) = delete;

  void* allocate(std::size_t size) {
    try {
      blocks_.reserve(blocks_.size() + 1);
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
    void* block = calls::allocate_shared(size);
    if (block != nullptr) blocks_.push_back(block);
    return block;
  }
  void release() {
    for (void* block : blocks_) calls::release_shared(block);
    blocks_.clear();
  }
  // nullptr in a thread that serves no ECALL.
  static OutsideMemory* current() { return innermost; }

 private:
  OutsideMemory* outer_;
  std::vector<void*> blocks_;
  static thread_local OutsideMemory* innermost;
};
thread_local OutsideMemory* OutsideMemory::innermost = nullptr;

// Threads that the program starts have memory of their own, until they end.
OutsideMemory& outside_memory() {
  if (OutsideMemory* current = OutsideMemory::current()) return *current;
  static thread_local OutsideMemory of_the_thread;
  return of_the_thread;
}

bool allowed(const calls::IncomingCall& call, const sgx_edge_ecall_t& ecall) {
  if (!call.nested_in) return ecall.is_private == 0;
  const sgx_edge_interface_t& interface = sgx_edge_program_interface;
  if (*call.nested_in >= interface.ocall_count) return false;
  const sgx_edge_ocall_t& ocall = interface.ocalls[*call.nested_in];
  const std::span allows(ocall.allows, ocall.allow_count);
  return std::ranges::find(allows, call.index) != allows.end();
}

sgx_status_t introduce(calls::IncomingCall& call) {
  const auto target = own_target_info();
  if (!target || call.output.size() < target->size()) return SGX_ERROR_UNEXPECTED;
  std::memcpy(call.output.data(), target->data(), target->size());
  call.written = target->size();
  return SGX_SUCCESS;
}

// Writable: the library copied it in for this call alone.
void* input_of(const calls::IncomingCall& call) { return const_cast<std::byte*>(call.input.data()); }

sgx_status_t run(calls::IncomingCall& call, const sgx_edge_ecall_t& ecall) {
  const OutsideMemory memory;
  const sgx_status_t status = ecall.bridge(input_of(call), call.input.size(), call.output.data(), call.output.size());
  if (status == SGX_SUCCESS) call.written = call.output.size();
  return status;
}

// The two blocks of an OCALL. Made and released in the order of a stack, as the thread's calls are.
struct Blocks {
  Blocks(std::size_t input_size, std::size_t output_size) : input(input_size), output(output_size) {}
  calls::SharedBlock input, output;
};

}  // namespace

std::int64_t serve_call(void*, calls::IncomingCall& call) {
  if (call.index == kLeave) std::exit(0);
  if (call.index == kIntroduce) return introduce(call);
  const sgx_edge_interface_t& interface = sgx_edge_program_interface;
  if (call.index >= interface.ecall_count) return SGX_ERROR_INVALID_FUNCTION;
  asm volatile("lfence" ::: "memory");  // the number is the host's: no table entry beyond the end, not even guessed
  const sgx_edge_ecall_t& ecall = interface.ecalls[call.index];
  if (!allowed(call, ecall)) return SGX_ERROR_ECALL_NOT_ALLOWED;
  try {
    return run(call, ecall);
  } catch (...) {
    std::abort();
  }
}

}  // namespace coffer::sgxsdk

using namespace coffer;

extern "C" {

sgx_status_t sgx_edge_ocall_begin(size_t input_size, size_t output_size, sgx_edge_blocks_t* blocks) {
  auto* made = new (std::nothrow) sgxsdk::Blocks(input_size, output_size);
  if (made == nullptr) return SGX_ERROR_OUT_OF_MEMORY;
  const auto input = made->input.bytes();
  const auto output = made->output.bytes();
  if (input.size() != input_size || output.size() != output_size) {
    delete made;
    return SGX_ERROR_OUT_OF_MEMORY;
  }
  *blocks = {.input = input.data(),
             .input_size = input_size,
             .output = output.data(),
             .output_size = output_size,
             .keeper = made};
  return SGX_SUCCESS;
}

sgx_status_t sgx_edge_ocall_call(uint32_t index, sgx_edge_blocks_t* blocks) {
  const auto* made = static_cast<const sgxsdk::Blocks*>(blocks->keeper);
  const sgx_edge_interface_t& interface = sgx_edge_program_interface;
  const bool switchless = index < interface.ocall_count && interface.ocalls[index].switchless != 0;
  const auto answer = switchless ? calls::call_host_switchless(index, made->input.bytes(), made->output.bytes())
                                 : calls::call_host(index, made->input.bytes(), made->output.bytes());
  if (!answer) return SGX_ERROR_UNEXPECTED;
  // The host's word: of what it can say, only numbers that there are.
  if (answer->status < 0 || answer->status > 0xffff) return SGX_ERROR_UNEXPECTED;
  return static_cast<sgx_status_t>(answer->status);
}

void sgx_edge_ocall_end(sgx_edge_blocks_t* blocks) {
  delete static_cast<sgxsdk::Blocks*>(blocks->keeper);
  *blocks = {};
}

void* sgx_ocalloc(size_t size) { return sgxsdk::outside_memory().allocate(size); }
void sgx_ocfree(void) { sgxsdk::outside_memory().release(); }

}  // extern "C"
