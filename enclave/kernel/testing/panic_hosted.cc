// panic() for hosted unit tests that need nothing else of the core.
#include <cstdio>
#include <cstdlib>

#include "enclave/kernel/core/kernel.h"

namespace coffer::kernel {

void panic(std::string_view why) {
  std::fprintf(stderr, "enclave panic: %.*s\n", static_cast<int>(why.size()), why.data());
  std::abort();
}

}  // namespace coffer::kernel
