#include "processor/carrier/parking_lot.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "boundary/calls.h"

namespace coffer::processor {

using boundary::Request;

void ParkingLot::park(std::uint32_t thread, std::uint64_t timeout) {
  std::atomic<std::uint32_t>& word = places_[thread].word;
  if (word.exchange(0, std::memory_order_acquire) == 1) return;
  timespec time{};
  time.tv_sec = static_cast<time_t>(timeout / 1'000'000'000);
  time.tv_nsec = static_cast<long>(timeout % 1'000'000'000);
  ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, timeout == boundary::kNoTimeout ? nullptr : &time, nullptr, 0);
  word.store(0, std::memory_order_relaxed);
}

void ParkingLot::unpark(std::uint64_t thread) {
  if (thread >= count_) return;
  std::atomic<std::uint32_t>& word = places_[thread].word;
  if (word.exchange(1, std::memory_order_release) == 0) {
    ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }
}

bool ParkingLot::go_inside(std::uint32_t thread, bool look) {
  // Sequentially consistent, as in interrupt(): one of the two sees the other.
  places_[thread].inside.store(true);
  return look && take_notice(thread);
}

bool ParkingLot::take_notice(std::uint32_t thread) {
  Place& place = places_[thread];
  if (place.notice.load() == 0 || place.notice.exchange(0) == 0) return false;
  ::syscall(SYS_futex, &place.notice, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  return true;
}

void ParkingLot::interrupt(std::uint64_t thread, const std::function<void(std::uint64_t)>& kick) {
  if (thread >= count_) return;
  unpark(thread);
  Place& place = places_[thread];
  place.notice.store(1);
  // An interrupt is lost where the thread is just on its way in, so it is repeated, with time to run in between; not
  // for ever, because one that serves turns counts as inside while it waits for the next.
  constexpr timespec kPause{0, 100'000};
  constexpr int kTries = 50;
  for (int i = 0; i < kTries && place.notice.load() != 0 && place.inside.load(); ++i) {
    kick(place.where.load());
    ::syscall(SYS_futex, &place.notice, FUTEX_WAIT_PRIVATE, 1, &kPause, nullptr, 0);
  }
}

void answer_locally(Registers& registers, std::int64_t result, std::uint64_t a, std::uint64_t b) {
  registers = {static_cast<std::uint64_t>(boundary::EnterCommand::kReturn), static_cast<std::uint64_t>(result), a, b,
               0};
}

bool serve_waiting(ParkingLot& lot, std::uint32_t thread, Registers& registers) {
  switch (static_cast<Request>(registers.rdi)) {
    case Request::kPark:
      lot.park(thread, registers.rsi);
      break;
    case Request::kUnpark:
      lot.unpark(registers.rsi);
      break;
    case Request::kClock: {
      timespec now{};
      const int failed = ::clock_gettime(static_cast<clockid_t>(registers.rsi), &now);
      answer_locally(registers, failed != 0 ? -EINVAL : 0, static_cast<std::uint64_t>(now.tv_sec),
                     static_cast<std::uint64_t>(now.tv_nsec));
      return true;
    }
    case Request::kYield:
      ::sched_yield();
      break;
    default:
      return false;
  }
  answer_locally(registers, 0);
  return true;
}

}  // namespace coffer::processor
