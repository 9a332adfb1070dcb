// What the host says at the start, copied into the enclave once and checked. Freestanding.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "boundary/calls.h"

namespace coffer::kernel {

struct StartInput {
  boundary::StartInfo info;
  std::vector<char> strings;  // NUL-terminated, one after another
  std::vector<std::string_view> arguments;
  std::vector<std::string_view> environment;  // only what the image allows, and what it sets itself
  std::vector<boundary::MountInfo> mounts;    // only what the image declares, as it declares it
};

// The two steps of copying it. Both panic where the host's block breaks the protocol: memory inside ELRANGE, counts
// that do not fit, a mount that the image does not declare.
//
// The first fills input->info and remembers the host's CPUID table, for an enclave whose XFRM is `xfrm`. It asks for no
// memory, does not execute CPUID, and comes before everything that does.
void read_start_info(std::uint64_t address, std::uint64_t size, std::uint64_t xfrm, StartInput* input);
// The rest, after init_memory().
void read_start_input(std::uint64_t address, std::uint64_t size, StartInput* input);

}  // namespace coffer::kernel
