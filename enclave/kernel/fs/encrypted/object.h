// A file or directory of an encrypted mount in memory. Freestanding.
#pragma once

#include <cstdint>

#include "enclave/kernel/fs/encrypted/format.h"
#include "enclave/kernel/fs/encrypted/tree.h"

namespace coffer::kernel::fs::encrypted {

struct Object {
  std::uint64_t number = 0;  // inode
  Tree tree;
  InodeRecord record;         // its root and height are the tree's
  std::uint32_t uses = 0;     // open files and operations under way
  bool record_dirty = false;  // the record differs from the inode table
  bool stamp_due = false;     // written since the times were set
  ExtentList held;            // orphans: committed blocks, freed on the host's side, that are still read
  bool held_marked = false;   // ... and the space map knows
  Object* next = nullptr;     // in its bucket
  std::uint64_t last_use = 0;

  [[nodiscard]] bool is_directory() const { return (record.mode & 0170000) == 0040000; }
  [[nodiscard]] bool is_link() const { return (record.mode & 0170000) == 0120000; }
  [[nodiscard]] bool is_dirty() const { return record_dirty || tree.is_dirty(); }
};

}  // namespace coffer::kernel::fs::encrypted
