// The inner half of what generated code calls (<coffer/edge.h>).
#include <coffer/calls.h>
#include <coffer/edge.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <span>

#include "enclave/sdk/calls/edge.h"

namespace coffer::calls {

namespace {

std::size_t aligned(std::size_t size) {
  constexpr std::size_t kAlignment = COFFER_EDGE_ALIGNMENT;
  return (size + kAlignment - 1) & ~(kAlignment - 1);
}

// A private function is called from OCALLs that allow it; any function in an OCALL must be allowed by it.
bool allowed(const coffer_edge_interface& edge, const IncomingCall& call) {
  if (!call.nested_in) return !edge.ecalls[call.index].is_private;
  if (*call.nested_in >= edge.ocall_count) return false;
  const coffer_edge_ocall& ocall = edge.ocalls[*call.nested_in];
  const std::span<const std::uint32_t> allows(ocall.allows, ocall.allow_count);
  return std::ranges::find(allows, call.index) != allows.end();
}

}  // namespace

std::int64_t serve_edge_call(void* context, IncomingCall& call) {
  const auto& edge = *static_cast<const coffer_edge_interface*>(context);
  if (call.index >= edge.ecall_count) return COFFER_EDGE_NO_FUNCTION;
  asm volatile("lfence" ::: "memory");  // the number is the host's: no entry beyond the table, not even guessed
  if (!allowed(edge, call)) return COFFER_EDGE_NOT_ALLOWED;
  // The argument is the enclave's own copy, and the bridge's from now on.
  auto* input = const_cast<std::byte*>(call.input.data());
  const coffer_edge_status status =
      edge.ecalls[call.index].bridge(input, call.input.size(), call.output.data(), call.output.size());
  if (status == COFFER_EDGE_OK) call.written = call.output.size();
  return status;
}

}  // namespace coffer::calls

extern "C" {

coffer_edge_status coffer_edge_ocall_begin(size_t input_size, size_t output_size, coffer_edge_blocks* blocks) {
  *blocks = {};
  blocks->input_size = input_size;
  blocks->output_size = output_size;
  const std::size_t first = coffer::calls::aligned(input_size);
  const std::size_t size = first + coffer::calls::aligned(output_size);
  if (first < input_size || size < first || size - first < output_size) return COFFER_EDGE_NO_MEMORY;
  if (size == 0) return COFFER_EDGE_OK;
  auto* keeper = new (std::nothrow) coffer::calls::SharedBlock(size);
  if (keeper == nullptr || keeper->bytes().empty()) {
    delete keeper;
    return COFFER_EDGE_NO_MEMORY;
  }
  blocks->keeper = keeper;
  blocks->input = keeper->bytes().data();
  blocks->output = keeper->bytes().data() + first;
  return COFFER_EDGE_OK;
}

coffer_edge_status coffer_edge_ocall_call(uint32_t function, coffer_edge_blocks* blocks) {
  const std::span<const std::byte> input(static_cast<const std::byte*>(blocks->input), blocks->input_size);
  const std::span<std::byte> output(static_cast<std::byte*>(blocks->output), blocks->output_size);
  const coffer_edge_interface& edge = coffer_edge_program_interface;
  const bool switchless = function < edge.ocall_count && edge.ocalls[function].switchless;
  const auto answer = switchless ? coffer::calls::call_host_switchless(function, input, output)
                                 : coffer::calls::call_host(function, input, output);
  if (!answer) return COFFER_EDGE_SYSTEM;
  constexpr std::int64_t kNobody = -38, kThrown = -125;  // what the host library says in the function's place
  if (answer->status == kNobody) return COFFER_EDGE_NO_FUNCTION;
  if (answer->status == kThrown) return COFFER_EDGE_EXCEPTION;
  if (answer->status < 0 || answer->status > COFFER_EDGE_SYSTEM) return COFFER_EDGE_MALFORMED;
  const auto status = static_cast<coffer_edge_status>(answer->status);
  if (status == COFFER_EDGE_OK && answer->written != blocks->output_size) return COFFER_EDGE_MALFORMED;
  return status;
}

void coffer_edge_ocall_end(coffer_edge_blocks* blocks) {
  delete static_cast<coffer::calls::SharedBlock*>(blocks->keeper);
  *blocks = {};
}

}  // extern "C"
