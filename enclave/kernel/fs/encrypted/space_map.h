// Which blocks of coffer.data are in use. Freestanding. Used with the mount's lock held.
//
// The map is a tree of bitmaps, one bit a block, that holds the state of the last commit. Over it lie, in memory only,
// the blocks that must not be handed out although their bit is clear: reserved (written, not committed) and quarantined
// (freed by a commit that is not durable yet, so that a record which may come back after a crash still refers to them).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "enclave/kernel/fs/encrypted/extents.h"
#include "enclave/kernel/fs/encrypted/tree.h"

namespace coffer::kernel::fs::encrypted {

class SpaceMap {
 public:
  explicit SpaceMap(Forest& forest) : forest_(forest) { tree_.object = kSpaceInode; }

  [[nodiscard]] Tree& tree() { return tree_; }
  void set_counts(std::uint64_t data_end, std::uint64_t used) {
    data_end_ = data_end;
    used_ = used;
  }
  [[nodiscard]] std::uint64_t data_end() const { return data_end_; }
  [[nodiscard]] std::uint64_t used() const { return used_; }
  [[nodiscard]] std::uint64_t quarantined() const { return quarantine_.blocks(); }

  // Reserves a run of at most `wanted` (at least one) blocks.
  [[nodiscard]] Expected<Extent> allocate(std::uint64_t wanted);
  void unreserve(const Extent& run);
  // After the host had no more room: every free block is looked for before coffer.data grows.
  void spare_the_host(bool spare) {
    spare_ = spare;
    if (spare) cursor_ = 1;
  }

  // A commit: reserved blocks come into use, used ones are freed. Freed blocks stay out of use until
  // release_quarantine() unless `hold` is set; then they are the caller's, who gives them to quarantine() later.
  [[nodiscard]] Expected<void> mark_used(const ExtentList& blocks);
  [[nodiscard]] Expected<void> mark_free(const ExtentList& blocks, bool hold = false);
  void quarantine(ExtentList& blocks) { quarantine_.append(blocks); }
  // Gives every changed block of the map its place, which changes the map again, until nothing changes any more.
  [[nodiscard]] Expected<void> place_own_blocks();
  // After a durable commit. True where `data_end` went down.
  bool release_quarantine();

 private:
  static constexpr std::uint64_t kGroupBits = kBlockSize * 8;
  static constexpr std::size_t kGroupWords = kGroupBits / 64;
  struct Overlay {
    std::array<std::uint64_t, kGroupWords> words{};
    std::uint64_t count = 0;
  };

  void set_overlay(const Extent& run);
  void clear_overlay(const Extent& run);
  [[nodiscard]] Expected<Extent> find_in_group(std::uint64_t group, std::uint64_t from, std::uint64_t wanted);
  [[nodiscard]] Expected<void> change_bits(const Extent& run, bool used);
  [[nodiscard]] Extent extend(std::uint64_t wanted);
  [[nodiscard]] bool shrink();

  Forest& forest_;
  Tree tree_;
  std::uint64_t data_end_ = 1;  // block 0 holds the witnesses
  std::uint64_t used_ = 0;
  std::uint64_t overlaid_ = 0;
  std::uint64_t cursor_ = 1;
  bool spare_ = false;
  std::vector<std::unique_ptr<Overlay>> overlays_;  // by group
  ExtentList quarantine_;
};

}  // namespace coffer::kernel::fs::encrypted
