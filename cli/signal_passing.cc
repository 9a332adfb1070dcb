#include "cli/signal_passing.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>

#include "boundary/calls.h"

namespace coffer::cli {

namespace {

bool is_ignored(int signal) {
  struct sigaction action{};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

// The default of the signals that are passed: to end the process, but for two.
bool ends_by_default(int signal) { return signal != SIGCONT && signal != SIGWINCH; }

void act_by_default(int signal) {
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, signal);
  ::pthread_sigmask(SIG_UNBLOCK, &one, nullptr);
  ::raise(signal);
}

}  // namespace

SignalPassing::SignalPassing() : end_(::eventfd(0, EFD_CLOEXEC)) {
  ::signal(SIGPIPE, SIG_IGN);
  sigemptyset(&passed_);
  for (int signal : boundary::kHostSignals) {
    if (!is_ignored(signal)) sigaddset(&passed_, signal);
  }
  signals_ = FileDescriptor(::signalfd(-1, &passed_, SFD_CLOEXEC));
  if (!signals_ || !end_) return;  // a process without descriptors: signals act by default
  ::pthread_sigmask(SIG_BLOCK, &passed_, nullptr);
  thread_ = std::thread([this] { serve(); });
}

SignalPassing::~SignalPassing() {
  if (!thread_.joinable()) return;
  const std::uint64_t one = 1;
  (void)!::write(end_.get(), &one, sizeof(one));
  thread_.join();
  ::pthread_sigmask(SIG_UNBLOCK, &passed_, nullptr);
}

void SignalPassing::pass_to(Enclave& enclave) {
  const std::scoped_lock guard(lock_);
  enclave_ = &enclave;
}

void SignalPassing::stop() {
  const std::scoped_lock guard(lock_);
  enclave_ = nullptr;
}

int SignalPassing::ended_by() {
  const std::scoped_lock guard(lock_);
  return ended_by_;
}

void SignalPassing::take(int signal) {
  const std::scoped_lock guard(lock_);
  if (enclave_ != nullptr && enclave_->raise(signal)) return;
  if (!ends_by_default(signal)) return;
  // A second one ends this process whatever its enclave is at.
  if (enclave_ == nullptr || ended_by_ != 0) return act_by_default(signal);
  ended_by_ = signal;
  enclave_->destroy();
}

void SignalPassing::serve() {
  std::array<pollfd, 2> waiting = {{{signals_.get(), POLLIN, 0}, {end_.get(), POLLIN, 0}}};
  while (true) {
    if (::poll(waiting.data(), waiting.size(), -1) < 0) continue;
    if ((waiting[1].revents & POLLIN) != 0) return;
    signalfd_siginfo info{};
    if (::read(signals_.get(), &info, sizeof(info)) == sizeof(info)) take(static_cast<int>(info.ssi_signo));
  }
}

}  // namespace coffer::cli
