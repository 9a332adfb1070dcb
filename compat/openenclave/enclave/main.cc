// The main program of an enclave of Open Enclave's: it serves calls. Its own constructor comes before the program's.
#include <coffer/calls.h>
#include <openenclave/edger8r/enclave.h>
#include <openenclave/enclave.h>
#include <pthread.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "compat/openenclave/enclave/parts.h"
#include "compat/openenclave/enclave/settings.h"
#include "compat/openenclave/protocol.h"

oe_enclave_t* oe_enclave = nullptr;
bool oe_edger8r_secure_unserialize = true;

// Defined by the program's generated code.
extern "C" const oe_ecall_func_t oe_ecalls_table[];
extern "C" const size_t oe_ecalls_table_size;

namespace coffer::openenclave {
namespace {

using calls::IncomingCall;

struct ReturnHead {  // every result of generated code begins so
  std::uint32_t result, reserved;
  std::uint8_t* deep_copy;
  std::size_t deep_copy_size;
};

// What structures of the result point to stands in enclave memory; the host gets it in memory that it reaches.
oe_result_t export_deep_copy(IncomingCall& call) {
  ReturnHead head;
  if (call.written < sizeof(head)) return OE_OK;
  std::memcpy(&head, call.output.data(), sizeof(head));
  if (head.deep_copy == nullptr) return OE_OK;
  void* shared = head.deep_copy_size == 0 ? nullptr : calls::allocate_shared(head.deep_copy_size);
  const bool failed = shared == nullptr && head.deep_copy_size != 0;
  if (shared != nullptr) std::memcpy(shared, head.deep_copy, head.deep_copy_size);
  std::free(head.deep_copy);
  head.deep_copy = static_cast<std::uint8_t*>(shared);
  std::memcpy(call.output.data(), &head, sizeof(head));
  return failed ? OE_OUT_OF_MEMORY : OE_OK;
}

oe_result_t call_function(IncomingCall& call) {
  if (call.index >= oe_ecalls_table_size || oe_ecalls_table[call.index] == nullptr) return OE_NOT_FOUND;
  oe_lfence();  // no speculation with a number that is not in the table
  const auto* input = reinterpret_cast<const std::uint8_t*>(call.input.data());
  oe_ecalls_table[call.index](input, call.input.size(), reinterpret_cast<std::uint8_t*>(call.output.data()),
                              call.output.size(), &call.written);
  if (call.written == 0 && call.output.size() >= sizeof(std::uint32_t)) {
    call.written = sizeof(std::uint32_t);  // refused: why, and nothing else
    return OE_OK;
  }
  return export_deep_copy(call);
}

oe_result_t serve_internal(IncomingCall& call) {
  switch (call.index) {
    case kTerminate:
      std::exit(0);
    case kSetLogLevel:
      return call.input.size() == sizeof(LogLevel)
                 ? set_log_level(reinterpret_cast<const LogLevel*>(call.input.data())->level)
                 : OE_INVALID_PARAMETER;
    case kGetReport:
      return report_for_host(call);
    case kVerifyReport:
      return oe_verify_report(reinterpret_cast<const std::uint8_t*>(call.input.data()), call.input.size(), nullptr);
    case kGetPublicKey:
      return public_key_for_host(call);
    default:
      return OE_NOT_FOUND;
  }
}

// An exception of C++ that leaves a function of the program ends the enclave.
std::int64_t serve(void*, IncomingCall& call) noexcept {
  if (call.nested_in) return OE_REENTRANT_ECALL;
  const oe_result_t result = call.index >= kFirstInternalCall ? serve_internal(call) : call_function(call);
  forget_handler_stack();
  std::fflush(stdout);  // before the host goes on
  return result;
}

__attribute__((constructor(101))) void prepare() {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  oe_enclave = reinterpret_cast<oe_enclave_t*>(settings().handle);
  prepare_exceptions();
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return;
  if (pthread_attr_setstacksize(&attributes, stack_bytes()) == 0) pthread_setattr_default_np(&attributes);
  pthread_attr_destroy(&attributes);
}

}  // namespace
}  // namespace coffer::openenclave

extern "C" oe_enclave_t* oe_get_enclave(void) { return oe_enclave; }

int main() { coffer::calls::serve(coffer::openenclave::serve, nullptr, coffer::openenclave::settings().tcs); }
