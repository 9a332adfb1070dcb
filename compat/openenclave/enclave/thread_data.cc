#include "compat/openenclave/enclave/thread_data.h"

#include <openenclave/enclave.h>
#include <openenclave/internal/sgx/td.h>
#include <pthread.h>
#include <signal.h>

#include "compat/openenclave/enclave/parts.h"

namespace {

thread_local _td own;

bool known(std::uint64_t type) { return type <= OE_SGX_EXCEPTION_CODE_MAXIMUM; }

// The kernel delivers on the handlers' stack while there is one and an exception is registered for it: what overflows a
// stack could not be handled on it. That cannot change while a handler runs there.
bool delivers_there(const _td& td) { return td.handler_stack != 0 && td.handler_codes != 0; }

bool change(const _td& to) {
  const bool same_place = to.handler_stack == own.handler_stack && to.handler_stack_size == own.handler_stack_size;
  if (delivers_there(to) != delivers_there(own) || (delivers_there(to) && !same_place)) {
    stack_t stack = {};
    stack.ss_flags = delivers_there(to) ? 0 : SS_DISABLE;
    stack.ss_sp = reinterpret_cast<void*>(to.handler_stack);
    stack.ss_size = to.handler_stack_size;
    if (::sigaltstack(&stack, nullptr) != 0) return false;
  }
  own = to;
  return true;
}

}  // namespace

namespace coffer::openenclave {
void forget_handler_stack() {
  if (own.handler_stack != 0 || own.handler_codes != 0) (void)change({.stack_end = own.stack_end});
}
}  // namespace coffer::openenclave

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
  _td changed = *td;
  changed.handler_stack = reinterpret_cast<std::uint64_t>(stack);
  changed.handler_stack_size = stack == nullptr ? 0 : size;
  return change(changed);
}

bool oe_sgx_td_register_exception_handler_stack(oe_sgx_td_t* td, uint64_t type) {
  if (td != &own || !known(type)) return false;
  _td changed = *td;
  changed.handler_codes |= std::uint64_t{1} << type;
  return change(changed);
}

bool oe_sgx_td_unregister_exception_handler_stack(oe_sgx_td_t* td, uint64_t type) {
  if (td != &own || !known(type)) return false;
  _td changed = *td;
  changed.handler_codes &= ~(std::uint64_t{1} << type);
  return change(changed);
}

bool oe_sgx_td_exception_handler_stack_registered(oe_sgx_td_t* td, uint64_t type) {
  return known(type) && (td->handler_codes >> type & 1) != 0;
}

}  // extern "C"
