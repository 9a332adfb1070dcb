// The program of an enclave of the SDK: it serves calls. Constructors have run by now.
#include <coffer/calls.h>

#include <cstdlib>

#include "compat/sgxsdk/enclave/edge.h"
#include "compat/sgxsdk/protocol.h"

extern "C" {
// What the compiler's start files have elsewhere; an enclave is linked without them.
__attribute__((visibility("hidden"))) void* __dso_handle = nullptr;
void _init() {}
void _fini() {}
}

namespace {

// Measured with the image, so not the host's word.
std::uint32_t calls_at_once() {
  const char* text = std::getenv(coffer::sgxsdk::kTcsVariableName);
  const long number = text == nullptr ? 1 : std::strtol(text, nullptr, 10);
  return number < 1 ? 1 : static_cast<std::uint32_t>(number);
}

}  // namespace

int main() { coffer::calls::serve(coffer::sgxsdk::serve_call, nullptr, calls_at_once()); }
