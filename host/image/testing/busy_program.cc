// An ordinary program that uses system calls of many kinds through the C library; it prints what it found.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

volatile std::sig_atomic_t signals = 0;
void count_signal(int) { signals = signals + 1; }

int sum_of_threads() {
  std::mutex mutex;
  std::condition_variable changed;
  int sum = 0, done = 0;
  std::vector<std::thread> threads;
  for (int i = 1; i <= 8; ++i) {
    threads.emplace_back([&, i] {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      std::lock_guard lock(mutex);
      sum += i;
      ++done;
      changed.notify_all();
    });
  }
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return done == 8; });
  }
  for (auto& thread : threads) thread.join();
  return sum;
}

int status_of_child() {
  pid_t child = ::fork();
  if (child == 0) ::_exit(7);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

std::string through_a_pipe() {
  int ends[2];
  if (::pipe(ends) != 0) return "no pipe";
  ssize_t written = ::write(ends[1], "pipe", 4);
  char text[8] = {};
  ssize_t got = ::read(ends[0], text, sizeof(text) - 1);
  ::close(ends[0]);
  ::close(ends[1]);
  return written == got ? text : "lost";
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGUSR1, count_signal);
  for (int i = 0; i < 3; ++i) std::raise(SIGUSR1);
  std::string caught;
  try {
    throw std::runtime_error("thrown");
  } catch (const std::exception& error) {
    caught = error.what();
  }
  std::map<std::string, int> counts;
  std::ifstream self("/proc/self/status");
  for (std::string line; std::getline(self, line);) ++counts[line.substr(0, line.find(':'))];
  std::vector<char> large(64 << 20, 'x');
  struct stat status{};
  int missing = ::stat("/nowhere/at/all", &status);
  std::cout << sum_of_threads() << ' ' << status_of_child() << ' ' << through_a_pipe() << ' ' << signals << ' '
            << caught << ' ' << counts["VmRSS"] << ' ' << large.back() << ' ' << missing << ' ' << argc << ' '
            << (argc > 1 ? argv[1] : "") << '\n'
            << std::flush;
  return argc > 1 ? 5 : 0;
}
