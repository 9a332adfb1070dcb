#include "enclave/kernel/testing/fake_host.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <set>
#include <vector>

namespace coffer::kernel {

namespace {

std::atomic<testing::FakeHost*> current_host{nullptr};
std::atomic<std::uint32_t> next_thread{0};

std::mutex parking_mutex;
std::condition_variable parking;
std::set<std::uint64_t> unparked;

Answer park(std::uint64_t timeout_ns) {
  const std::uint32_t self = testing::thread_index();
  std::unique_lock guard(parking_mutex);
  const auto woken = [&] { return unparked.erase(self) > 0; };
  if (timeout_ns == boundary::kNoTimeout) {
    parking.wait(guard, woken);
  } else {
    parking.wait_for(guard, std::chrono::nanoseconds(timeout_ns), woken);
  }
  return {};
}

Answer unpark(std::uint64_t index) {
  const std::lock_guard guard(parking_mutex);
  unparked.insert(index);
  parking.notify_all();
  return {};
}

Answer tell_time(std::uint64_t id) {
  timespec now{};
  if (::clock_gettime(static_cast<clockid_t>(id), &now) != 0) return {-errno, {}};
  return {0, {static_cast<std::uint64_t>(now.tv_sec), static_cast<std::uint64_t>(now.tv_nsec), 0}};
}

Answer serve_here(boundary::Request request, std::uint64_t argument) {
  switch (request) {
    case boundary::Request::kPark:
      return park(argument);
    case boundary::Request::kUnpark:
      return unpark(argument);
    case boundary::Request::kClock:
      return tell_time(argument);
    default:
      return {};
  }
}

}  // namespace

namespace testing {

void use_host(FakeHost* host) { current_host = host; }

std::uint32_t thread_index() {
  thread_local const std::uint32_t index = next_thread.fetch_add(1);
  return index;
}

}  // namespace testing

Answer call_host(boundary::Request request, std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t d) {
  testing::FakeHost* host = current_host;
  switch (request) {
    case boundary::Request::kPark:
    case boundary::Request::kUnpark:
    case boundary::Request::kYield:
    case boundary::Request::kClock:
      if (host != nullptr) {
        if (const auto answer = host->serve_local(request, {a, b, c, d}); answer) return *answer;
      }
      return serve_here(request, a);
    default:
      return host != nullptr ? host->serve(request, {a, b, c, d}, exchange_area()) : Answer{-ENOSYS, {}};
  }
}

std::span<std::byte> exchange_area() {
  thread_local std::vector<std::byte> area(boundary::kExchangeSize);
  return area;
}

void debug_log(std::string_view text) { std::fprintf(stderr, "%.*s\n", static_cast<int>(text.size()), text.data()); }

bool is_debug_enclave() { return true; }

}  // namespace coffer::kernel
