#include "processor/epc.h"

#include <bit>

namespace coffer::processor {

std::uint32_t EpcShare::take(std::uint32_t wanted) {
  std::uint32_t free = free_.load(std::memory_order_relaxed);
  while (!free_.compare_exchange_weak(free, free - std::min(free, wanted), std::memory_order_relaxed)) {
  }
  return std::min(free, wanted);
}

Result<Epc> Epc::create(std::uint64_t size, bool want_secret, std::shared_ptr<const WarmMemory> warm,
                        std::shared_ptr<EpcShare> share) {
  const std::uint64_t frames = (size + sgx::kPageSize - 1) / sgx::kPageSize;
  if (frames == 0 || frames >= kNoFrame) return input_error("an EPC of " + std::to_string(size) + " bytes cannot be");
  auto memory = ProtectedMemory::open(frames * sgx::kPageSize, want_secret, std::move(warm));
  if (!memory) return std::unexpected(memory.error());
  return Epc(std::move(*memory), static_cast<std::uint32_t>(frames), std::move(share));
}

std::optional<Epc::Run> Epc::allocate(std::uint32_t count) {
  if (free_count_ == 0 || count == 0) return std::nullopt;
  count = holding_.take(count);
  if (count == 0) return std::nullopt;
  Run best{0, 0};
  Run current{0, 0};
  // Once around, from where the last run ended; a run never wraps.
  for (std::uint32_t step = 0; step < frame_count() && best.count < count; ++step) {
    const std::uint32_t frame = (next_ + step) % frame_count();
    if (frame == 0) current.count = 0;
    if (used(frame)) {
      current.count = 0;
      // A full EPC is mostly full words.
      if (used_[frame / 64] == ~std::uint64_t{0}) step += 63 - frame % 64;
      continue;
    }
    if (current.count == 0) current.first = frame;
    ++current.count;
    if (current.count > best.count) best = current;
  }
  for (std::uint32_t frame = best.first; frame < best.first + best.count; ++frame) {
    used_[frame / 64] |= std::uint64_t{1} << frame % 64;
  }
  holding_.give_back(count - best.count);
  free_count_ -= best.count;
  next_ = (best.first + best.count) % frame_count();
  return best;
}

void Epc::set_free(std::uint32_t frame) {
  epcm_[frame] = EpcmEntry{};
  used_[frame / 64] &= ~(std::uint64_t{1} << frame % 64);
  ++free_count_;
  holding_.give_back(1);
}

std::uint32_t Epc::next_used(std::uint32_t frame) const {
  while (frame < frame_count()) {
    const std::uint64_t rest = used_[frame / 64] >> frame % 64;
    if (rest != 0) return std::min(frame + static_cast<std::uint32_t>(std::countr_zero(rest)), frame_count());
    frame = (frame / 64 + 1) * 64;
  }
  return frame_count();
}

void Epc::release(std::uint32_t frame) {
  if (epcm_[frame].backing == Backing::kPlain) memory_.discard_plain(frame, 1);
  clean(frame, epcm_[frame].backing);
  set_free(frame);
}

void Epc::release_dirty(std::uint32_t frame) {
  dirty_[frame] = static_cast<std::uint8_t>(dirty_[frame] | bit(epcm_[frame].backing));
  set_free(frame);
}

}  // namespace coffer::processor
