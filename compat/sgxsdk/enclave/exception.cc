// <sgx_trts_exception.h>: the enclave kernel turns exceptions of the processor into signals, as Linux does; this turns
// those into the SDK's handlers.
#include <signal.h>
#include <ucontext.h>

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

#include "compat/sgxsdk/enclave/exception.h"
#include "compat/sgxsdk/include/sgx_trts_exception.h"

namespace coffer::sgxsdk {
namespace {

constexpr std::array kSignals = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};

struct Registered {
  sgx_exception_handler_t handler;
};
using Handlers = std::vector<Registered*>;

std::atomic<MemoryFaultHandler> memory_faults{nullptr};

// A handler may run at any instruction, so lists are never changed: a change makes a new one, and old ones stay.
std::atomic<const Handlers*> handlers{nullptr};
std::mutex changing;

struct Place {
  std::uint64_t sgx_cpu_context_t::* member;
  int number;
};
constexpr std::array<Place, 18> kPlaces = {{
    {&sgx_cpu_context_t::rax, REG_RAX},
    {&sgx_cpu_context_t::rcx, REG_RCX},
    {&sgx_cpu_context_t::rdx, REG_RDX},
    {&sgx_cpu_context_t::rbx, REG_RBX},
    {&sgx_cpu_context_t::rsp, REG_RSP},
    {&sgx_cpu_context_t::rbp, REG_RBP},
    {&sgx_cpu_context_t::rsi, REG_RSI},
    {&sgx_cpu_context_t::rdi, REG_RDI},
    {&sgx_cpu_context_t::r8, REG_R8},
    {&sgx_cpu_context_t::r9, REG_R9},
    {&sgx_cpu_context_t::r10, REG_R10},
    {&sgx_cpu_context_t::r11, REG_R11},
    {&sgx_cpu_context_t::r12, REG_R12},
    {&sgx_cpu_context_t::r13, REG_R13},
    {&sgx_cpu_context_t::r14, REG_R14},
    {&sgx_cpu_context_t::r15, REG_R15},
    {&sgx_cpu_context_t::rflags, REG_EFL},
    {&sgx_cpu_context_t::rip, REG_RIP},
}};

void on_signal(int signal, siginfo_t*, void* context) {
  auto* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  if (const MemoryFaultHandler handler = memory_faults.load(); handler != nullptr && signal == SIGSEGV) {
    if (handler(*static_cast<const ucontext_t*>(context))) return;
  }
  sgx_exception_info_t info{};
  for (const Place& place : kPlaces)
    info.cpu_context.*place.member = static_cast<std::uint64_t>(registers[place.number]);
  info.exception_vector = static_cast<sgx_exception_vector_t>(registers[REG_TRAPNO]);
  info.exception_type =
      info.exception_vector == SGX_EXCEPTION_VECTOR_BP ? SGX_EXCEPTION_SOFTWARE : SGX_EXCEPTION_HARDWARE;
  info.exception_valid = 1;
  if (info.exception_vector == SGX_EXCEPTION_VECTOR_PF || info.exception_vector == SGX_EXCEPTION_VECTOR_GP) {
    info.exinfo.faulting_address = static_cast<std::uint64_t>(registers[REG_CR2]);
    info.exinfo.error_code = static_cast<std::uint32_t>(registers[REG_ERR]);
  }
  if (const Handlers* list = handlers.load()) {
    for (const Registered* registered : *list) {
      if (registered->handler(&info) != EXCEPTION_CONTINUE_EXECUTION) continue;
      for (const Place& place : kPlaces) {
        registers[place.number] = static_cast<greg_t>(info.cpu_context.*place.member);
      }
      return;
    }
  }
  // Nobody's: the instruction faults again, and that ends the enclave where the mistake is.
  ::signal(signal, SIG_DFL);
}

void catch_signals() {
  struct sigaction action{};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  for (const int signal : kSignals) ::sigaction(signal, &action, nullptr);
}

}  // namespace

void handle_memory_faults(MemoryFaultHandler handler) {
  memory_faults.store(handler);
  catch_signals();
}

}  // namespace coffer::sgxsdk

using namespace coffer::sgxsdk;

extern "C" {

void* sgx_register_exception_handler(int is_first_handler, sgx_exception_handler_t exception_handler) {
  if (exception_handler == nullptr) return nullptr;
  const std::scoped_lock guard(changing);
  try {
    const Handlers* old = handlers.load();
    auto list = std::make_unique<Handlers>(old == nullptr ? Handlers{} : *old);
    auto registered = std::make_unique<Registered>(exception_handler);
    list->insert(is_first_handler != 0 ? list->begin() : list->end(), registered.get());
    if (old == nullptr) catch_signals();
    handlers.store(list.release());
    return registered.release();
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

int sgx_unregister_exception_handler(void* handler) {
  if (handler == nullptr) return 0;
  const std::scoped_lock guard(changing);
  const Handlers* old = handlers.load();
  if (old == nullptr) return 0;
  try {
    auto list = std::make_unique<Handlers>(*old);
    if (std::erase(*list, static_cast<Registered*>(handler)) == 0) return 0;
    handlers.store(list.release());
    return 1;
  } catch (const std::bad_alloc&) {
    return 0;
  }
}

}  // extern "C"
