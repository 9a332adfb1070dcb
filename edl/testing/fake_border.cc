#include "edl/testing/fake_border.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

namespace coffer::edl::testing {
namespace {

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<std::byte, Free>;

// Of exactly `size` bytes, which hold junk. malloc aligns to 16.
Memory make(std::size_t size) {
  Memory memory(static_cast<std::byte*>(std::malloc(size != 0 ? size : 1)));
  if (memory) std::memset(memory.get(), static_cast<int>(border().junk), size);
  return memory;
}

// The OCALLs that the running thread waits in, innermost last; and the table of the ECALL that it is in.
thread_local std::vector<const coffer_edge_ocall*> waiting;
thread_local const coffer_edge_ocall_table* table = nullptr;

bool take(std::size_t input_size, std::size_t output_size, coffer_edge_blocks* blocks) {
  constexpr std::size_t kLimit = std::size_t{1} << 30;
  if (input_size > kLimit || output_size > kLimit) return false;
  blocks->input = make(input_size).release();
  blocks->output = make(output_size).release();
  blocks->input_size = input_size;
  blocks->output_size = output_size;
  return true;
}
void give_back(coffer_edge_blocks* blocks) {
  std::free(blocks->input);
  std::free(blocks->output);
}

bool allowed(std::uint32_t function) {
  if (waiting.empty()) return !coffer_edge_program_interface.ecalls[function].is_private;
  const coffer_edge_ocall& ocall = *waiting.back();
  for (std::size_t i = 0; i < ocall.allow_count; ++i) {
    if (ocall.allows[i] == function) return true;
  }
  return false;
}

void leave(std::span<const std::byte> bytes) {
  if (border().leaves) border().leaves(bytes);
}

}  // namespace

Border& border() {
  static Border the_one;
  return the_one;
}

}  // namespace coffer::edl::testing

using coffer::edl::testing::border;

extern "C" {

coffer_edge_status coffer_edge_begin(coffer_edge_enclave*, size_t input_size, size_t output_size,
                                     coffer_edge_blocks* blocks) {
  return coffer::edl::testing::take(input_size, output_size, blocks) ? COFFER_EDGE_OK : COFFER_EDGE_NO_MEMORY;
}
void coffer_edge_end(coffer_edge_enclave*, coffer_edge_blocks* blocks) { coffer::edl::testing::give_back(blocks); }

coffer_edge_status coffer_edge_call(coffer_edge_enclave*, uint32_t function, const char*, bool,
                                    const coffer_edge_ocall_table* ocalls, coffer_edge_blocks* blocks) {
  using namespace coffer::edl::testing;
  if (function >= coffer_edge_program_interface.ecall_count) return COFFER_EDGE_NO_FUNCTION;
  if (!allowed(function)) {
    ++border().not_allowed;
    return COFFER_EDGE_NOT_ALLOWED;
  }
  const auto* given = static_cast<const std::byte*>(blocks->input);
  std::vector<std::byte> bytes(given, given + blocks->input_size);
  std::size_t output_size = blocks->output_size;
  if (border().change_input) border().change_input(bytes, output_size);
  const Memory input = make(bytes.size());
  const Memory output = make(output_size);
  if (!bytes.empty()) std::memcpy(input.get(), bytes.data(), bytes.size());
  const auto* outer = std::exchange(table, ocalls);
  const coffer_edge_status status =
      coffer_edge_program_interface.ecalls[function].bridge(input.get(), bytes.size(), output.get(), output_size);
  table = outer;
  if (status != COFFER_EDGE_OK) return status;
  leave({output.get(), output_size});
  std::memcpy(blocks->output, output.get(), std::min(output_size, blocks->output_size));
  return COFFER_EDGE_OK;
}

bool coffer_edge_reaches(coffer_edge_enclave*, const char*, const char*, const void* pointer) {
  if (pointer == nullptr || border().reachable) return true;
  ++border().refusals;
  return false;
}

const char* coffer_edge_describe(coffer_edge_status status) {
  static const char* const words[] = {"ok",          "no memory",   "invalid",   "malformed",      "unreachable",
                                      "not allowed", "no function", "exception", "out of threads", "lost",
                                      "system"};
  return words[status];
}

coffer_edge_status coffer_edge_ocall_begin(size_t input_size, size_t output_size, coffer_edge_blocks* blocks) {
  return coffer::edl::testing::take(input_size, output_size, blocks) ? COFFER_EDGE_OK : COFFER_EDGE_NO_MEMORY;
}
void coffer_edge_ocall_end(coffer_edge_blocks* blocks) { coffer::edl::testing::give_back(blocks); }

coffer_edge_status coffer_edge_ocall_call(uint32_t function, coffer_edge_blocks* blocks) {
  using namespace coffer::edl::testing;
  if (table == nullptr || function >= table->count) return COFFER_EDGE_NO_FUNCTION;
  leave({static_cast<const std::byte*>(blocks->input), blocks->input_size});
  waiting.push_back(&coffer_edge_program_interface.ocalls[function]);
  if (border().in_host) border().in_host(static_cast<std::byte*>(blocks->input));
  coffer_edge_status status =
      table->bridges[function](blocks->input, blocks->input_size, blocks->output, blocks->output_size);
  if (border().in_host) border().in_host(nullptr);
  waiting.pop_back();
  if (border().change_answer) border().change_answer({static_cast<std::byte*>(blocks->output), blocks->output_size});
  if (border().change_status) status = border().change_status(status);
  return status;
}

}  // extern "C"
