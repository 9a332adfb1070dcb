#include "host/edge.h"

#include <cstdio>
#include <string>

namespace coffer {

namespace {

constexpr std::size_t kAlignment = COFFER_EDGE_ALIGNMENT;

Enclave& enclave_of(coffer_edge_enclave* enclave) { return *reinterpret_cast<Enclave*>(enclave); }

std::size_t aligned(std::size_t size) { return (size + kAlignment - 1) & ~(kAlignment - 1); }

// Why the last call of this thread went wrong, where there is more to say than its status.
std::string& last_words() {
  static thread_local std::string words;
  return words;
}

const char* usual_words(coffer_edge_status status) {
  switch (status) {
    case COFFER_EDGE_OK:
      return "the call went well";
    case COFFER_EDGE_NO_MEMORY:
      return "there is no memory left for the call's arguments or results";
    case COFFER_EDGE_INVALID:
      return "the call's arguments make no sense together: a size overflows, or lengths that must agree do not";
    case COFFER_EDGE_MALFORMED:
      return "the other side's bytes are not what its half of the generated code writes; build both from one EDL file";
    case COFFER_EDGE_UNREACHABLE:
      return "a user_check pointer points to memory that the enclave cannot reach";
    case COFFER_EDGE_NOT_ALLOWED:
      return "the function is private, and the running OCALL does not allow it";
    case COFFER_EDGE_NO_FUNCTION:
      return "the other side has no function of that number; build both from one EDL file";
    case COFFER_EDGE_EXCEPTION:
      return "the function ended with an exception, which stayed in the enclave";
    case COFFER_EDGE_OUT_OF_THREADS:
      return "every thread of the enclave serves a call";
    case COFFER_EDGE_LOST:
      return "the enclave has ended; load it again";
    case COFFER_EDGE_SYSTEM:
      return "the machine refused: memory, files or processes";
  }
  return "the other side gave a status that there is none of";
}

}  // namespace

CallResult host::answer_edge_call(const std::atomic<const coffer_edge_ocall_table*>& edge, const HostCall& call) {
  constexpr std::int64_t kNobody = -38;  // ENOSYS
  const coffer_edge_ocall_table* table = edge.load(std::memory_order_acquire);
  if (table == nullptr) return {kNobody, 0};
  if (call.index >= table->count) return {COFFER_EDGE_NO_FUNCTION, 0};
  const coffer_edge_status status =
      table->bridges[call.index](call.input.data(), call.input.size(), call.output.data(), call.output.size());
  return {status, status == COFFER_EDGE_OK ? call.output.size() : 0};
}

}  // namespace coffer

extern "C" {

coffer_edge_status coffer_edge_begin(coffer_edge_enclave* enclave, size_t input_size, size_t output_size,
                                     coffer_edge_blocks* blocks) {
  *blocks = {};
  blocks->input_size = input_size;
  blocks->output_size = output_size;
  const std::size_t first = coffer::aligned(input_size);
  const std::size_t size = first + coffer::aligned(output_size);
  if (first < input_size || size < first || size - first < output_size) return COFFER_EDGE_NO_MEMORY;
  if (size == 0) return COFFER_EDGE_OK;
  void* memory = coffer::enclave_of(enclave).allocate_shared(size);
  if (memory == nullptr) return COFFER_EDGE_NO_MEMORY;
  blocks->keeper = memory;
  blocks->input = memory;
  blocks->output = static_cast<char*>(memory) + first;
  return COFFER_EDGE_OK;
}

coffer_edge_status coffer_edge_call(coffer_edge_enclave* handle, uint32_t function, const char* /*name*/,
                                    bool switchless, const coffer_edge_ocall_table* ocalls,
                                    coffer_edge_blocks* blocks) {
  coffer::Enclave& enclave = coffer::enclave_of(handle);
  coffer::last_words().clear();
  if (ocalls != nullptr) enclave.use_edge(*ocalls);
  const std::span<const std::byte> input(static_cast<const std::byte*>(blocks->input), blocks->input_size);
  const std::span<std::byte> output(static_cast<std::byte*>(blocks->output), blocks->output_size);
  const auto result =
      switchless ? enclave.call_switchless(function, input, output) : enclave.call(function, input, output);
  if (!result) {
    coffer::last_words() = result.error().message;
    if (result.error().kind == coffer::ErrorKind::kLost) return COFFER_EDGE_LOST;
    return result.error().kind == coffer::ErrorKind::kInput ? COFFER_EDGE_NO_MEMORY : COFFER_EDGE_SYSTEM;
  }
  constexpr std::int64_t kNoMemoryInside = -12;  // coffer::calls::kNoMemory
  if (result->status == kNoMemoryInside) return COFFER_EDGE_NO_MEMORY;
  if (result->status < 0 || result->status > COFFER_EDGE_SYSTEM) return COFFER_EDGE_MALFORMED;
  const auto status = static_cast<coffer_edge_status>(result->status);
  if (status == COFFER_EDGE_OK && result->written != blocks->output_size) return COFFER_EDGE_MALFORMED;
  return status;
}

void coffer_edge_end(coffer_edge_enclave* enclave, coffer_edge_blocks* blocks) {
  if (blocks->keeper != nullptr) coffer::enclave_of(enclave).release_shared(blocks->keeper);
  *blocks = {};
}

bool coffer_edge_reaches(coffer_edge_enclave* enclave, const char* function, const char* parameter,
                         const void* pointer) {
  if (pointer == nullptr || coffer::enclave_of(enclave).is_shared(pointer, 1)) return true;
  std::fprintf(stderr,
               "coffer: %s(): the user_check pointer `%s' points to memory that the enclave cannot reach from its own "
               "process; use memory of coffer::Enclave::allocate_shared(), or the rung inline (COFFER_RUNG=inline)\n",
               function, parameter);
  return false;
}

const char* coffer_edge_describe(coffer_edge_status status) {
  const std::string& words = coffer::last_words();
  const bool more = status == COFFER_EDGE_LOST || status == COFFER_EDGE_NO_MEMORY || status == COFFER_EDGE_SYSTEM;
  return more && !words.empty() ? words.c_str() : coffer::usual_words(status);
}

}  // extern "C"
