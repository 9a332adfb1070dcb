#include "compat/sgxsdk/enclave/testing/fake_calls.h"

#include <cstdlib>

namespace coffer {

namespace sgxsdk::testing {

std::function<calls::HostAnswer(std::uint64_t, std::span<const std::byte>, std::span<std::byte>)> host;
int shared_pieces = 0;
bool shared_memory_left = true;

}  // namespace sgxsdk::testing

namespace calls {

namespace fake = sgxsdk::testing;

void* allocate_shared(std::size_t size) {
  if (!fake::shared_memory_left) return nullptr;
  ++fake::shared_pieces;
  return std::malloc(size + 1);
}
void release_shared(void* memory) {
  if (memory != nullptr) --fake::shared_pieces;
  std::free(memory);
}

SharedBlock::SharedBlock(std::size_t size) : size_(size), own_(true) {
  if (size != 0) begin_ = static_cast<std::byte*>(allocate_shared(size));
  if (begin_ == nullptr) size_ = 0;
}
SharedBlock::~SharedBlock() {
  if (own_) release_shared(begin_);
}

Outcome<HostAnswer> call_host(std::uint64_t index, std::span<const std::byte> input, std::span<std::byte> output) {
  return fake::host(index, input, output);
}
Outcome<HostAnswer> call_host_switchless(std::uint64_t index, std::span<const std::byte> input,
                                         std::span<std::byte> output) {
  return fake::host(index + 1000, input, output);
}

}  // namespace calls
}  // namespace coffer
