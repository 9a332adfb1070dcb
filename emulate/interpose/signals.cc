// Signal handlers, masks and alternate stacks of the program: its handlers run beside the processor's, and it can
// neither block nor take over the signals by which instructions are served.
#include <cerrno>
#include <csignal>

#include "emulate/interpose/real.h"
#include "processor/lanes.h"
#include "processor/raw_entry.h"

using namespace coffer;

namespace {

// What the program believes its alternate stack to be, once the processor has put its own there.
thread_local stack_t program_stack{nullptr, SS_DISABLE, 0};

int change_mask(int how, const sigset_t* set, sigset_t* previous) {
  sigset_t wanted;
  if (set != nullptr) {
    wanted = *set;
    if (how != SIG_UNBLOCK) processor::keep_unblocked(wanted);
  }
  return emulate::real::signal_mask(how, set == nullptr ? nullptr : &wanted, previous);
}

using Handler = void (*)(int);

Handler set_handler(int signal, Handler handler, int flags) {
  struct sigaction action{};
  struct sigaction previous{};
  action.sa_handler = handler;
  action.sa_flags = flags;
  return processor::program_sigaction(signal, &action, &previous) == 0 ? previous.sa_handler : SIG_ERR;
}

}  // namespace

extern "C" {

int sigaction(int signal, const struct sigaction* action, struct sigaction* previous) noexcept {
  return processor::program_sigaction(signal, action, previous);
}
Handler signal(int number, Handler handler) noexcept { return set_handler(number, handler, SA_RESTART); }
Handler bsd_signal(int number, Handler handler) noexcept { return set_handler(number, handler, SA_RESTART); }
Handler sysv_signal(int number, Handler handler) noexcept {
  return set_handler(number, handler, static_cast<int>(SA_RESETHAND | SA_NODEFER));
}

int sigprocmask(int how, const sigset_t* set, sigset_t* previous) noexcept { return change_mask(how, set, previous); }
int pthread_sigmask(int how, const sigset_t* set, sigset_t* previous) noexcept {
  return change_mask(how, set, previous) == 0 ? 0 : errno;
}

int sigaltstack(const stack_t* stack, stack_t* previous) noexcept {
  if (!processor::has_lane()) {
    const int answer = emulate::real::alternate_stack(stack, previous);
    if (answer == 0 && stack != nullptr) program_stack = *stack;
    return answer;
  }
  if (previous != nullptr) *previous = program_stack;
  if (stack != nullptr) program_stack = *stack;
  return 0;
}
}
