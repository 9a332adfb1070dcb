// Which blocks of a heap nothing points to: a pointer is any aligned word that holds an address in a block, its end
// excluded (of a block of no bytes, its begin). No knowledge of the program beyond that; nothing is allocated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace coffer::sanitizer {

struct LeakCandidate {
  enum class State : std::uint8_t {
    kLeaked,    // nothing points to it
    kIndirect,  // only leaked blocks do
    kReachable,
  };
  std::uintptr_t begin = 0;
  std::size_t size = 0;
  std::uint32_t stack = 0;  // who allocated it
  State state = State::kLeaked;
};

// What of [begin, end) has ever been touched: `look` is called with each piece of it. What was not, points nowhere, and
// reading it would cost memory.
using Touched = void (*)(void* context, std::uintptr_t begin, std::uintptr_t end,
                         void (*look)(void* search, std::uintptr_t begin, std::uintptr_t end), void* search);

class LeakSearch {
 public:
  // `blocks` is sorted here by address; they do not overlap. `pending` has room for as many elements. Both are the
  // caller's. `touched`: see above.
  LeakSearch(std::span<LeakCandidate> blocks, std::span<std::uint32_t> pending, Touched touched, void* context);

  // Memory that the program has for sure: all that it points to, directly or not, is reachable.
  void add_root(std::uintptr_t begin, std::uintptr_t end);
  void add_root_value(std::uintptr_t value) { look_at(value, LeakCandidate::State::kReachable); }
  // After the last root: the rest of what is reachable, and which of the others are leaked only with others.
  void finish();

 private:
  void scan(std::uintptr_t begin, std::uintptr_t end, LeakCandidate::State state);
  void look_at(std::uintptr_t value, LeakCandidate::State state);
  void follow(LeakCandidate::State state);

  std::span<LeakCandidate> blocks_;
  std::span<std::uint32_t> pending_;
  std::size_t waiting_ = 0;
  Touched touched_;
  void* context_;
  LeakCandidate::State found_as_ = LeakCandidate::State::kReachable;
  const LeakCandidate* source_ = nullptr;  // of the search for what is leaked indirectly
};

}  // namespace coffer::sanitizer
