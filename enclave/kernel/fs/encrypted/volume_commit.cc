// Commits: how changes in memory become one new state of the mount (docs/design/encrypted-files.md, "Commits").
#include <errno.h>

#include "enclave/kernel/fs/encrypted/volume.h"

namespace coffer::kernel::fs::encrypted {

namespace {

constexpr std::uint64_t kMaxSoftCommits = 256;       // between two durable ones
constexpr std::uint64_t kMaxQuarantine = 64 * 1024;  // blocks
constexpr std::uint64_t kWorthTruncating = 256;      // blocks

}  // namespace

Expected<void> Volume::balance(Object& writing) {
  if (cache_.dirty() <= cache_.limit() / 2) return {};
  if (writing.tree.dirty >= cache_.limit() / 4) return forest_->flush(writing.tree);
  Expected<void> flushed;
  auto flush = [&](Object* object) {
    if (flushed && !object->tree.damaged && object->tree.dirty != 0) flushed = forest_->flush(object->tree);
  };
  for_each_object(flush);
  for (Object* object = orphans_; object != nullptr; object = object->next) flush(object);
  return flushed;
}

Expected<void> Volume::commit_everything() {
  if (auto committed = commit_files(nullptr, true, Durability::kMachine); !committed) return committed;
  return roots_.witness_is_synced() ? Expected<void>{} : sync_data();
}

Expected<void> Volume::commit_files(Object* also, bool everything, Durability durability) {
  if (read_only_) return {};
  if (broken_) return error(EIO);
  if (also != nullptr && also->tree.damaged) return error(EIO);
  std::vector<Object*> chosen;
  bool damaged = table_.damaged || space_->tree().damaged;
  for_each_object([&](Object* object) {
    if (!object->is_dirty()) return;
    damaged = damaged || (object->is_directory() && object->tree.damaged);
    if (object->tree.damaged) return;
    if (everything || object == also || object->is_directory() || object->uses == 0) chosen.push_back(object);
  });
  if (damaged) return error(EIO);
  const bool changed = record_due_ || !chosen.empty() || table_.is_dirty() || space_->tree().is_dirty() ||
                       !pending_used_.empty() || !pending_free_.empty();
  if (!changed && (durability == Durability::kEnclave || roots_.newest_is_durable())) return {};
  if (durability == Durability::kMachine) {
    if (auto mine = check_lock(); !mine) return mine;
  }
  record_due_ = record_due_ || changed;
  auto done = store(chosen, durability);
  if (done || done.error() != ENOSPC || broken_) return done;
  space_->spare_the_host(true);
  return store(chosen, durability);
}

Expected<void> Volume::store(std::span<Object* const> chosen, Durability durability) {
  if (auto published = publish(chosen); !published) return published;
  if (auto updated = update_space_map(); !updated) return updated;
  return write_state(durability);
}

// First everything is written that can fail for want of room; then the inode table learns of it.
Expected<void> Volume::publish(std::span<Object* const> objects) {
  for (Object* object : objects) {
    stamp(*object);
    if (auto flushed = forest_->flush(object->tree); !flushed) return flushed;
  }
  for (Object* object : objects) {
    object->record.root = object->tree.root;
    object->record.height = object->tree.height;
    if (auto written = write_record(object->number, object->record); !written) return written;
    object->record_dirty = false;
    collect_changes(object->tree);
  }
  if (auto flushed = forest_->flush(table_); !flushed) return flushed;
  collect_changes(table_);
  return {};
}

// From here on the tree's blocks count as committed: they are never written again in place.
void Volume::collect_changes(Tree& tree) {
  if (!tree.wasted.empty()) {
    // Never committed, so free at once; and the record must not vouch for them.
    std::erase_if(tree.unsynced,
                  [&tree](const UnsyncedBlock& block) { return tree.wasted.contains(block.pointer.position()); });
    tree.allocated.subtract(tree.wasted);
    for (const Extent& run : tree.wasted) space_->unreserve(run);
    tree.wasted.clear();
  }
  pending_used_.append(tree.allocated);
  pending_free_.append(tree.freed);
  unsynced_overflow_ = unsynced_overflow_ || tree.unsynced_overflow;
  unsynced_.insert(unsynced_.end(), tree.unsynced.begin(), tree.unsynced.end());
  tree.unsynced.clear();
  tree.unsynced_overflow = false;
  tree.changed = false;
  tree.mark = sealer_->mark();
}

Expected<void> Volume::update_space_map() {
  // Half a change of the map is no state to go on from; only a host that damages what it stores leads there.
  auto marked = space_->mark_used(pending_used_);
  if (marked) marked = space_->mark_free(pending_free_);
  for (Object* orphan = orphans_; marked && orphan != nullptr; orphan = orphan->next) {
    if (orphan->held_marked) continue;
    marked = space_->mark_free(orphan->held, true);
    orphan->held_marked = true;
  }
  if (marked) marked = space_->place_own_blocks();
  if (!marked) {
    broken_ = true;
    return marked;
  }
  pending_used_.clear();
  pending_free_.clear();
  if (auto flushed = forest_->flush(space_->tree()); !flushed) return flushed;
  // Its blocks have been marked when they were placed.
  Tree& tree = space_->tree();
  unsynced_overflow_ = unsynced_overflow_ || tree.unsynced_overflow;
  unsynced_.insert(unsynced_.end(), tree.unsynced.begin(), tree.unsynced.end());
  tree.unsynced.clear();
  tree.unsynced_overflow = false;
  tree.changed = false;
  return {};
}

Expected<void> Volume::sync_data() {
  if (auto synced = data_.sync(); !synced) return synced;
  roots_.data_was_synced();
  unsynced_.clear();
  unsynced_overflow_ = false;
  for_each_object([](Object* object) {
    object->tree.unsynced.clear();
    object->tree.unsynced_overflow = false;
  });
  return {};
}

RootRecord& Volume::prepare_record() {
  RootRecord& record = *record_;
  record = RootRecord{};
  record.table = {table_.root, table_.height};
  record.space = {space_->tree().root, space_->tree().height};
  record.inode_count = inode_count_;
  record.free_inode = free_inode_;
  record.data_end = space_->data_end();
  record.used = space_->used();
  record.unsynced_count = unsynced_.size();
  std::copy(unsynced_.begin(), unsynced_.end(), record.unsynced);
  return record;
}

Expected<void> Volume::write_state(Durability durability) {
  const bool durable =
      durability == Durability::kMachine || soft_commits_ >= kMaxSoftCommits || space_->quarantined() >= kMaxQuarantine;
  if (durable || unsynced_overflow_ || unsynced_.size() > kMaxUnsynced) {
    if (auto synced = sync_data(); !synced) return synced;
  }
  if (auto written = roots_.write(*sealer_, prepare_record(), durable); !written) return written;
  record_due_ = false;
  if (!durable) {
    ++soft_commits_;
    return {};
  }
  soft_commits_ = 0;
  space_->spare_the_host(false);
  host_end_ = std::max(host_end_, space_->data_end());
  const bool shrunk = space_->release_quarantine();
  if (shrunk && host_end_ - space_->data_end() >= kWorthTruncating) {
    // Only gives room back to the host; whatever it answers changes nothing here.
    if (data_.truncate(space_->data_end() * kBlockSize)) host_end_ = space_->data_end();
  }
  return roots_.write_witness(data_, *sealer_);
}

}  // namespace coffer::kernel::fs::encrypted
