// What the file service does with one descriptor or one exchange area. No state; thread-safe. Every function answers
// with an errno (positive, 0 for none) or, where it has a count to tell, the count or a negative errno.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace coffer::host {

struct ListedEntry {
  std::string name;
  std::uint64_t inode = 0;
  std::uint8_t type = 0;  // DT_*
};

// Calls again as long as a signal interrupts.
template <class Operation>
auto retry(Operation operation) {
  auto result = operation();
  while (result < 0 && errno == EINTR) result = operation();
  return result;
}

// One read or write at `offset`, or where the descriptor stands for boundary::kCurrentPosition. Waits on descriptors
// that are non-blocking; a closed pipe is -EPIPE and raises no signal.
[[nodiscard]] std::int64_t read_some(int descriptor, std::uint64_t offset, std::span<std::byte> into);
[[nodiscard]] std::int64_t write_some(int descriptor, std::uint64_t offset, std::span<const std::byte> from);

// Copies the path of `length` bytes at `offset` out of the exchange area, once. EINVAL for what the protocol does not
// allow: "" between slashes, ".", "..", NUL. "" as a whole is the mount's root.
[[nodiscard]] int take_path(std::span<const std::byte> exchange, std::uint64_t offset, std::uint64_t length,
                            std::string& path);

// Puts a HostStat of the descriptor into the exchange area: 0 or -errno.
[[nodiscard]] std::int64_t put_status(int descriptor, std::span<std::byte> exchange);

// Changes what HostAttributes at `offset` of the exchange area say of what the descriptor (O_PATH too) stands for:
// 0 or -errno. S_ISUID and S_ISGID are left out, as Linux leaves out S_ISGID for who is not of the group: what an
// enclave writes must not run with this user's rights in the hands of others.
[[nodiscard]] std::int64_t change_attributes(int descriptor, std::span<const std::byte> exchange, std::uint64_t offset);

// All entries of a directory but "." and "..".
[[nodiscard]] int list_directory(int descriptor, std::vector<ListedEntry>& entries);
// As many HostDirent records as fit, from entry `skip` on: their bytes, 0 at the end.
[[nodiscard]] std::int64_t put_entries(const std::vector<ListedEntry>& entries, std::uint64_t skip,
                                       std::span<std::byte> exchange);

// rows << 32 | columns; ENOTTY where the descriptor is no terminal.
[[nodiscard]] int terminal_size(int descriptor, std::uint64_t& size);

// openat2 that cannot leave the tree beneath `root`: a descriptor, or -1 with errno.
[[nodiscard]] int open_beneath(int root, const char* path, int flags, unsigned mode);
// Whether this kernel has openat2 at all.
[[nodiscard]] bool openat2_works(int root);

}  // namespace coffer::host
