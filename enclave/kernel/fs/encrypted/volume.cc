#include "enclave/kernel/fs/encrypted/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

namespace coffer::kernel::fs::encrypted {

namespace {

constexpr std::size_t kMinimumCache = 64;

bool is_sound(const InodeRecord& record) {
  const std::uint32_t type = record.mode & S_IFMT;
  if (type == S_IFLNK && (record.size == 0 || record.size > kMaxLinkTarget)) return false;
  return (type == S_IFREG || type == S_IFDIR || type == S_IFLNK) && record.height <= kMaxHeight &&
         record.size <= kMaxFileSize;
}

bool is_sound(const TreeRecord& tree) { return tree.height <= kMaxHeight; }

}  // namespace

Expected<std::unique_ptr<Volume>> Volume::open(HostDirectory& host, std::span<const std::byte, 32> mount_key,
                                               const EncryptedOptions& options) {
  std::unique_ptr<Volume> volume(new Volume(host, options));
  if (auto mounted = volume->mount(mount_key, options); !mounted) {
    volume->broken_ = true;  // nothing to commit
    return error(mounted.error());
  }
  return volume;
}

Volume::Volume(HostDirectory& host, const EncryptedOptions& options)
    : host_(host),
      read_only_(options.read_only),
      clock_(options.clock),
      cache_(std::max(options.cache_blocks, kMinimumCache)),
      record_(std::make_unique<RootRecord>()) {
  table_.object = kTableInode;
}

Volume::~Volume() {
  // Errors have been told by the last sync(), or cannot be told any more.
  if (!read_only_ && !broken_) (void)commit_everything();
  if (lock_.is_open() && !broken_) (void)host_.remove(kLockName, false);
  while (orphans_ != nullptr) dispose_orphan(orphans_);
  for_each_object([this](Object* object) {
    unlink_from_bucket(object);
    forget(object);
  });
  if (forest_) {
    forest_->discard(table_);
    forest_->discard(space_->tree());
  }
}

void Volume::start(std::unique_ptr<Sealer> sealer) {
  sealer_ = std::move(sealer);
  forest_ = std::make_unique<Forest>(cache_, *sealer_, data_);
  space_ = std::make_unique<SpaceMap>(*forest_);
  forest_->set_space(*space_);
}

Expected<void> Volume::mount(std::span<const std::byte, 32> mount_key, const EncryptedOptions& options) {
  auto opened = roots_.open(host_, kRootName, read_only_ ? O_RDONLY : O_RDWR);
  if (!opened && opened.error() == ENOENT && options.must_exist) return error(EIO);
  if (!opened && opened.error() == ENOENT && !read_only_) return make_new(mount_key, options);
  if (!opened) return opened;
  opened = data_.open(host_, kDataName, read_only_ ? O_RDONLY : O_RDWR);
  if (!opened) return error(opened.error() == ENOENT ? EIO : opened.error());
  if (!read_only_) {
    // What is found may be in the host's memory only; it is gone on from, so it must not be lost after that.
    if (auto synced = data_.sync(); !synced) return synced;
    if (auto synced = roots_.sync(); !synced) return synced;
  }
  if (auto loaded = load_state(mount_key, options.label); !loaded) return loaded;
  return read_only_ ? Expected<void>{} : take_lock();
}

Expected<void> Volume::load_state(std::span<const std::byte, 32> mount_key, std::string_view label) {
  std::unique_ptr<Sealer> sealer;
  auto found = roots_.read_all(mount_key, label, &sealer);
  if (!found) return error(found.error());
  const std::uint64_t newest = found->front()->record.sequence;
  start(std::move(sealer));
  const RootFile::Witnesses witnesses = roots_.read_witnesses(data_, *sealer_);

  for (const auto& candidate : *found) {
    const RootRecord& record = candidate->record;
    if (record.unsynced_count > kMaxUnsynced) return error(EIO);
    const std::span unsynced(record.unsynced, record.unsynced_count);
    if (!std::ranges::all_of(unsynced, [this](const UnsyncedBlock& block) { return forest_->is_stored(block); })) {
      continue;  // a machine that lost power can leave this, and then an older record holds
    }
    if (!RootFile::fits(record, witnesses)) return error(EIO);
    if (auto adopted = adopt(record); !adopted) return adopted;
    const bool durable = candidate->slot < 2;
    std::uint32_t durable_slot = candidate->slot;
    if (!durable) {
      const auto last = std::ranges::find_if(*found, [](const auto& one) { return one->slot < 2; });
      durable_slot = last != found->end() ? (*last)->slot : 1;
    }
    roots_.continue_from(*candidate, durable, newest, durable_slot, witnesses);
    if (read_only_) return {};
    if (!durable) return write_state(Durability::kMachine);
    return witnesses.valid == kCopies ? Expected<void>{} : write_first_witnesses();
  }
  return error(EIO);
}

Expected<void> Volume::adopt(const RootRecord& record) {
  if (!is_sound(record.table) || !is_sound(record.space) || record.data_end == 0 || record.data_end >= kMaxPosition ||
      record.used > record.data_end || record.inode_count <= kRootInode || record.inode_count > kMaxInodes) {
    return error(EIO);
  }
  table_.root = record.table.root;
  table_.height = static_cast<std::uint32_t>(record.table.height);
  space_->tree().root = record.space.root;
  space_->tree().height = static_cast<std::uint32_t>(record.space.height);
  space_->set_counts(record.data_end, record.used);
  inode_count_ = record.inode_count;
  free_inode_ = record.free_inode;
  host_end_ = record.data_end;
  return {};
}

// coffer.root comes last and by rename, so a creation that was cut off is started again; the witness, which comes after
// it, tells it from a volume whose coffer.root was taken away.
Expected<void> Volume::make_new(std::span<const std::byte, 32> mount_key, const EncryptedOptions& options) {
  if (auto opened = data_.open(host_, kDataName, O_RDWR | O_CREAT); !opened) return opened;
  std::array<std::byte, sizeof(kWitnessMagic)> magic;
  for (std::size_t copy = 0; copy < kCopies; ++copy) {
    auto count = data_.read_some(copy * kWitnessStride, magic);
    if (!count) return error(count.error());
    if (*count == magic.size() && std::memcmp(magic.data(), kWitnessMagic.data(), magic.size()) == 0) {
      return error(EIO);
    }
  }
  if (auto cut = data_.truncate(0); !cut) return cut;
  if (auto opened = roots_.open(host_, kNewRootName, O_RDWR | O_CREAT | O_TRUNC); !opened) return opened;

  VolumeId id;
  random_bytes(id);
  start(std::make_unique<Sealer>(mount_key, options.label, id));
  inode_count_ = kRootInode + 1;
  InodeRecord root;
  root.mode = S_IFDIR | 0755;
  if (auto written = write_record(kRootInode, root); !written) return written;
  // Without a witness first: that comes when the name stands.
  if (auto flushed = forest_->flush(table_); !flushed) return flushed;
  collect_changes(table_);
  if (auto updated = update_space_map(); !updated) return updated;
  if (auto synced = sync_data(); !synced) return synced;
  if (options.key_header != nullptr) {
    if (auto written = roots_.write_key_header(*options.key_header); !written) return written;
  }
  if (auto written = roots_.write(*sealer_, prepare_record(), true); !written) return written;
  if (auto synced = host_.sync_directory(""); !synced) return synced;
  if (auto renamed = host_.rename(kNewRootName, kRootName, 0); !renamed) return renamed;
  if (auto synced = host_.sync_directory(""); !synced) return synced;
  if (auto written = write_first_witnesses(); !written) return written;
  return take_lock();
}

// Both copies, so that from now on a missing one tells something.
Expected<void> Volume::write_first_witnesses() {
  for (std::size_t copy = 0; copy < kCopies; ++copy) {
    if (auto written = roots_.write_witness(data_, *sealer_); !written) return written;
    if (auto synced = sync_data(); !synced) return synced;
  }
  return {};
}

Expected<void> Volume::take_lock() {
  random_bytes(lock_token_);
  if (auto opened = lock_.open(host_, kLockName, O_RDWR | O_CREAT | O_TRUNC); !opened) return opened;
  return lock_.write(0, lock_token_);
}

// Best effort against two users of one mount: who mounts last wins, and the other stops before it writes a record.
Expected<void> Volume::check_lock() {
  std::array<std::byte, 16> token;
  if (!lock_.read(0, token) || token != lock_token_) {
    broken_ = true;
    return error(EIO);
  }
  return {};
}

Expected<InodeRecord> Volume::read_record(std::uint64_t inode) {
  if (inode < kRootInode || inode >= inode_count_) return error(EIO);
  auto block = forest_->read_block(table_, inode / kInodesPerBlock);
  if (!block) return error(block.error());
  if (!*block) return error(EIO);
  InodeRecord record;
  std::memcpy(&record, (*block)->data.data() + inode % kInodesPerBlock * sizeof(record), sizeof(record));
  return record;
}

Expected<void> Volume::write_record(std::uint64_t inode, const InodeRecord& record) {
  auto block = forest_->modify_block(table_, inode / kInodesPerBlock, false);
  if (!block) return error(block.error());
  std::memcpy((*block)->data.data() + inode % kInodesPerBlock * sizeof(record), &record, sizeof(record));
  return {};
}

Expected<void> Volume::free_record(std::uint64_t inode) {
  InodeRecord record;
  record.next_free = free_inode_;
  if (auto written = write_record(inode, record); !written) return written;
  free_inode_ = inode;
  return {};
}

Object* Volume::find(std::uint64_t inode) {
  Object* object = objects_[inode % kBuckets];
  while (object != nullptr && object->number != inode) object = object->next;
  return object;
}

void Volume::insert(Object* object) {
  Object*& head = objects_[object->number % kBuckets];
  object->next = head;
  head = object;
  ++object_count_;
}

void Volume::unlink_from_bucket(Object* object) {
  Object** link = &objects_[object->number % kBuckets];
  while (*link != object) link = &(*link)->next;
  *link = object->next;
  --object_count_;
}

void Volume::forget(Object* object) {
  if (forest_) forest_->discard(object->tree);
  delete object;
}

// Objects that nobody uses stay for a while, with their cached blocks: the next open() is often close.
void Volume::forget_old_objects() {
  if (object_count_ <= kIdleObjects) return;
  Object* oldest = nullptr;
  for_each_object([&](Object* object) {
    const bool idle = object->uses == 0 && !object->is_dirty();
    if (idle && (oldest == nullptr || object->last_use < oldest->last_use)) oldest = object;
  });
  if (oldest == nullptr) return;
  unlink_from_bucket(oldest);
  forget(oldest);
}

Expected<Object*> Volume::acquire(std::uint64_t inode) {
  Object* object = find(inode);
  if (object == nullptr) {
    auto record = read_record(inode);
    if (!record) return error(record.error());
    if (!is_sound(*record)) return error(EIO);
    forget_old_objects();
    object = new Object;
    object->number = inode;
    object->record = *record;
    object->tree.object = inode;
    object->tree.root = record->root;
    object->tree.height = record->height;
    object->tree.mark = sealer_->mark();
    insert(object);
  }
  ++object->uses;
  object->last_use = ++use_clock_;
  return object;
}

Expected<InodeRecord> Volume::record_of(std::uint64_t inode) {
  if (Object* object = find(inode)) {
    stamp(*object);
    return object->record;
  }
  auto record = read_record(inode);
  if (record && !is_sound(*record)) return error(EIO);
  return record;
}

Expected<Object*> Volume::create(std::uint32_t mode) {
  std::uint64_t inode = free_inode_;
  std::uint64_t next_free = 0;
  if (inode != 0) {
    auto record = read_record(inode);
    if (!record) return error(record.error());
    if (record->mode != 0) return error(EIO);
    next_free = record->next_free;
  } else {
    if (inode_count_ >= kMaxInodes) return error(ENOSPC);
    inode = inode_count_;
  }
  auto object = std::make_unique<Object>();
  object->number = inode;
  object->record.mode = mode;
  object->tree.object = inode;
  object->tree.mark = sealer_->mark();
  touch(*object);
  stamp(*object);
  if (auto written = write_record(inode, object->record); !written) return error(written.error());
  if (inode == free_inode_) {
    free_inode_ = next_free;
  } else {
    ++inode_count_;
  }
  forget_old_objects();
  object->uses = 1;
  object->last_use = ++use_clock_;
  insert(object.get());
  return object.release();
}

void Volume::release(Object* object, bool closing) {
  if (--object->uses != 0) return;
  if (object->tree.orphan) {
    dispose_orphan(object);
    return;
  }
  // An error stays with the object: it is dirty still, and the next commit tries again and reports.
  if (closing && object->is_dirty()) (void)commit(nullptr, Durability::kEnclave);
}

Expected<void> Volume::drop(Object& object) {
  Tree& tree = object.tree;
  if (object.uses > 1) {
    ExtentList held;
    if (auto collected = forest_->collect_committed(tree, held); !collected) return collected;
    if (auto freed = free_record(object.number); !freed) return freed;
    pending_free_.append(tree.freed);
    tree.wasted.clear();
    tree.orphan = true;
    object.held.append(held);
    unlink_from_bucket(&object);
    object.next = orphans_;
    orphans_ = &object;
    return {};
  }
  if (auto cut = forest_->truncate(tree, 0); !cut) return cut;
  if (auto freed = free_record(object.number); !freed) return freed;
  collect_changes(tree);
  unlink_from_bucket(&object);
  object.next = orphans_;
  orphans_ = &object;  // empty; goes with the caller's release()
  tree.orphan = true;
  return {};
}

Expected<void> Volume::set_more_names(Object& object, std::uint32_t count) {
  stamp(object);
  auto stored = read_record(object.number);
  if (!stored) return error(stored.error());
  stored->more_names = count;
  if (auto written = write_record(object.number, *stored); !written) return written;
  object.record.more_names = count;
  return {};
}

void Volume::dispose_orphan(Object* object) {
  Object** link = &orphans_;
  while (*link != object) link = &(*link)->next;
  *link = object->next;
  for (const Extent& run : object->tree.allocated) space_->unreserve(run);
  if (object->held_marked) {
    space_->quarantine(object->held);
  } else {
    pending_free_.append(object->held);
  }
  forget(object);
}

void Volume::touch(Object& object) {
  object.record_dirty = true;
  object.stamp_due = true;
}

void Volume::stamp(Object& object) {
  if (!object.stamp_due) return;
  object.stamp_due = false;
  if (clock_ == nullptr) return;
  clock_(&object.record.mtime_s, &object.record.mtime_ns);
  object.record.ctime_s = object.record.mtime_s;
  object.record.ctime_ns = object.record.mtime_ns;
}

}  // namespace coffer::kernel::fs::encrypted
