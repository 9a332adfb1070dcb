#include "host/hardware/interrupts.h"

#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <csignal>

#include <cerrno>
#include <mutex>

#include "boundary/calls.h"
#include "sgx/offsets.h"

namespace coffer::host::hardware {

namespace {

thread_local Stay* current_stay = nullptr;
thread_local bool unblocked = false;
struct sigaction previous_trap;

// Not the software processor's, which `coffer emulate` puts into this process.
int interrupt_signal() { return SIGRTMIN + 5; }

std::uint64_t get(const ucontext_t* context, int index) {
  return static_cast<std::uint64_t>(context->uc_mcontext.gregs[index]);
}
void set(ucontext_t* context, int index, std::uint64_t value) {
  context->uc_mcontext.gregs[index] = static_cast<greg_t>(value);
}

bool at_enclu(const ucontext_t* context, const Stay& stay) {
  const std::uint64_t leaf = get(context, REG_RAX);
  return (leaf == SGX_ENCLU_EENTER || leaf == SGX_ENCLU_ERESUME) && get(context, REG_RBX) == stay.tcs &&
         get(context, REG_RCX) == get(context, REG_RIP);
}

void enter_handler(ucontext_t* context, Stay& stay) {
  set(context, REG_RAX, SGX_ENCLU_EENTER);
  set(context, REG_RDI, static_cast<std::uint64_t>(boundary::EnterCommand::kException));
  for (const int index : {REG_RSI, REG_RDX, REG_R8, REG_R9}) set(context, index, 0);
  stay.handling = true;
  stay.handler_entered = true;
}

// True where the signal was the enclave's affair.
bool serve(int signal, ucontext_t* context, Stay& stay) {
  if (!at_enclu(context, stay)) return false;
  if (stay.stop->load(std::memory_order_relaxed)) {
    set(context, REG_RBX, 0);  // no TCS stands there: ENCLU faults
    return true;
  }
  if (get(context, REG_RAX) != SGX_ENCLU_ERESUME) return false;  // on its way in
  if (signal == SIGTRAP) {  // #BP or #DB, which the kernel does not tell the vDSO of; the state is in the SSA
    enter_handler(context, stay);
    return true;
  }
  if (!stay.handling && stay.lot->take_notice(stay.thread)) enter_handler(context, stay);
  return true;
}

void chain_trap(int signal, siginfo_t* info, void* context) {
  if ((previous_trap.sa_flags & SA_SIGINFO) != 0) return previous_trap.sa_sigaction(signal, info, context);
  if (previous_trap.sa_handler == SIG_IGN) return;
  if (previous_trap.sa_handler != SIG_DFL) return previous_trap.sa_handler(signal);
  struct sigaction action{};
  ::sigaction(signal, &action, nullptr);
  ::syscall(SYS_tgkill, ::getpid(), ::gettid(), signal);  // delivered when this handler returns
}

void on_signal(int signal, siginfo_t* info, void* raw) {
  const int saved_errno = errno;
  Stay* stay = current_stay;
  const bool served = stay != nullptr && serve(signal, static_cast<ucontext_t*>(raw), *stay);
  if (!served && signal == SIGTRAP) chain_trap(signal, info, raw);
  errno = saved_errno;
}

Result<void> install(int signal, struct sigaction* previous) {
  struct sigaction action{};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigemptyset(&action.sa_mask);
  if (::sigaction(signal, &action, previous) != 0) return system_error("cannot install a signal handler", errno);
  return {};
}

}  // namespace

Result<void> install_interrupts() {
  static std::once_flag once;
  static Result<void> result;
  std::call_once(once, [] {
    result = install(interrupt_signal(), nullptr);
    if (result) result = install(SIGTRAP, &previous_trap);
  });
  return result;
}

std::uint64_t current_thread_id() { return static_cast<std::uint64_t>(::gettid()); }

void interrupt_host_thread(std::uint64_t thread_id) {
  ::syscall(SYS_tgkill, ::getpid(), static_cast<pid_t>(thread_id), interrupt_signal());
}

StayGuard::StayGuard(Stay& stay) {
  if (!unblocked) {
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, interrupt_signal());
    sigaddset(&ours, SIGTRAP);
    ::pthread_sigmask(SIG_UNBLOCK, &ours, nullptr);
    unblocked = true;
  }
  current_stay = &stay;
}

StayGuard::~StayGuard() { current_stay = nullptr; }

}  // namespace coffer::host::hardware
