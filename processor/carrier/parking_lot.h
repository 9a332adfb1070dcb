// Where threads of one enclave sleep, are woken and are interrupted, whoever carries them: a software processor, or the
// host program on SGX hardware.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "processor/entry.h"

namespace coffer::processor {

// Thread-safe.
class ParkingLot {
 public:
  explicit ParkingLot(std::uint32_t threads) : places_(new Place[threads]), count_(threads) {}
  // What interrupt() is to know of `thread`: before it goes inside.
  void settle(std::uint32_t thread, std::uint64_t where) { places_[thread].where = where; }
  // Sleeps until unpark(thread), the timeout (ns, kNoTimeout: none), or spuriously.
  void park(std::uint32_t thread, std::uint64_t timeout);
  void unpark(std::uint64_t thread);
  // Wakes `thread` where it sleeps; where it is inside, makes it leave by AEX, and its loop enter at CSSA 1 before it
  // resumes. Returns when that is certain. `kick` sends the thread, of
  // which it gets what settle() said, an interrupt that may come to nothing.
  void interrupt(std::uint64_t thread, const std::function<void(std::uint64_t where)>& kick);
  // Of the thread's own loop, around each EENTER and ERESUME. With `look`, true where interrupt() came since the last
  // look: the enclave's handler is to look at the interrupted state before anything is resumed.
  bool go_inside(std::uint32_t thread, bool look);
  void come_out(std::uint32_t thread) { places_[thread].inside.store(false, std::memory_order_release); }
  // What `look` does, for a thread that is inside. Async-signal-safe.
  bool take_notice(std::uint32_t thread);

 private:
  struct alignas(64) Place {
    std::atomic<std::uint32_t> word{0};    // 1: woken before it slept
    std::atomic<std::uint32_t> notice{0};  // 1: interrupted
    std::atomic<bool> inside{false};
    std::atomic<std::uint64_t> where{0};
  };
  std::unique_ptr<Place[]> places_;
  std::uint32_t count_;
};

// The answer to a local request, in the registers of the next EENTER.
void answer_locally(Registers& registers, std::int64_t result, std::uint64_t a = 0, std::uint64_t b = 0);

// kPark, kUnpark, kClock and kYield of `thread`, which any carrier serves alike. False: another request.
[[nodiscard]] bool serve_waiting(ParkingLot& lot, std::uint32_t thread, Registers& registers);

}  // namespace coffer::processor
