#include "enclave/kernel/fs/encrypted/space_map.h"

#include <errno.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace coffer::kernel::fs::encrypted {

namespace {

constexpr std::uint64_t kMinimumFree = 64;  // fewer free blocks are not worth a search
constexpr std::uint64_t kGroupsSearched = 8;

std::uint64_t word_at(const Buffer& buffer, std::size_t word) {
  std::uint64_t value;
  std::memcpy(&value, buffer.data.data() + word * sizeof(value), sizeof(value));
  return value;
}

}  // namespace

Extent SpaceMap::extend(std::uint64_t wanted) {
  const Extent run{data_end_, wanted};
  data_end_ += wanted;
  set_overlay(run);
  return run;
}

Expected<Extent> SpaceMap::allocate(std::uint64_t wanted) {
  const std::uint64_t busy = used_ + overlaid_;
  const std::uint64_t free = data_end_ > busy ? data_end_ - busy : 0;
  if (free > (spare_ ? 0 : std::max(kMinimumFree, data_end_ / 16))) {
    const std::uint64_t groups = spare_ ? data_end_ / kGroupBits + 2 : kGroupsSearched;
    for (std::uint64_t searched = 0; searched < groups; ++searched) {
      if (cursor_ >= data_end_) cursor_ = 1;
      auto found = find_in_group(cursor_ / kGroupBits, cursor_ % kGroupBits, wanted);
      if (!found) return found;
      if (found->count != 0) {
        cursor_ = found->start + found->count;
        set_overlay(*found);
        return found;
      }
      cursor_ = (cursor_ / kGroupBits + 1) * kGroupBits;
    }
  }
  if (data_end_ + wanted >= kMaxPosition) return error(ENOSPC);
  return extend(wanted);
}

void SpaceMap::unreserve(const Extent& run) { clear_overlay(run); }

// The first free run from bit `from` of the group on; an empty one where there is none.
Expected<Extent> SpaceMap::find_in_group(std::uint64_t group, std::uint64_t from, std::uint64_t wanted) {
  auto bitmap = forest_.read_block(tree_, group);
  if (!bitmap) return error(bitmap.error());
  const Overlay* overlay = group < overlays_.size() ? overlays_[group].get() : nullptr;
  auto busy_word = [&](std::size_t word) {
    return (*bitmap ? word_at(**bitmap, word) : 0) | (overlay != nullptr ? overlay->words[word] : 0);
  };
  const std::uint64_t end = std::min(kGroupBits, data_end_ - group * kGroupBits);
  std::uint64_t bit = from;
  while (bit < end) {
    const std::uint64_t busy = busy_word(bit / 64) >> (bit % 64);
    const auto ones = static_cast<std::uint64_t>(std::countr_one(busy));
    if (ones != 0) {
      bit = std::min(bit + ones, (bit / 64 + 1) * 64);
      continue;
    }
    std::uint64_t count = 0;
    while (count < wanted && bit + count < end) {
      const std::uint64_t at = bit + count;
      if (((busy_word(at / 64) >> (at % 64)) & 1) != 0) break;
      ++count;
    }
    if (count != 0) return Extent{group * kGroupBits + bit, count};
    break;
  }
  return Extent{};
}

void SpaceMap::set_overlay(const Extent& run) {
  for (std::uint64_t position = run.start; position < run.start + run.count; ++position) {
    const std::uint64_t group = position / kGroupBits;
    if (group >= overlays_.size()) overlays_.resize(group + 1);
    if (!overlays_[group]) overlays_[group] = std::make_unique<Overlay>();
    std::uint64_t& word = overlays_[group]->words[position % kGroupBits / 64];
    const std::uint64_t bit = std::uint64_t{1} << (position % 64);
    if ((word & bit) != 0) continue;
    word |= bit;
    ++overlays_[group]->count;
    ++overlaid_;
  }
}

void SpaceMap::clear_overlay(const Extent& run) {
  for (std::uint64_t position = run.start; position < run.start + run.count; ++position) {
    const std::uint64_t group = position / kGroupBits;
    if (group >= overlays_.size() || !overlays_[group]) continue;
    std::uint64_t& word = overlays_[group]->words[position % kGroupBits / 64];
    const std::uint64_t bit = std::uint64_t{1} << (position % 64);
    if ((word & bit) == 0) continue;
    word &= ~bit;
    --overlaid_;
    if (--overlays_[group]->count == 0) overlays_[group].reset();
  }
}

Expected<void> SpaceMap::change_bits(const Extent& run, bool used) {
  std::uint64_t position = run.start;
  const std::uint64_t end = run.start + run.count;
  if (run.start == 0 || end > data_end_) return error(EIO);
  while (position < end) {
    auto bitmap = forest_.modify_block(tree_, position / kGroupBits, false);
    if (!bitmap) return error(bitmap.error());
    const std::uint64_t group_end = std::min(end, (position / kGroupBits + 1) * kGroupBits);
    for (; position < group_end; ++position) {
      std::byte& byte = (*bitmap)->data[position % kGroupBits / 8];
      const auto bit = static_cast<std::byte>(1U << (position % 8));
      if (((byte & bit) != std::byte{0}) == used) return error(EIO);  // in use twice, or freed twice
      byte ^= bit;
    }
  }
  return {};
}

Expected<void> SpaceMap::mark_used(const ExtentList& blocks) {
  for (const Extent& run : blocks) {
    if (auto changed = change_bits(run, true); !changed) return changed;
    clear_overlay(run);
    used_ += run.count;
  }
  return {};
}

Expected<void> SpaceMap::mark_free(const ExtentList& blocks, bool hold) {
  for (const Extent& run : blocks) {
    if (auto changed = change_bits(run, false); !changed) return changed;
    set_overlay(run);
    used_ -= run.count;
    if (!hold) quarantine_.append(run.start, run.count);
  }
  return {};
}

Expected<void> SpaceMap::place_own_blocks() {
  for (bool settled = false; !settled;) {
    settled = true;
    // One bitmap block more than is needed, so that the blocks placed below cannot outgrow the tree.
    if (auto grown = forest_.grow(tree_, data_end_ / kGroupBits + 1); !grown) return grown;
    ExtentList taken, dropped;
    for (std::uint32_t level = 0; level <= tree_.height; ++level) {
      for (Buffer* buffer : Forest::dirty_buffers(tree_, level)) {
        if (buffer->assigned != 0) continue;
        if (level < tree_.height) {
          auto parent = forest_.modify_parent(tree_, level, buffer->index);
          if (!parent) return error(parent.error());
        }
        auto before = forest_.pointer_to(tree_, level, buffer->index);
        if (!before) return error(before.error());
        auto place = allocate(1);
        if (!place) return error(place.error());
        buffer->assigned = place->start;
        taken.append(place->start, 1);
        if (!before->is_hole()) dropped.append(before->position(), 1);
        settled = false;
      }
    }
    if (auto marked = mark_used(taken); !marked) return marked;
    if (auto marked = mark_free(dropped); !marked) return marked;
  }
  return {};
}

bool SpaceMap::release_quarantine() {
  for (const Extent& run : quarantine_) clear_overlay(run);
  quarantine_.clear();
  return shrink();
}

// Takes free blocks off the end; a few groups at most each time, and only as far as the cache can tell.
bool SpaceMap::shrink() {
  const std::uint64_t before = data_end_;
  for (std::uint64_t steps = 0; data_end_ > 1 && steps < 4 * kGroupBits; ++steps) {
    const std::uint64_t last = data_end_ - 1;
    const std::uint64_t group = last / kGroupBits;
    const std::size_t word = last % kGroupBits / 64;
    const Overlay* overlay = group < overlays_.size() ? overlays_[group].get() : nullptr;
    auto bitmap = forest_.read_block(tree_, group);
    if (!bitmap) break;
    const std::uint64_t busy =
        (*bitmap ? word_at(**bitmap, word) : 0) | (overlay != nullptr ? overlay->words[word] : 0);
    if (((busy >> (last % 64)) & 1) != 0) break;
    --data_end_;
  }
  return data_end_ < before;
}

}  // namespace coffer::kernel::fs::encrypted
