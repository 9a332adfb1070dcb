// The EPC and its map: frames of protected memory and, for each, what the EPCM says of the page in it (Intel SDM volume
// 3D, 34.5 and 34.20). Not thread-safe: SoftEnclave's lock covers it.
#pragma once

#include <cstdint>
#include <optional>
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
};

class Epc {
 public:
  // size: bytes, rounded up to pages.
  [[nodiscard]] static Result<Epc> create(std::uint64_t size, bool want_secret,
                                          std::shared_ptr<const WarmMemory> warm = nullptr);

  // A run of `count` neighbouring free frames, or the longest shorter one; nothing where the EPC is full. Frames that
  // held secret pages before come back zeroed.
  struct Run {
    std::uint32_t first, count;
  };
  [[nodiscard]] std::optional<Run> allocate(std::uint32_t count);
  void release(std::uint32_t frame);

  [[nodiscard]] EpcmEntry& entry(std::uint32_t frame) { return epcm_[frame]; }
  [[nodiscard]] const EpcmEntry& entry(std::uint32_t frame) const { return epcm_[frame]; }
  [[nodiscard]] ProtectedMemory& memory() { return memory_; }
  [[nodiscard]] const ProtectedMemory& memory() const { return memory_; }
  [[nodiscard]] std::uint32_t frame_count() const { return static_cast<std::uint32_t>(epcm_.size()); }
  [[nodiscard]] std::uint32_t free_count() const { return free_count_; }

 private:
  explicit Epc(ProtectedMemory memory, std::uint32_t frames) : memory_(std::move(memory)), epcm_(frames) {}

  ProtectedMemory memory_;
  std::vector<EpcmEntry> epcm_;
  std::vector<bool> used_ = std::vector<bool>(epcm_.size());
  std::uint32_t free_count_ = static_cast<std::uint32_t>(epcm_.size());
  std::uint32_t next_ = 0;  // next-fit: neighbouring pages get neighbouring frames, so their mappings merge
};

}  // namespace coffer::processor
