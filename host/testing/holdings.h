// What a process has of the system, as the system counts it: for tests that nothing is left behind.
#pragma once

#include <sys/types.h>

#include <cstddef>

namespace coffer::host::testing {

struct Holdings {
  std::size_t mappings = 0, mapped_kib = 0, resident_kib = 0, anonymous_kib = 0, descriptors = 0, threads = 0,
              children = 0;
};

// Of process `pid`. Mappings and descriptors are 0 where this user may not look: a process that is not dumpable.
[[nodiscard]] Holdings holdings_of(pid_t pid);

// Files in the folders that this test process makes them in: /dev/shm, scratch() and what is in it.
[[nodiscard]] std::size_t files_left();

}  // namespace coffer::host::testing
