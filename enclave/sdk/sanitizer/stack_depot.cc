#include "enclave/sdk/sanitizer/stack_depot.h"

namespace coffer::sanitizer {

namespace {

std::uint32_t hash_of(std::span<const std::uint32_t> stack) {
  std::uint32_t hash = 2166136261U;  // FNV-1a, a word at a time
  for (const std::uint32_t frame : stack) hash = (hash ^ frame) * 16777619U;
  return hash ^ hash >> 15;
}

}  // namespace

bool StackDepot::same(Id id, std::uint32_t hash, std::span<const std::uint32_t> stack) const {
  if (memory_[id + kHash] != hash || memory_[id + kCount] != stack.size()) return false;
  for (std::size_t i = 0; i < stack.size(); ++i) {
    if (memory_[id + kFrames + i] != stack[i]) return false;
  }
  return true;
}

StackDepot::Id StackDepot::keep(std::span<const std::uint32_t> stack) {
  if (stack.empty() || memory_.size() <= kBuckets) return 0;
  const std::uint32_t hash = hash_of(stack);
  const LockGuard guard(lock_);
  std::uint32_t& bucket = memory_[hash % kBuckets];
  for (Id id = bucket; id != 0; id = memory_[id + kNext]) {
    if (same(id, hash, stack)) return id;
  }
  if (memory_.size() - used_ < kFrames + stack.size()) return 0;
  const Id id = used_;
  used_ += kFrames + static_cast<std::uint32_t>(stack.size());
  memory_[id + kNext] = bucket;
  memory_[id + kHash] = hash;
  memory_[id + kCount] = static_cast<std::uint32_t>(stack.size());
  for (std::size_t i = 0; i < stack.size(); ++i) memory_[id + kFrames + i] = stack[i];
  bucket = id;
  return id;
}

std::span<const std::uint32_t> StackDepot::find(Id id) const {
  if (id < kBuckets || id >= memory_.size()) return {};
  return memory_.subspan(id + kFrames, memory_[id + kCount]);
}

}  // namespace coffer::sanitizer
