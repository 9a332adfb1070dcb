// Signals that come to this process are the program's in the enclave, where it takes them.
#pragma once

#include <coffer/host.h>

#include <csignal>
#include <mutex>
#include <thread>

#include "base/file.h"

namespace coffer::cli {

// Blocks the signals that an enclave can be given, in the calling thread and all that it makes, and takes them on a
// thread of its own. Until pass_to() each has its default effect on this process; where the program takes no signals,
// those that would end the process destroy the enclave, and ended_by() says so, for an orderly end. Signals that this
// process ignores (nohup) go on being ignored. SIGPIPE is left to the program, too: a write that nobody reads is an
// error of its own.
class SignalPassing {
 public:
  SignalPassing();
  ~SignalPassing();
  SignalPassing(const SignalPassing&) = delete;
  SignalPassing& operator=(const SignalPassing&) = delete;

  // `enclave` stays where it is until stop().
  void pass_to(Enclave& enclave);
  void stop();
  // The signal that destroyed the enclave; 0: none. This process then ends by it too.
  [[nodiscard]] int ended_by();

 private:
  void serve();
  void take(int signal);

  sigset_t passed_{};
  FileDescriptor signals_, end_;
  std::mutex lock_;
  Enclave* enclave_ = nullptr;
  int ended_by_ = 0;
  std::thread thread_;
};

}  // namespace coffer::cli
