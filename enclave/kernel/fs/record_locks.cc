#include "enclave/kernel/fs/record_locks.h"

#include <errno.h>

#include "boundary/calls.h"
#include "enclave/kernel/fs/waiters.h"

namespace coffer::kernel::fs {

const RecordLocks::Held* RecordLocks::conflicting(const Held& wanted) const {
  for (const Held& held : held_) {
    const bool same_file = held.file == wanted.file && held.family == wanted.family && held.owner != wanted.owner;
    const bool overlap = held.range.first <= wanted.range.last && wanted.range.first <= held.range.last;
    const bool exclude = held.kind == LockKind::kExclusive || wanted.kind == LockKind::kExclusive;
    if (same_file && overlap && exclude) return &held;
  }
  return nullptr;
}

// Takes the range out of what the owner holds on this file; locks that stand out on either side are split.
void RecordLocks::carve(const Held& wanted) {
  std::vector<Held> remainders;
  std::erase_if(held_, [&](const Held& held) {
    const bool mine = held.file == wanted.file && held.family == wanted.family && held.owner == wanted.owner;
    if (!mine || held.range.first > wanted.range.last || wanted.range.first > held.range.last) return false;
    if (held.range.first < wanted.range.first) {
      remainders.push_back(held);
      remainders.back().range.last = wanted.range.first - 1;
    }
    if (held.range.last > wanted.range.last) {
      remainders.push_back(held);
      remainders.back().range.first = wanted.range.last + 1;
    }
    return true;
  });
  for (const Held& remainder : remainders) held_.push_back(remainder);
}

Expected<void> RecordLocks::set(Description& owner, LockFamily family, LockRange range, LockKind kind, bool wait) {
  const auto file = owner.identity();
  if (!file) return error(file.error());
  const Held wanted{*file, &owner, family, range, kind};
  owner.note_locks(this);
  for (;;) {
    const std::uint64_t ticket = change_ticket();
    bool done = false;
    {
      LockGuard guard(lock_);
      if (kind == LockKind::kNone || conflicting(wanted) == nullptr) {
        carve(wanted);
        if (kind != LockKind::kNone) held_.push_back(wanted);
        done = true;
      }
    }
    if (done) {
      announce_change();
      return {};
    }
    if (!wait) return error(EAGAIN);
    if (wait_interrupted()) return error(EINTR);
    wait_for_change(ticket, boundary::kNoTimeout);
  }
}

Expected<RecordLocks::Conflict> RecordLocks::find_conflict(Description& owner, LockFamily family, LockRange range,
                                                           LockKind kind) {
  const auto file = owner.identity();
  if (!file) return error(file.error());
  LockGuard guard(lock_);
  const Held* held = conflicting({*file, &owner, family, range, kind});
  if (held == nullptr) return Conflict{};
  return Conflict{held->kind, held->range};
}

void RecordLocks::drop_owner(const Description* owner) {
  {
    LockGuard guard(lock_);
    std::erase_if(held_, [&](const Held& held) { return held.owner == owner; });
  }
  announce_change();
}

}  // namespace coffer::kernel::fs
