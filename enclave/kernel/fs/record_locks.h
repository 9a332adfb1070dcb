// flock() and open-file-description locks between descriptions of this enclave. Freestanding; thread-safe.
//
// One enclave is one process, and POSIX record locks (F_SETLK) never conflict within a process, so those are not kept
// at all. Locks of other processes, on the host or in other enclaves, are not seen: mount a directory in one enclave
// only, or coordinate above.
#pragma once

#include "enclave/kernel/core/locks.h"
#include "enclave/kernel/fs/descriptors.h"

namespace coffer::kernel::fs {

enum class LockFamily : std::uint8_t { kWholeFile, kRange };  // flock(), F_OFD_*: they do not see each other
enum class LockKind : std::uint8_t { kNone, kShared, kExclusive };

struct LockRange {
  std::uint64_t first = 0, last = std::numeric_limits<std::uint64_t>::max();  // both included
};

class RecordLocks {
 public:
  // EAGAIN where another description holds a conflicting lock and `wait` is false; EINTR where something interrupts the
  // wait. kNone unlocks.
  Expected<void> set(Description& owner, LockFamily family, LockRange range, LockKind kind, bool wait);
  // The first lock of another description that conflicts: kind kNone where there is none.
  struct Conflict {
    LockKind kind = LockKind::kNone;
    LockRange range;
  };
  Expected<Conflict> find_conflict(Description& owner, LockFamily family, LockRange range, LockKind kind);
  // Called by a description's end.
  void drop_owner(const Description* owner);

 private:
  struct Held {
    Description::Identity file;
    const Description* owner;
    LockFamily family;
    LockRange range;
    LockKind kind;
  };
  [[nodiscard]] const Held* conflicting(const Held& wanted) const;
  void carve(const Held& wanted);

  SpinLock lock_;
  std::vector<Held> held_;
};

}  // namespace coffer::kernel::fs
