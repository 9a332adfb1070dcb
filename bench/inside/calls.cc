#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "bench/inside/clock.h"
#include "bench/inside/workloads.h"

namespace coffer::bench {

Ticks call_getpid(std::uint64_t count) {
  const pid_t own = ::getpid();
  bool same = true;
  const Ticks start = ticks_now();
  for (std::uint64_t i = 0; i < count; ++i) same &= ::getpid() == own;
  const Ticks end = ticks_now();
  if (!same) throw std::runtime_error("getpid changed its mind");
  return end - start;
}

Ticks read_one_byte(std::uint64_t count, const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) throw std::runtime_error("cannot open " + path);
  char byte = 0;
  bool good = true;
  const Ticks start = ticks_now();
  for (std::uint64_t i = 0; i < count; ++i) good &= ::pread(file, &byte, 1, 0) == 1;
  const Ticks end = ticks_now();
  ::close(file);
  if (!good) throw std::runtime_error("cannot read " + path);
  return end - start;
}

Ticks stat_file(std::uint64_t count, const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) throw std::runtime_error("cannot open " + path);
  struct stat status{};
  bool good = true;
  const Ticks start = ticks_now();
  for (std::uint64_t i = 0; i < count; ++i) good &= ::fstat(file, &status) == 0 && status.st_size == 1;
  const Ticks end = ticks_now();
  ::close(file);
  if (!good) throw std::runtime_error("cannot look at " + path);
  return end - start;
}

// The pages are kept, since the enclave kernel would give the same ones, committed already, to the next who asks.
Ticks touch_pages(std::uint64_t count) {
  constexpr std::size_t kPage = 4096;
  const std::size_t size = count * kPage;
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("no memory to touch");
  ::madvise(memory, size, MADV_NOHUGEPAGE);
  auto* bytes = static_cast<volatile std::byte*>(memory);
  const Ticks start = ticks_now();
  for (std::size_t at = 0; at < size; at += kPage) bytes[at] = std::byte{1};
  const Ticks end = ticks_now();
  return end - start;
}

Ticks create_threads(std::uint64_t count) {
  const Ticks start = ticks_now();
  for (std::uint64_t i = 0; i < count; ++i) std::thread([] {}).join();
  return ticks_now() - start;
}

Ticks hand_over_mutex(std::uint64_t count) {
  std::mutex lock;
  std::condition_variable changed;
  bool others_turn = false;
  bool over = false;
  std::thread other([&] {
    std::unique_lock guard(lock);
    while (true) {
      changed.wait(guard, [&] { return others_turn || over; });
      if (over) return;
      others_turn = false;
      changed.notify_one();
    }
  });
  std::unique_lock guard(lock);
  const Ticks start = ticks_now();
  for (std::uint64_t i = 0; i < count; ++i) {
    others_turn = true;
    changed.notify_one();
    changed.wait(guard, [&] { return !others_turn; });
  }
  const Ticks end = ticks_now();
  over = true;
  changed.notify_one();
  guard.unlock();
  other.join();
  return end - start;
}

}  // namespace coffer::bench
