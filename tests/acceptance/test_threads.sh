# Threads of the ordinary library inside: mutexes, condition variables, thread_local, futures, exceptions across frames.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
compile program -pthread <<'SOURCE'
#include <atomic>
#include <condition_variable>
#include <future>
#include <iostream>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>
thread_local long mine = 0;
// As many threads at once as there are, up to `most`; how many came about.
int crowd(int most) {
  std::mutex mutex;
  std::condition_variable changed;
  bool over = false;
  std::vector<std::thread> threads;
  try {
    while (static_cast<int>(threads.size()) < most) {
      threads.emplace_back([&] {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return over; });
      });
    }
  } catch (const std::system_error& error) {
    std::cout << error.what() << ' ';
  }
  {
    std::lock_guard lock(mutex);
    over = true;
    changed.notify_all();
  }
  for (auto& thread : threads) thread.join();
  return static_cast<int>(threads.size());
}
int main(int argc, char**) {
  if (argc > 1) {
    std::cout << crowd(32) << ' ';
    std::cout << crowd(5) << std::endl;
    return 0;
  }
  constexpr int kThreads = 32, kRounds = 2000;
  std::mutex mutex;
  std::condition_variable turn;
  int next = 0, caught = 0;
  long total = 0;
  std::vector<std::thread> threads;
  for (int id = 0; id < kThreads; ++id) {
    threads.emplace_back([&, id] {
      for (int i = 0; i < kRounds; ++i) {
        ++mine;
        std::lock_guard lock(mutex);
        ++total;
      }
      try {
        if (mine != kRounds) std::terminate();
        throw std::runtime_error(std::to_string(id));
      } catch (const std::runtime_error& error) {
        std::lock_guard lock(mutex);
        caught += std::stoi(error.what()) == id;
      }
      std::unique_lock lock(mutex);
      turn.wait(lock, [&] { return next == id; });
      ++next;
      turn.notify_all();
    });
  }
  for (auto& thread : threads) thread.join();
  auto future = std::async(std::launch::async, []() -> int { throw std::logic_error("through a future"); });
  std::string words;
  try {
    future.get();
  } catch (const std::logic_error& error) {
    words = error.what();
  }
  std::cout << total << ' ' << next << ' ' << caught << ' ' << words << std::endl;
}
SOURCE
sign program --threads 34
expect_status 0 "$COFFER" run --counters counters.json program.enclave
expect_output '64000 32 32 through a future'
expect_past_the_trap counters.json
# More than the image has: an error of the library that a program can catch, and go on with the threads it has.
sign program --threads 8
expect_status 0 timeout 30 "$COFFER" run program.enclave -- crowd
expect_output 'Resource temporarily unavailable 7 5'
