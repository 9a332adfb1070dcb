// What the program's own segments allow now: their measured permissions, less what mprotect took away. Thread-safe.
#pragma once

#include <cstdint>

namespace coffer::kernel {

// mprotect over whole pages of one segment: 0 or -errno. EACCES for more than the segment has, ENOMEM outside of the
// segments and where the host does not do its part; nothing has changed then. Holds a lock while it asks the host.
[[nodiscard]] std::int64_t protect_program(std::uint64_t address, std::uint64_t size, int protection);

// True where mprotect has left these rights (1 read, 2 write) in the range.
[[nodiscard]] bool program_allows(std::uint64_t address, std::uint64_t size, std::uint32_t rights);

}  // namespace coffer::kernel
