// ECALLs and OCALLs.
#include <openenclave/edger8r/host.h>
#include <openenclave/internal/trace.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

#include "compat/openenclave/host/enclave.h"
#include "compat/openenclave/host/log.h"
#include "compat/openenclave/protocol.h"

namespace coffer::openenclave {
namespace {

struct ReturnHead {  // every result of generated code begins so
  std::uint32_t result, reserved;
  std::uint8_t* deep_copy;
  std::size_t deep_copy_size;
};

// The OCALLs that this thread serves, the innermost first: their enclaves refuse ECALLs of this thread.
struct Serving {
  const oe_enclave_t* enclave;
  const Serving* outer;
};
thread_local const Serving* serving = nullptr;

class Serve {
 public:
  explicit Serve(const oe_enclave_t& enclave) : here_{&enclave, serving} { serving = &here_; }
  ~Serve() { serving = here_.outer; }
  Serve(const Serve&) = delete;
  Serve& operator=(const Serve&) = delete;

 private:
  Serving here_;
};

bool in_its_ocall(const oe_enclave_t& enclave) {
  for (const Serving* each = serving; each != nullptr; each = each->outer) {
    if (each->enclave == &enclave) return true;
  }
  return false;
}

// One of the enclave's threads, while it lives.
class Seat {
 public:
  explicit Seat(oe_enclave_t& enclave) : enclave_(enclave), taken_(enclave.running.fetch_add(1) < enclave.tcs) {}
  ~Seat() { enclave_.running.fetch_sub(1); }
  Seat(const Seat&) = delete;
  Seat& operator=(const Seat&) = delete;
  [[nodiscard]] bool taken() const { return taken_; }

 private:
  oe_enclave_t& enclave_;
  bool taken_;
};

oe_result_t result_of(const Error& error, oe_enclave_t& enclave) {
  if (error.kind != ErrorKind::kLost) {
    log(OE_LOG_LEVEL_ERROR, error.message);
    return error.kind == ErrorKind::kSystem ? OE_OUT_OF_MEMORY : OE_UNEXPECTED;
  }
  if (!enclave.aborted.exchange(true) && !enclave.ending) log(OE_LOG_LEVEL_ERROR, enclave.path + ": " + error.message);
  return OE_ENCLAVE_ABORTING;
}

oe_result_t result_of(std::int64_t status) {
  constexpr std::int64_t kNoMemory = -12;  // <coffer/calls.h>
  if (status < 0) return status == kNoMemory ? OE_OUT_OF_MEMORY : OE_UNEXPECTED;
  return status <= OE_SGX_QUOTE_LIBRARY_ERROR ? static_cast<oe_result_t>(status) : OE_UNEXPECTED;
}

// What the enclave left in shared memory becomes malloc()'s, as generated code expects.
oe_result_t import_deep_copy(oe_enclave_t& enclave, std::span<std::byte> output) {
  ReturnHead head;
  if (enclave.shares_all_memory || output.size() < sizeof(head)) return OE_OK;
  std::memcpy(&head, output.data(), sizeof(head));
  if (head.deep_copy == nullptr) return OE_OK;
  if (!enclave.enclave.is_shared(head.deep_copy, head.deep_copy_size)) return OE_UNEXPECTED;
  auto* copy = static_cast<std::uint8_t*>(std::malloc(std::max<std::size_t>(head.deep_copy_size, 1)));
  if (copy != nullptr) std::memcpy(copy, head.deep_copy, head.deep_copy_size);
  enclave.enclave.release_shared(head.deep_copy);
  head.deep_copy = copy;
  std::memcpy(output.data(), &head, sizeof(head));
  return copy == nullptr ? OE_OUT_OF_MEMORY : OE_OK;
}

// And the other way: what an OCALL's generated code packed with malloc() goes to memory that the enclave reaches, which
// takes it from there.
bool export_deep_copy(oe_enclave_t& enclave, std::span<std::byte> output) {
  ReturnHead head;
  if (enclave.shares_all_memory || output.size() < sizeof(head)) return true;
  std::memcpy(&head, output.data(), sizeof(head));
  if (head.deep_copy == nullptr) return true;
  void* shared = enclave.enclave.allocate_shared(std::max<std::size_t>(head.deep_copy_size, 1));
  if (shared != nullptr) std::memcpy(shared, head.deep_copy, head.deep_copy_size);
  std::free(head.deep_copy);
  head.deep_copy = static_cast<std::uint8_t*>(shared);
  std::memcpy(output.data(), &head, sizeof(head));
  return shared != nullptr;
}

CallResult serve_log(const HostCall& call) {
  LogLevel head;
  if (call.input.size() < sizeof(head)) return {OE_INVALID_PARAMETER, 0};
  std::memcpy(&head, call.input.data(), sizeof(head));
  const auto text = call.input.subspan(sizeof(head));
  log_message(true, static_cast<oe_log_level_t>(std::min<std::uint32_t>(head.level, OE_LOG_LEVEL_VERBOSE)),
              std::string(reinterpret_cast<const char*>(text.data()), text.size()));
  return {OE_OK, 0};
}

}  // namespace

std::uint64_t number_of(const std::string& name) {
  static auto* const lock = new std::shared_mutex;  // never destroyed: for calls while the process ends
  static auto* const numbers = new std::unordered_map<std::string, std::uint64_t>;
  {
    const std::shared_lock held(*lock);
    if (const auto found = numbers->find(name); found != numbers->end()) return found->second;
  }
  const std::scoped_lock held(*lock);
  return numbers->try_emplace(name, numbers->size()).first->second;
}

oe_result_t call(oe_enclave_t& enclave, std::uint64_t index, std::span<const std::byte> input,
                 std::span<std::byte> output, std::size_t& written, bool switchless) {
  written = 0;
  if (enclave.aborted) return OE_ENCLAVE_ABORTING;
  if (in_its_ocall(enclave)) return OE_REENTRANT_ECALL;
  const Seat seat(enclave);
  if (!seat.taken()) return OE_OUT_OF_THREADS;
  std::fflush(stdout);  // before the enclave writes there
  const auto answer =
      switchless ? enclave.enclave.call_switchless(index, input, output) : enclave.enclave.call(index, input, output);
  if (!answer) return result_of(answer.error(), enclave);
  if (answer->status != 0) return result_of(answer->status);
  written = answer->written;
  return OE_OK;
}

CallResult serve_host_call(oe_enclave_t& enclave, const HostCall& call) {
  if (call.index == kHostLog) return serve_log(call);
  if (call.index >= enclave.ocalls.size() || enclave.ocalls[call.index] == nullptr) return {OE_NOT_FOUND, 0};
  const Serve here(enclave);
  std::size_t written = 0;
  // The function takes its input as it stands: the host trusts its enclave's memory no less than its own.
  enclave.ocalls[call.index](reinterpret_cast<const std::uint8_t*>(call.input.data()), call.input.size(),
                             reinterpret_cast<std::uint8_t*>(call.output.data()), call.output.size(), &written);
  std::fflush(stdout);
  if (!export_deep_copy(enclave, call.output.first(std::min(written, call.output.size()))))
    return {OE_OUT_OF_MEMORY, 0};
  // One that refuses its arguments has said why at the beginning of the output.
  if (written == 0) written = std::min(call.output.size(), sizeof(std::uint32_t));
  return {OE_OK, std::min(written, call.output.size())};
}

}  // namespace coffer::openenclave

using namespace coffer::openenclave;

namespace {

struct Buffers {
  const void* input;
  std::size_t input_size;
  void* output;
  std::size_t output_size;
  std::size_t* written;

  [[nodiscard]] bool complete() const {
    return written != nullptr && (input != nullptr || input_size == 0) && (output != nullptr || output_size == 0);
  }
};

oe_result_t call_by_name(oe_enclave_t* enclave, std::uint64_t* global_id, const char* name, const Buffers& buffers,
                         bool switchless) {
  if (enclave == nullptr || global_id == nullptr || name == nullptr || !buffers.complete()) {
    return OE_INVALID_PARAMETER;
  }
  std::uint64_t number = __atomic_load_n(global_id, __ATOMIC_RELAXED);
  if (number == OE_GLOBAL_ECALL_ID_NULL) {
    number = number_of(name);
    __atomic_store_n(global_id, number, __ATOMIC_RELAXED);
  }
  if (number >= enclave->ecalls.size() || enclave->ecalls[number] == OE_ECALL_ID_NULL) return OE_NOT_FOUND;
  const std::span<std::byte> output(static_cast<std::byte*>(buffers.output), buffers.output_size);
  const oe_result_t result =
      call(*enclave, enclave->ecalls[number], {static_cast<const std::byte*>(buffers.input), buffers.input_size},
           output, *buffers.written, switchless);
  if (result != OE_OK) return result;
  return import_deep_copy(*enclave, output.first(std::min(*buffers.written, output.size())));
}

}  // namespace

extern "C" {

oe_result_t oe_call_enclave_function(oe_enclave_t* enclave, uint64_t* global_id, const char* name,
                                     const void* input_buffer, size_t input_buffer_size, void* output_buffer,
                                     size_t output_buffer_size, size_t* output_bytes_written) {
  return call_by_name(enclave, global_id, name,
                      {input_buffer, input_buffer_size, output_buffer, output_buffer_size, output_bytes_written},
                      false);
}

oe_result_t oe_switchless_call_enclave_function(oe_enclave_t* enclave, uint64_t* global_id, const char* name,
                                                const void* input_buffer, size_t input_buffer_size, void* output_buffer,
                                                size_t output_buffer_size, size_t* output_bytes_written) {
  return call_by_name(enclave, global_id, name,
                      {input_buffer, input_buffer_size, output_buffer, output_buffer_size, output_bytes_written}, true);
}

void* coffer_oe_call_buffer(oe_enclave_t* enclave, size_t size) {
  return enclave == nullptr ? nullptr : enclave->enclave.allocate_shared(std::max<std::size_t>(size, 1));
}

void coffer_oe_free_call_buffer(oe_enclave_t* enclave, void* buffer) {
  if (enclave != nullptr && buffer != nullptr) enclave->enclave.release_shared(buffer);
}

bool coffer_oe_reaches(oe_enclave_t* enclave, const char* function, const char* parameter, const void* pointer) {
  if (enclave == nullptr || pointer == nullptr || enclave->shares_all_memory || in_its_ocall(*enclave)) return true;
  if (enclave->enclave.is_shared(pointer, 1)) return true;
  std::fprintf(stderr,
               "%s: parameter %s points to memory that the enclave cannot reach; take it from oe_host_malloc() of the "
               "enclave's, or run the enclave with OE_ENCLAVE_FLAG_DEBUG\n",
               function, parameter);
  return false;
}

}  // extern "C"
