#include "enclave/sdk/sanitizer/leaks.h"

#include <algorithm>

namespace coffer::sanitizer {

using State = LeakCandidate::State;

LeakSearch::LeakSearch(std::span<LeakCandidate> blocks, std::span<std::uint32_t> pending, Touched touched,
                       void* context)
    : blocks_(blocks), pending_(pending), touched_(touched), context_(context) {
  std::ranges::sort(blocks_, {}, &LeakCandidate::begin);
}

void LeakSearch::look_at(std::uintptr_t value, State state) {
  const auto after = std::ranges::upper_bound(blocks_, value, {}, &LeakCandidate::begin);
  if (after == blocks_.begin()) return;
  LeakCandidate& block = *(after - 1);
  const std::uintptr_t into = value - block.begin;
  if (into != 0 && into >= block.size) return;
  if (block.state != State::kLeaked || &block == source_) return;
  block.state = state;
  pending_[waiting_++] = static_cast<std::uint32_t>(&block - blocks_.data());
}

void LeakSearch::scan(std::uintptr_t begin, std::uintptr_t end, State state) {
  constexpr std::uintptr_t kWord = sizeof(std::uintptr_t);
  begin = (begin + kWord - 1) / kWord * kWord;
  if (begin >= end) return;
  found_as_ = state;
  touched_(
      context_, begin, end,
      [](void* search, std::uintptr_t from, std::uintptr_t to) {
        auto& self = *static_cast<LeakSearch*>(search);
        for (; to - from >= kWord && from < to; from += kWord) {
          self.look_at(*reinterpret_cast<const volatile std::uintptr_t*>(from), self.found_as_);
        }
      },
      this);
}

void LeakSearch::follow(State state) {
  while (waiting_ != 0) {
    const LeakCandidate& block = blocks_[pending_[--waiting_]];
    scan(block.begin, block.begin + block.size, state);
  }
}

void LeakSearch::add_root(std::uintptr_t begin, std::uintptr_t end) {
  scan(begin, end, State::kReachable);
  follow(State::kReachable);
}

void LeakSearch::finish() {
  follow(State::kReachable);
  for (const LeakCandidate& block : blocks_) {
    if (block.state != State::kLeaked) continue;
    source_ = &block;  // a block of a ring is not leaked by itself
    scan(block.begin, block.begin + block.size, State::kIndirect);
    follow(State::kIndirect);
  }
  source_ = nullptr;
}

}  // namespace coffer::sanitizer
