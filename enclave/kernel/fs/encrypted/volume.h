// One encrypted mount below its names: records, inodes, commits. Freestanding. Used with the mount's lock held.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "enclave/kernel/fs/encrypted/block_cache.h"
#include "enclave/kernel/fs/encrypted/encrypted_file_system.h"
#include "enclave/kernel/fs/encrypted/host_file.h"
#include "enclave/kernel/fs/encrypted/object.h"
#include "enclave/kernel/fs/encrypted/root_file.h"
#include "enclave/kernel/fs/encrypted/sealer.h"
#include "enclave/kernel/fs/encrypted/space_map.h"
#include "enclave/kernel/fs/encrypted/tree.h"

namespace coffer::kernel::fs::encrypted {

class Volume {
 public:
  // Opens the volume of the host directory, or makes one where there is none.
  [[nodiscard]] static Expected<std::unique_ptr<Volume>> open(HostDirectory& host,
                                                              std::span<const std::byte, 32> mount_key,
                                                              const EncryptedOptions& options);
  Volume(const Volume&) = delete;
  Volume& operator=(const Volume&) = delete;
  ~Volume();

  [[nodiscard]] bool read_only() const { return read_only_; }
  [[nodiscard]] Forest& forest() { return *forest_; }

  // Takes an object into use, reading its record where it is not in memory. Each needs a release().
  [[nodiscard]] Expected<Object*> acquire(std::uint64_t inode);
  // A new object of the mode, in use.
  [[nodiscard]] Expected<Object*> create(std::uint32_t mode);
  // Ends a use. What closes a file publishes its changes: `closing` commits where this was the last use.
  void release(Object* object, bool closing = false);
  // The record as it is now, without taking the object into use.
  [[nodiscard]] Expected<InodeRecord> record_of(std::uint64_t inode);
  // Frees an object that no directory names any more; one that is open lives on until its last release().
  [[nodiscard]] Expected<void> drop(Object& object);
  // Says how many names the object has beside the first. Part of the next commit, also where the object's content is
  // not.
  [[nodiscard]] Expected<void> set_more_names(Object& object, std::uint32_t count);
  // Sets the times now, or when somebody asks for them.
  void touch(Object& object);
  void stamp(Object& object);

  // Makes one new state of the mount: all changes of names, of closed files, and of `also`. Durable states have
  // reached the host's disk when this returns; others outlive the enclave, but maybe not the machine.
  enum class Durability { kEnclave, kMachine };
  [[nodiscard]] Expected<void> commit(Object* also, Durability durability) {
    return commit_files(also, false, durability);
  }
  // The same with every open file; the mount can be left after it.
  [[nodiscard]] Expected<void> commit_everything();
  // Keeps the cache within its bounds; called between writes.
  [[nodiscard]] Expected<void> balance(Object& writing);

 private:
  Volume(HostDirectory& host, const EncryptedOptions& options);

  [[nodiscard]] Expected<void> mount(std::span<const std::byte, 32> mount_key, const EncryptedOptions& options);
  [[nodiscard]] Expected<void> make_new(std::span<const std::byte, 32> mount_key, const EncryptedOptions& options);
  [[nodiscard]] Expected<void> load_state(std::span<const std::byte, 32> mount_key, std::string_view label);
  [[nodiscard]] Expected<void> write_first_witnesses();
  void start(std::unique_ptr<Sealer> sealer);
  [[nodiscard]] Expected<void> adopt(const RootRecord& record);
  [[nodiscard]] Expected<void> take_lock();
  [[nodiscard]] Expected<void> check_lock();

  [[nodiscard]] Expected<void> commit_files(Object* also, bool everything, Durability durability);
  [[nodiscard]] Expected<void> store(std::span<Object* const> chosen, Durability durability);
  [[nodiscard]] Expected<void> publish(std::span<Object* const> objects);
  void collect_changes(Tree& tree);
  [[nodiscard]] Expected<void> update_space_map();
  [[nodiscard]] Expected<void> write_state(Durability durability);
  [[nodiscard]] Expected<void> sync_data();
  [[nodiscard]] RootRecord& prepare_record();

  [[nodiscard]] Expected<InodeRecord> read_record(std::uint64_t inode);
  [[nodiscard]] Expected<void> write_record(std::uint64_t inode, const InodeRecord& record);
  [[nodiscard]] Expected<void> free_record(std::uint64_t inode);
  [[nodiscard]] Object* find(std::uint64_t inode);
  void insert(Object* object);
  void unlink_from_bucket(Object* object);
  void forget(Object* object);
  void forget_old_objects();
  void dispose_orphan(Object* object);
  template <class Visit>
  void for_each_object(Visit visit) {  // which may delete the object
    for (Object* object : objects_) {
      while (object != nullptr) visit(std::exchange(object, object->next));
    }
  }

  HostDirectory& host_;
  bool read_only_;
  bool broken_ = false;  // the stored state cannot be gone on from: nothing is written any more
  Clock clock_;
  HostFile data_;
  RootFile roots_;
  std::array<std::byte, 16> lock_token_{};
  HostFile lock_;
  bool record_due_ = false;  // something was published that no stored record says yet

  std::unique_ptr<Sealer> sealer_;
  BlockCache cache_;
  std::unique_ptr<Forest> forest_;
  std::unique_ptr<SpaceMap> space_;
  Tree table_;
  std::uint64_t inode_count_ = 0, free_inode_ = 0;

  static constexpr std::size_t kBuckets = 256;
  static constexpr std::size_t kIdleObjects = 256;
  std::array<Object*, kBuckets> objects_{};
  Object* orphans_ = nullptr;
  std::size_t object_count_ = 0;
  std::uint64_t use_clock_ = 0;

  ExtentList pending_used_, pending_free_;  // published, not in the space map yet
  std::vector<UnsyncedBlock> unsynced_;
  bool unsynced_overflow_ = false;
  std::uint64_t soft_commits_ = 0;  // since the last durable one
  std::uint64_t host_end_ = 0;      // blocks that coffer.data may have
  std::unique_ptr<RootRecord> record_;
};

}  // namespace coffer::kernel::fs::encrypted
