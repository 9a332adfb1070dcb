// Small things for host programs: errors that end them, flags from the environment.
#include <openenclave/host.h>
#include <openenclave/internal/cpuid.h>
#include <openenclave/internal/error.h>
#include <openenclave/internal/tests.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace {
const char* program_name = nullptr;
}

extern "C" {

const uint32_t supported_cpuid_leaves[OE_CPUID_LEAF_COUNT] = {0, 1, 4, 7, 0x80000000, 0x80000001};

void oe_set_program_name(const char* name) { program_name = name; }

void __oe_put_err(const char* file, unsigned int line, const char* format, ...) {
  std::fflush(stdout);
  std::fprintf(stderr, "%s: error: %s(%u): ", program_name == nullptr ? program_invocation_short_name : program_name,
               file, line);
  va_list arguments;
  va_start(arguments, format);
  std::vfprintf(stderr, format, arguments);
  va_end(arguments);
  std::fputc('\n', stderr);
  std::exit(1);
}

uint32_t oe_get_create_flags(void) {
  const char* simulation = std::getenv("OE_SIMULATION");
  const bool simulate = simulation != nullptr && std::string_view(simulation) == "1";
  return OE_ENCLAVE_FLAG_DEBUG | (simulate ? OE_ENCLAVE_FLAG_SIMULATE : 0);
}

}  // extern "C"
