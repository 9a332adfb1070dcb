// What a call into a cell is compared with: bare round trips between two processes over a word of shared memory.
#pragma once

#include <functional>
#include <memory>

#include "base/result.h"

namespace coffer::bench {

enum class Waiting {
  kFutex,  // each side sleeps until the other wakes it; both on one CPU, the fastest for sleepers
  kSpin,   // each side spins, each on a CPU of its own
};

// A partner process that answers round trips, ended with this object. Not thread-safe.
class RoundTrips {
 public:
  // `work`: what the partner does on each turn of measure_work(), before it answers. In its copy of this process.
  [[nodiscard]] static Result<std::unique_ptr<RoundTrips>> start(Waiting waiting, std::function<void()> work = {});
  ~RoundTrips();
  RoundTrips(const RoundTrips&) = delete;
  RoundTrips& operator=(const RoundTrips&) = delete;

  // Nanoseconds for one of `count` round trips. The caller must be pinned to first_cpu().
  [[nodiscard]] double measure(int count);
  // The same with the partner's work in between, and the caller's own before and after it.
  [[nodiscard]] double measure_work(int count, const std::function<void()>& before, const std::function<void()>& after);

 private:
  struct Shared;
  void take_turn();
  RoundTrips(Shared* shared, int partner, Waiting waiting) : shared_(shared), partner_(partner), waiting_(waiting) {}
  Shared* shared_;
  int partner_;
  Waiting waiting_;
};

// The CPUs that this process may use, in order. A machine with one CPU cannot spin.
[[nodiscard]] int usable_cpus();
[[nodiscard]] int first_cpu();
[[nodiscard]] int second_cpu();  // the first where there is no other
// Pins a thread (0: the caller) to one CPU; false where that is not permitted.
bool pin(int thread, int cpu);

// Keeps the calling thread on first_cpu() for its lifetime.
class Pinned {
 public:
  Pinned();
  ~Pinned();
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
};

}  // namespace coffer::bench
