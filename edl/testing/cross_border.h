// The border that the tests of both SDKs' dialects cross: copies that are exactly as large as they are said to be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace coffer::edl::testing {

struct CrossBorder {
  // A hostile host: an ECALL's input and room for output, an OCALL's answer.
  std::function<void(std::vector<std::byte>& input, std::size_t& output_size)> change_input;
  std::function<void(std::span<std::byte> answer)> change_answer;
  // Told what leaves the enclave.
  std::function<void(std::span<const std::byte>)> leaves;
  // What memory holds that nobody has written.
  std::byte junk{0xa5};
};
inline CrossBorder& cross_border() {
  static CrossBorder the_one;
  return the_one;
}

struct FreeBlock {
  void operator()(std::byte* memory) const { std::free(memory); }
};
using Block = std::unique_ptr<std::byte, FreeBlock>;
inline Block make_block(std::size_t size) {
  constexpr std::size_t kMost = std::size_t{1} << 30;
  if (size > kMost) return nullptr;
  Block block(static_cast<std::byte*>(std::malloc(size != 0 ? size : 1)));
  if (block) std::memset(block.get(), static_cast<int>(cross_border().junk), size);
  return block;
}

// Memory of the host's, in which what nobody writes says nothing of the enclave.
inline Block make_host_block(std::size_t size) {
  Block block = make_block(size);
  if (block) std::memset(block.get(), 0, size);
  return block;
}

// One ECALL: copies in, runs `bridge(input, input_size, output, output_size)`, and copies out where it says that its
// output is whole. False: it was refused.
template <class Bridge>
bool cross_in(std::span<const std::byte> input, std::span<std::byte> output, const Bridge& bridge) {
  std::vector<std::byte> bytes(input.begin(), input.end());
  std::size_t output_size = output.size();
  if (cross_border().change_input) cross_border().change_input(bytes, output_size);
  const Block own_input = make_block(bytes.size()), own_output = make_block(output_size);
  if (!bytes.empty()) std::memcpy(own_input.get(), bytes.data(), bytes.size());
  if (!bridge(own_input.get(), bytes.size(), own_output.get(), output_size)) return false;
  if (cross_border().leaves) cross_border().leaves({own_output.get(), output_size});
  std::memcpy(output.data(), own_output.get(), std::min(output_size, output.size()));
  return true;
}

}  // namespace coffer::edl::testing
