// The outer half of <sgx_edger8r.h>, and the OCALLs that the SDK's own EDL files declare.
#include <cpuid.h>
#include <cerrno>

#include <cstdio>
#include <new>

#include "compat/sgxsdk/host/enclave_table.h"
#include "compat/sgxsdk/protocol.h"

namespace coffer::sgxsdk {
namespace {

// The calls of this thread that are inside an enclave, the innermost first.
struct CallInside {
  RunningEnclave* enclave;
  const sgx_edge_ocall_table_t* ocalls;
  const CallInside* outer;
};
thread_local const CallInside* innermost = nullptr;

const CallInside* call_into(const RunningEnclave& enclave) {
  for (const CallInside* call = innermost; call != nullptr; call = call->outer) {
    if (call->enclave == &enclave) return call;
  }
  return nullptr;
}

// Counts a call in for as long as it lasts. A nested one has its thread inside already.
class Place {
 public:
  Place(RunningEnclave& enclave, const sgx_edge_ocall_table_t* ocalls)
      : enclave_(enclave), nested_(call_into(enclave) != nullptr), here_{&enclave, ocalls, innermost} {
    taken_ = nested_ || enclave_.calls.fetch_add(1) < enclave_.calls_at_once;
    enclave_.ocalls.store(ocalls);
    innermost = &here_;
  }
  ~Place() {
    innermost = here_.outer;
    if (!nested_) enclave_.calls.fetch_sub(1);
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  [[nodiscard]] bool taken() const { return taken_; }

 private:
  RunningEnclave& enclave_;
  bool nested_, taken_ = false;
  CallInside here_;
};

// Keeps the enclave and the memory of one call.
struct Keeper {
  EnclaveHandle enclave;
  void* memory = nullptr;
};

constexpr std::size_t kAlignment = 16;
std::size_t round_up(std::size_t size) { return (size + kAlignment - 1) & ~(kAlignment - 1); }

sgx_status_t answer_of(const Result<CallResult>& result, RunningEnclave& enclave, std::size_t output_size) {
  if (!result) return result.error().kind == ErrorKind::kLost ? enclave.end_status() : SGX_ERROR_OUT_OF_MEMORY;
  if (result->status == -ENOMEM) return SGX_ERROR_OUT_OF_MEMORY;
  if (result->status < 0 || result->status > UINT32_MAX) return SGX_ERROR_UNEXPECTED;
  if (result->status == SGX_SUCCESS && result->written != output_size) return SGX_ERROR_UNEXPECTED;
  return static_cast<sgx_status_t>(result->status);
}

}  // namespace

HostCallHandler ocall_handler(RunningEnclave& enclave) {
  return [&enclave](const HostCall& call) -> CallResult {
    const CallInside* mine = call_into(enclave);
    const sgx_edge_ocall_table_t* table = mine != nullptr ? mine->ocalls : enclave.ocalls.load();
    if (table == nullptr || call.index >= table->count || table->bridges[call.index] == nullptr) {
      return {.status = SGX_ERROR_OCALL_NOT_ALLOWED, .written = 0};
    }
    const sgx_status_t status =
        table->bridges[call.index](call.input.data(), call.input.size(), call.output.data(), call.output.size());
    return {.status = status, .written = call.output.size()};
  };
}

}  // namespace coffer::sgxsdk

using namespace coffer::sgxsdk;

extern "C" {

sgx_status_t sgx_edge_begin(sgx_enclave_id_t eid, size_t input_size, size_t output_size, sgx_edge_blocks_t* blocks) {
  EnclaveHandle enclave = find(eid);
  if (enclave == nullptr) return SGX_ERROR_INVALID_ENCLAVE_ID;
  if (input_size > SIZE_MAX / 4 || output_size > SIZE_MAX / 4) return SGX_ERROR_OUT_OF_MEMORY;
  const std::size_t first = round_up(input_size);
  void* memory = enclave->enclave.allocate_shared(first + round_up(output_size));
  auto* keeper = memory == nullptr ? nullptr : new (std::nothrow) Keeper{enclave, memory};
  if (keeper == nullptr) {
    if (memory != nullptr) enclave->enclave.release_shared(memory);
    return SGX_ERROR_OUT_OF_MEMORY;
  }
  *blocks = {.input = memory,
             .input_size = input_size,
             .output = static_cast<std::byte*>(memory) + first,
             .output_size = output_size,
             .keeper = keeper};
  return SGX_SUCCESS;
}

sgx_status_t sgx_edge_call(sgx_enclave_id_t, uint32_t index, const char*, int switchless,
                           const sgx_edge_ocall_table_t* ocalls, sgx_edge_blocks_t* blocks) {
  RunningEnclave& enclave = *static_cast<Keeper*>(blocks->keeper)->enclave;
  const Place place(enclave, ocalls);
  if (!place.taken()) return SGX_ERROR_OUT_OF_TCS;
  const std::span input(static_cast<const std::byte*>(blocks->input), blocks->input_size);
  const std::span output(static_cast<std::byte*>(blocks->output), blocks->output_size);
  const auto result = switchless != 0 ? enclave.enclave.call_switchless(index, input, output)
                                      : enclave.enclave.call(index, input, output);
  return answer_of(result, enclave, blocks->output_size);
}

void sgx_edge_end(sgx_enclave_id_t, sgx_edge_blocks_t* blocks) {
  auto* keeper = static_cast<Keeper*>(blocks->keeper);
  keeper->enclave->enclave.release_shared(keeper->memory);
  delete keeper;
  *blocks = {};
}

int sgx_edge_reaches(sgx_enclave_id_t eid, const char* function, const char* parameter, const void* pointer) {
  const EnclaveHandle enclave = find(eid);
  // Without an enclave there is nothing to be said here; the call itself says so.
  if (pointer == nullptr || enclave == nullptr || enclave->enclave.is_shared(pointer, 1)) return 1;
  std::fprintf(stderr,
               "sgx_urts: %s: %s is [user_check] and points to memory that the enclave cannot reach from its own "
               "process; pass a buffer with [in] or [out], take memory from sgx_urts_shared_malloc(), or launch with "
               "debug\n",
               function, parameter);
  return 0;
}

// --- sgx_tstdc.edl and sgx_pthread.edl: of the SDK's own libraries inside. Coffer's sleep and wake in the enclave
// kernel, so nobody inside waits for these.
void sgx_oc_cpuidex(int cpuinfo[4], int leaf, int subleaf) {
  __cpuid_count(leaf, subleaf, cpuinfo[0], cpuinfo[1], cpuinfo[2], cpuinfo[3]);
}
int sgx_thread_wait_untrusted_event_ocall(const void*) { return ENOSYS; }
int sgx_thread_set_untrusted_event_ocall(const void*) { return ENOSYS; }
int sgx_thread_setwait_untrusted_events_ocall(const void*, const void*) { return ENOSYS; }
int sgx_thread_set_multiple_untrusted_events_ocall(const void**, size_t) { return ENOSYS; }
int pthread_wait_timeout_ocall(unsigned long long, unsigned long long) { return ENOSYS; }
int pthread_create_ocall(unsigned long long) { return ENOSYS; }
int pthread_wakeup_ocall(unsigned long long) { return ENOSYS; }

}  // extern "C"
