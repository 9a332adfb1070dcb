// Symbolic links that a file system leaves to the kernel. Freestanding; no state.
#pragma once

#include "enclave/kernel/fs/mount_table.h"

namespace coffer::kernel::fs {

inline constexpr int kMostLinksFollowed = 40;  // as Linux

// The location with the links on its way followed; the last component too where `follow_last` is true or the path says
// that it is a directory. What does not exist stays as it is: the caller's next call says so.
//
// Where the host can have made a link, the way on must stay in its mount, or the answer is EXDEV: a host must not lead
// a program that works on the host's files to others, encrypted or measured. Links that were made inside lead anywhere.
// The kernel's own links (/proc, /dev) are not followed. ELOOP after kMostLinksFollowed.
Expected<Location> resolve_links(const MountTable& mounts, const Location& location, bool follow_last);

// Whether the error can mean that a symbolic link is in the way, which the file system does not follow.
[[nodiscard]] bool stopped_at_link(int error_number);

// What `operation` answers for the location; where it stops at a symbolic link, for where that leads.
template <class Operation>
auto through_links(const MountTable& mounts, const Location& location, bool follow_last, Operation operation)
    -> decltype(operation(location)) {
  auto result = operation(location);
  if (result || !stopped_at_link(result.error())) return result;
  const auto resolved = resolve_links(mounts, location, follow_last);
  if (!resolved) return error(resolved.error());
  if (resolved->absolute == location.absolute) return result;
  return operation(*resolved);
}

}  // namespace coffer::kernel::fs
