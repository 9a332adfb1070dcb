// A hostile host's blocks against generated trusted code: every ECALL of edl/testing/trip.edl takes any input of any
// size and any room for the output, in memory that is exactly as large. What succeeds has written all of its output.
#include <coffer/edge.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace {

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<std::byte, Free>;

Memory block(std::size_t size, int fill) {
  Memory memory(static_cast<std::byte*>(std::malloc(size != 0 ? size : 1)));
  if (!memory) std::abort();
  std::memset(memory.get(), fill, size);
  return memory;
}

}  // namespace

// The OCALLs that an ECALL makes: this host serves none.
extern "C" {
coffer_edge_status coffer_edge_ocall_begin(size_t, size_t, coffer_edge_blocks*) { return COFFER_EDGE_NO_MEMORY; }
coffer_edge_status coffer_edge_ocall_call(uint32_t, coffer_edge_blocks*) { return COFFER_EDGE_SYSTEM; }
void coffer_edge_ocall_end(coffer_edge_blocks*) {}
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4) return 0;
  const std::size_t function = data[0] % coffer_edge_program_interface.ecall_count;
  const std::size_t output_size = data[1] * std::size_t{data[2]};
  data += 4;
  size -= 4;
  Memory outputs[2];
  coffer_edge_status statuses[2];
  for (int round = 0; round < 2; ++round) {
    const Memory input = block(size, 0);
    std::memcpy(input.get(), data, size);
    outputs[round] = block(output_size, round == 0 ? 0x11 : 0xee);
    statuses[round] =
        coffer_edge_program_interface.ecalls[function].bridge(input.get(), size, outputs[round].get(), output_size);
  }
  if (statuses[0] != statuses[1]) std::abort();
  // Whatever unwritten memory held, the same leaves.
  if (statuses[0] == COFFER_EDGE_OK && std::memcmp(outputs[0].get(), outputs[1].get(), output_size) != 0) std::abort();
  return 0;
}
