#include "bench/round_trips.h"

#include <immintrin.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <new>

namespace coffer::bench {

namespace {

using Word = std::atomic<std::uint32_t>;

const cpu_set_t& allowed_at_start() {
  static const cpu_set_t set = [] {
    cpu_set_t now;
    CPU_ZERO(&now);
    ::sched_getaffinity(0, sizeof(now), &now);
    return now;
  }();
  return set;
}

// The n-th usable CPU, or the first.
int usable_cpu(int n) {
  int first = -1;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(static_cast<unsigned>(cpu), &allowed_at_start())) continue;
    if (first < 0) first = cpu;
    if (n-- == 0) return cpu;
  }
  return first;
}

void futex_sleep(Word& word, std::uint32_t value) {
  ::syscall(SYS_futex, &word, FUTEX_WAIT, value, nullptr, nullptr, 0);
}
void futex_wake(Word& word) { ::syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0); }

// Far longer than a round trip, so that a spinner sleeps only between batches or where it was put off its CPU.
constexpr int kSpins = 100'000;

void set(Word& word, std::uint32_t value, Waiting waiting) {
  word.store(value, std::memory_order_release);
  if (waiting == Waiting::kFutex) futex_wake(word);
}

// The partner's side: a spinner goes to sleep in the end, so that it leaves its CPU to others between batches.
void wait_for_request(Word& word, std::uint32_t wanted, Waiting waiting) {
  int spins = waiting == Waiting::kSpin ? kSpins : 0;
  for (std::uint32_t now = word.load(std::memory_order_acquire); now != wanted;
       now = word.load(std::memory_order_acquire)) {
    if (spins == 0) {
      futex_sleep(word, now);
    } else {
      --spins;
      _mm_pause();
    }
  }
}

// The caller's side: a spinner wakes a partner that has gone to sleep.
void wait_for_answer(Word& answer, std::uint32_t wanted, Word& request, Waiting waiting) {
  int spins = 0;
  for (std::uint32_t now = answer.load(std::memory_order_acquire); now != wanted;
       now = answer.load(std::memory_order_acquire)) {
    if (waiting == Waiting::kFutex) {
      futex_sleep(answer, now);
    } else if (++spins % kSpins == 0) {
      futex_wake(request);
    } else {
      _mm_pause();
    }
  }
}

}  // namespace

struct RoundTrips::Shared {
  alignas(64) Word ask;
  alignas(64) Word answer;
  std::atomic<bool> works;
};

int usable_cpus() { return CPU_COUNT(&allowed_at_start()); }
int first_cpu() { return usable_cpu(0); }
int second_cpu() { return usable_cpu(1); }

bool pin(int thread, int cpu) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<unsigned>(cpu), &one);
  return ::sched_setaffinity(thread, sizeof(one), &one) == 0;
}

Pinned::Pinned() {
  (void)allowed_at_start();
  pin(0, first_cpu());
}
Pinned::~Pinned() { ::sched_setaffinity(0, sizeof(cpu_set_t), &allowed_at_start()); }

Result<std::unique_ptr<RoundTrips>> RoundTrips::start(Waiting waiting, std::function<void()> work) {
  const int cpu = waiting == Waiting::kFutex ? first_cpu() : second_cpu();
  void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return system_error("no shared memory for a round trip", errno);
  auto* shared = new (memory) Shared{};
  const pid_t partner = ::fork();
  if (partner < 0) return system_error("no second process for a round trip", errno);
  if (partner == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::close_range(0, ~0u, 0);  // pipes of others, whose end would never be seen
    pin(0, cpu);
    for (std::uint32_t turn = 1;; ++turn) {
      wait_for_request(shared->ask, turn, waiting);
      if (work && shared->works.load(std::memory_order_relaxed)) work();
      set(shared->answer, turn, waiting);
    }
  }
  return std::unique_ptr<RoundTrips>(new RoundTrips(shared, partner, waiting));
}

RoundTrips::~RoundTrips() {
  ::kill(partner_, SIGKILL);
  while (::waitpid(partner_, nullptr, 0) < 0 && errno == EINTR) {
  }
  ::munmap(shared_, sizeof(Shared));
}

void RoundTrips::take_turn() {
  const std::uint32_t turn = shared_->ask.load(std::memory_order_relaxed) + 1;
  set(shared_->ask, turn, waiting_);
  wait_for_answer(shared_->answer, turn, shared_->ask, waiting_);
}

double RoundTrips::measure(int count) {
  shared_->works.store(false, std::memory_order_relaxed);
  take_turn();  // the partner may sleep
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < count; ++i) take_turn();
  const std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - start;
  return taken.count() / count;
}

double RoundTrips::measure_work(int count, const std::function<void()>& before, const std::function<void()>& after) {
  shared_->works.store(true, std::memory_order_relaxed);
  take_turn();
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < count; ++i) {
    before();
    take_turn();
    after();
  }
  const std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - start;
  return taken.count() / count;
}

}  // namespace coffer::bench
