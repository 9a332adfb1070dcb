// The EPC and its map: frames of protected memory and, for each, what the EPCM says of the page in it (Intel SDM volume
// 3D, 34.5 and 34.20). Not thread-safe: SoftEnclave's lock covers it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "processor/protected_memory.h"
#include "sgx/arch.h"

namespace coffer::processor {

inline constexpr std::uint32_t kNoFrame = ~std::uint32_t{0};

struct EpcmEntry {
  std::uint64_t linear_offset = 0;  // of the page in its enclave's ELRANGE
  sgx::PageType type = sgx::PageType::kReg;
  std::uint8_t permissions = 0;  // SecinfoFlags R, W, X
  bool valid = false;
  bool pending = false;
  bool modified = false;
  bool permission_restricted = false;
  bool written = false;  // it was writable at some time: there may be something to wipe
  Backing backing = Backing::kPlain;
  std::uint8_t mapped = 0;          // what the operating system's mapping allows now: SecinfoFlags R, W, X
  std::uint64_t changed_epoch = 0;  // Tracking::epoch() when EMODPR, EMODT or EBLOCK last changed this entry
  bool blocked = false;             // EBLOCK: no new translation is made
  // Not the architecture's: the page is there, but the operating system has taken its translation away to see whether
  // it is used (SoftEnclave::hide()).
  bool hidden = false;
};

// The frames of one machine, where several enclaves take theirs from them. Thread-safe.
class EpcShare {
 public:
  explicit EpcShare(std::uint32_t frames) : free_(frames) {}
  // As many as are free and wanted.
  [[nodiscard]] std::uint32_t take(std::uint32_t wanted);
  void give_back(std::uint32_t frames) { free_.fetch_add(frames, std::memory_order_relaxed); }
  [[nodiscard]] std::uint32_t free_count() const { return free_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint32_t> free_;
};

// What one enclave holds of a share, given back at the end. Without a share there is no other bound than its own.
class EpcHolding {
 public:
  explicit EpcHolding(std::shared_ptr<EpcShare> share) : share_(std::move(share)) {}
  EpcHolding(EpcHolding&&) noexcept = default;
  EpcHolding& operator=(EpcHolding&&) = delete;
  ~EpcHolding() {
    if (share_ != nullptr) share_->give_back(held_);
  }
  [[nodiscard]] std::uint32_t take(std::uint32_t wanted) {
    const std::uint32_t taken = share_ == nullptr ? wanted : share_->take(wanted);
    held_ += taken;
    return taken;
  }
  void give_back(std::uint32_t frames) {
    held_ -= frames;
    if (share_ != nullptr) share_->give_back(frames);
  }
  [[nodiscard]] std::uint32_t free_count(std::uint32_t own) const {
    return share_ == nullptr ? own : std::min(own, share_->free_count());
  }

 private:
  std::shared_ptr<EpcShare> share_;
  std::uint32_t held_ = 0;
};

class Epc {
 public:
  // size: bytes, rounded up to pages. With a share no more frames are used at once than it gives.
  [[nodiscard]] static Result<Epc> create(std::uint64_t size, bool want_secret,
                                          std::shared_ptr<const WarmMemory> warm = nullptr,
                                          std::shared_ptr<EpcShare> share = nullptr);

  // A run of `count` neighbouring free frames, or the longest shorter one; nothing where the EPC is full. A frame is
  // zero unless dirty() says so.
  struct Run {
    std::uint32_t first, count;
  };
  [[nodiscard]] std::optional<Run> allocate(std::uint32_t count);
  // The page's memory must be zero, or ordinary, which is given back to the machine.
  void release(std::uint32_t frame);
  // What the page held stays in its memory: whoever takes the frame next overwrites all of it. Memory that is given
  // back and taken again costs far more than that.
  void release_dirty(std::uint32_t frame);
  // True where the frame's memory of this kind holds an earlier page. Taking note that it was overwritten: clean().
  [[nodiscard]] bool dirty(std::uint32_t frame, Backing backing) const { return (dirty_[frame] & bit(backing)) != 0; }
  void clean(std::uint32_t frame, Backing backing) {
    dirty_[frame] = static_cast<std::uint8_t>(dirty_[frame] & ~bit(backing));
  }

  [[nodiscard]] EpcmEntry& entry(std::uint32_t frame) { return epcm_[frame]; }
  [[nodiscard]] const EpcmEntry& entry(std::uint32_t frame) const { return epcm_[frame]; }
  [[nodiscard]] ProtectedMemory& memory() { return memory_; }
  [[nodiscard]] const ProtectedMemory& memory() const { return memory_; }
  [[nodiscard]] std::uint32_t frame_count() const { return static_cast<std::uint32_t>(epcm_.size()); }
  [[nodiscard]] std::uint32_t free_count() const { return holding_.free_count(free_count_); }
  [[nodiscard]] std::uint32_t used_count() const { return frame_count() - free_count_; }
  // The first frame from this one on that is used; frame_count() where none is.
  [[nodiscard]] std::uint32_t next_used(std::uint32_t frame) const;

 private:
  Epc(ProtectedMemory memory, std::uint32_t frames, std::shared_ptr<EpcShare> share)
      : memory_(std::move(memory)), epcm_(frames), holding_(std::move(share)) {}
  [[nodiscard]] static std::uint8_t bit(Backing backing) { return backing == Backing::kSecret ? 1 : 2; }
  [[nodiscard]] bool used(std::uint32_t frame) const { return (used_[frame / 64] >> frame % 64 & 1) != 0; }
  void set_free(std::uint32_t frame);

  ProtectedMemory memory_;
  std::vector<EpcmEntry> epcm_;
  EpcHolding holding_;
  std::vector<std::uint64_t> used_ = std::vector<std::uint64_t>(epcm_.size() / 64 + 1);
  std::vector<std::uint8_t> dirty_ = std::vector<std::uint8_t>(epcm_.size());
  std::uint32_t free_count_ = static_cast<std::uint32_t>(epcm_.size());
  std::uint32_t next_ = 0;  // next-fit: neighbouring pages get neighbouring frames, so their mappings merge
};

}  // namespace coffer::processor
