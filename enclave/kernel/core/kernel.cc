#include "enclave/kernel/core/kernel.h"

#include <cstring>

#include "enclave/kernel/core/image.h"
#include "enclave/kernel/core/locks.h"
#include "enclave/kernel/core/thread.h"

namespace coffer::kernel {

using boundary::EnterCommand;
using boundary::Request;

extern "C" {
std::uint64_t coffer_exit_preserving(std::uint64_t request, std::uint64_t a, std::uint64_t b, std::uint64_t c,
                                     std::uint64_t d, Answer* answer);
}

void check_return(std::uint64_t command) {
  if (command != static_cast<std::uint64_t>(EnterCommand::kReturn)) panic("the host entered with a wrong command");
}

void publish_counters() {
  const ThreadControl& thread = current_thread();
  if (thread.exchange == nullptr) return;
  thread.exchange->counters.system_calls.store(thread.system_calls, std::memory_order_relaxed);
}

Answer call_host(Request request, std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t d) {
  Answer answer{};
  publish_counters();
  check_return(coffer_exit_preserving(static_cast<std::uint64_t>(request), a, b, c, d, &answer));
  return answer;
}

bool call_host_or_be_called(Request request, std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t d,
                            Answer* answer) {
  publish_counters();
  const std::uint64_t command = coffer_exit_preserving(static_cast<std::uint64_t>(request), a, b, c, d, answer);
  if (command == static_cast<std::uint64_t>(EnterCommand::kCall)) return true;
  check_return(command);
  return false;
}

std::span<std::byte> exchange_area() { return current_thread().exchange->data; }

void log_always(std::string_view text) {
  if (current_thread().exchange == nullptr) return;  // too early to have a way out
  const std::size_t size = text.size() < 1000 ? text.size() : 1000;
  std::memcpy(exchange_area().data(), text.data(), size);
  call_host(Request::kLog, size);
}

void debug_log(std::string_view text) {
  if (is_debug_enclave()) log_always(text);
}

[[noreturn]] void panic(std::string_view why) {
  static std::atomic<bool> panicking{false};
  if (!panicking.exchange(true)) log_always(why);
  constexpr std::uint64_t kAbortSignal = 6;
  while (true) {
    Answer ignored{};
    coffer_exit_preserving(static_cast<std::uint64_t>(Request::kAbort), kAbortSignal, 0, 0, 0, &ignored);
  }
}

ThreadControl& thread_block(std::uint32_t index) {
  return *reinterpret_cast<ThreadControl*>(enclave_base() + layout().thread_offset + index * boundary::kThreadStride +
                                           boundary::kThreadControlOffset);
}

void park(std::uint64_t timeout_ns) { call_host(Request::kPark, timeout_ns); }
void unpark(std::uint32_t index) { call_host(Request::kUnpark, index); }

void SleepLock::lock() {
  for (int spins = 0; held_.exchange(true, std::memory_order_acquire); ++spins) {
    constexpr int kSpins = 200;
    if (spins < kSpins) {
      __builtin_ia32_pause();
    } else {
      call_host(Request::kYield);
    }
  }
}

}  // namespace coffer::kernel
