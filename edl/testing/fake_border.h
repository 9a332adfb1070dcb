// Both libraries of <coffer/edge.h> in one process, for tests of generated code. "Inside" is memory of its own for each
// call, exactly as large as it is said to be, so that AddressSanitizer sees every byte too far.
#pragma once

#include <coffer/edge.h>

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

namespace coffer::edl::testing {

struct Border {
  // What a hostile host does to an ECALL's input before the enclave has it, and to its size; to an OCALL's answer; and
  // what an OCALL's status becomes.
  std::function<void(std::vector<std::byte>& input, std::size_t& output_size)> change_input;
  std::function<void(std::span<std::byte> answer)> change_answer;
  std::function<coffer_edge_status(coffer_edge_status)> change_status;
  // Told of the block that the host's half of an OCALL works in, and with nullptr when it is done.
  std::function<void(std::byte* input)> in_host;
  // Told what leaves the enclave: an OCALL's input, an ECALL's output.
  std::function<void(std::span<const std::byte>)> leaves;
  // What memory holds that nobody has written.
  std::byte junk{0xa5};

  // False: user_check pointers are refused.
  bool reachable = true;
  std::size_t refusals = 0;
  // Private ECALLs that were tried and refused.
  std::size_t not_allowed = 0;
};

// The one of this process.
Border& border();

}  // namespace coffer::edl::testing
