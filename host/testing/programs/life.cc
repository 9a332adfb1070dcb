// A program of many lives, for the tests of the runtime: argv[1] says which.
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <future>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

std::atomic<std::uint64_t> progress{0};

[[noreturn]] void loop_for_ever() {
  while (true) progress.fetch_add(1, std::memory_order_relaxed);
}

void say(const char* word) {
  std::puts(word);
  std::fflush(stdout);
}

int fault(const std::string& how) {
  if (how == "null") *reinterpret_cast<volatile int*>(progress.load() + 8) = 1;
  if (how == "divide") {
    volatile int dividend = 1000;
    volatile int zero = 0;
    return dividend / zero;
  }
  if (how == "illegal") asm volatile("ud2");
  if (how == "execute") reinterpret_cast<void (*)()>(std::malloc(64))();
  if (how == "stack") {
    volatile char big[4096];
    big[0] = 1;
    return fault(how) + big[0];
  }
  return 0;
}

int threads_at_exit(const std::string& what) {
  std::atomic<int> ready{0};
  for (int i = 0; i < 4; ++i) {
    std::thread([&ready, what] {
      ++ready;
      if (what == "compute") loop_for_ever();
      if (what == "sleep") std::this_thread::sleep_for(std::chrono::hours(1));
      if (what == "lock") {
        std::mutex mutex;
        std::condition_variable never;
        std::unique_lock guard(mutex);
        never.wait(guard, [] { return false; });
      }
      if (what == "input") {
        char byte = 0;
        (void)!::read(0, &byte, 1);
      }
    }).detach();
  }
  while (ready != 4) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  std::_Exit(7);
}

thread_local long mine = 0;
struct Counted {
  explicit Counted(std::atomic<int>& count) : count_(count) { ++count_; }
  ~Counted() { --count_; }
  std::atomic<int>& count_;
};

// Exceptions across frames with destructors on the way.
int descend(int depth, std::atomic<int>& alive) {
  const Counted here(alive);
  if (depth == 0) throw std::runtime_error("from the depth");
  return descend(depth - 1, alive) + 1;
}

int threads_inside() {
  constexpr int kThreads = 32;
  constexpr int kRounds = 500;
  std::mutex mutex;
  std::condition_variable turn;
  int next = 0;
  int caught = 0;
  long total = 0;
  std::atomic<int> alive{0};
  std::vector<std::thread> threads;
  for (int id = 0; id < kThreads; ++id) {
    threads.emplace_back([&, id] {
      for (int i = 0; i < kRounds; ++i) {
        ++mine;
        const std::scoped_lock guard(mutex);
        ++total;
      }
      try {
        descend(20, alive);
      } catch (const std::runtime_error&) {
        const std::scoped_lock guard(mutex);
        caught += mine == kRounds ? 1 : 0;
      }
      std::unique_lock guard(mutex);
      turn.wait(guard, [&] { return next == id; });
      ++next;
      turn.notify_all();
    });
  }
  for (std::thread& thread : threads) thread.join();
  auto future = std::async(std::launch::async, []() -> int { throw std::logic_error("through a future"); });
  std::string words;
  try {
    (void)future.get();
  } catch (const std::logic_error& error) {
    words = error.what();
  }
  std::printf("%ld %d %d %d %ld %s\n", total, next, caught, alive.load(), mine, words.c_str());
  return 0;
}

int echo_input() {
  std::vector<char> buffer(1 << 16);
  for (ssize_t got = 0; (got = ::read(0, buffer.data(), buffer.size())) > 0;) {
    for (ssize_t done = 0; done < got;) {
      const ssize_t put = ::write(1, buffer.data() + done, static_cast<std::size_t>(got - done));
      if (put <= 0) return 1;
      done += put;
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  const std::string how = argc > 2 ? argv[2] : "";
  if (what == "exit") return std::stoi(how);
  if (what == "say") say(how.c_str());
  if (what == "abort") std::abort();
  if (what == "throw") throw std::runtime_error("nobody catches this");
  if (what == "raise") std::raise(SIGTERM);
  if (what == "fault") return fault(how);
  if (what == "loop") {
    say("looping");
    loop_for_ever();
  }
  if (what == "sleep") {
    say("sleeping");
    std::this_thread::sleep_for(std::chrono::hours(1));
  }
  if (what == "input") {
    say("waiting");
    return std::getchar() == EOF ? 3 : 0;
  }
  if (what == "echo") return echo_input();
  if (what == "exit-while") return threads_at_exit(how);
  if (what == "threads") return threads_inside();
  return 0;
}
