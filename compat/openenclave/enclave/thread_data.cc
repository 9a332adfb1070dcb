#include "compat/openenclave/enclave/thread_data.h"

#include <openenclave/enclave.h>
#include <openenclave/internal/sgx/td.h>
#include <pthread.h>
#include <signal.h>

namespace {

thread_local _td own;

bool known(std::uint64_t type) { return type <= OE_SGX_EXCEPTION_CODE_MAXIMUM; }

// The kernel delivers on the handlers' stack as long as an exception is registered for it: what overflows a stack could
// not be handled on it. Cannot change while a handler runs there, and need not.
bool deliver_there(const _td& td, bool on) {
  stack_t stack = {};
  stack.ss_flags = on ? 0 : SS_DISABLE;
  stack.ss_sp = reinterpret_cast<void*>(td.handler_stack);
  stack.ss_size = td.handler_stack_size;
  return ::sigaltstack(&stack, nullptr) == 0;
}

}  // namespace

extern "C" {

oe_sgx_td_t* oe_sgx_get_td(void) { return &own; }

void* td_to_tcs(const oe_sgx_td_t* td) {
  if (td == &own && own.stack_end == 0) {
    pthread_attr_t attributes;
    void* lowest = nullptr;
    std::size_t size = 0;
    if (::pthread_getattr_np(::pthread_self(), &attributes) == 0) {
      if (::pthread_attr_getstack(&attributes, &lowest, &size) == 0) {
        own.stack_end = reinterpret_cast<std::uint64_t>(lowest) + size;
      }
      ::pthread_attr_destroy(&attributes);
    }
  }
  return reinterpret_cast<void*>(td->stack_end + OE_PAGE_SIZE);
}

bool oe_sgx_td_set_exception_handler_stack(oe_sgx_td_t* td, void* stack, uint64_t size) {
  if (td != &own) return false;
  if (stack != nullptr && (size < OE_PAGE_SIZE || !oe_is_within_enclave(stack, size))) return false;
  if (td->handler_codes != 0 && !deliver_there(*td, false)) return false;
  *td = {td->stack_end, reinterpret_cast<std::uint64_t>(stack), stack == nullptr ? 0 : size, 0};
  return true;
}

bool oe_sgx_td_register_exception_handler_stack(oe_sgx_td_t* td, uint64_t type) {
  if (td != &own || !known(type) || td->handler_stack == 0) return false;
  if (td->handler_codes == 0 && !deliver_there(*td, true)) return false;
  td->handler_codes |= std::uint64_t{1} << type;
  return true;
}

bool oe_sgx_td_unregister_exception_handler_stack(oe_sgx_td_t* td, uint64_t type) {
  if (td != &own || !known(type)) return false;
  const std::uint64_t left = td->handler_codes & ~(std::uint64_t{1} << type);
  if (left == 0 && td->handler_codes != 0 && !deliver_there(*td, false)) return false;
  td->handler_codes = left;
  return true;
}

bool oe_sgx_td_exception_handler_stack_registered(oe_sgx_td_t* td, uint64_t type) {
  return known(type) && (td->handler_codes >> type & 1) != 0;
}

}  // extern "C"
