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

// Panics where the host's block breaks the protocol: memory inside ELRANGE, counts that do not fit, a mount that the
// image does not declare.
void read_start_input(std::uint64_t address, std::uint64_t size, StartInput* input);

}  // namespace coffer::kernel
