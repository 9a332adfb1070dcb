// The Intel SGX SDK's EDL compiler by its name, for builds that look for it.
#include "edl/command.h"

int main(int count, char** arguments) {
  if (count < 1) return 1;
  return coffer::edl::run_sgx_edger8r(std::span(arguments, static_cast<std::size_t>(count)).subspan(1));
}
