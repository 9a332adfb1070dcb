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
int main() {
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
expect_status 0 "$COFFER" run program.enclave
expect_output '64000 32 32 through a future'
# One more than the image has: an ordinary error of the library, not a crash of the enclave.
sign program --threads 8
status_of timeout 30 "$COFFER" run program.enclave
((status != 124)) || fail 'too few threads: it hangs'
grep -qi 'resource temporarily unavailable' err.txt || fail "too few threads: $(cat err.txt)"
