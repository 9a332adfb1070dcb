// System calls on memory: brk and the mmap family over the enclave's own pages.
#include <sys/mman.h>

#include <cerrno>
#include <optional>

#include "enclave/kernel/core/early_memory.h"
#include "enclave/kernel/core/image.h"
#include "enclave/kernel/core/program_protection.h"
#include "enclave/kernel/fs/files.h"
#include "enclave/kernel/fs/shared_mappings.h"
#include "enclave/kernel/signals/timers.h"
#include "enclave/kernel/syscalls/syscall.h"

namespace coffer::kernel {

namespace {

using Arguments = SyscallArguments;

template <class T>
std::int64_t answer(const AddressSpace::Expected<T>& result) {
  return result ? static_cast<std::int64_t>(*result) : -result.error();
}
std::int64_t answer(const AddressSpace::Expected<void>& result) { return result ? 0 : -result.error(); }

// The answer to a call that may have freed memory.
std::int64_t freed(std::int64_t result) {
  signals::release_memory_later();
  return result;
}

constexpr std::uint64_t round_to_page(std::uint64_t value) { return (value + 4095) & ~std::uint64_t{4095}; }

std::int64_t sys_brk(const Arguments& c) {
  const std::uint64_t before = round_to_page(address_space().set_break(0));
  const std::uint64_t now = address_space().set_break(c.a[0]);
  if (const std::uint64_t end = round_to_page(now); end > before) commit_early(before, end - before);
  return freed(static_cast<std::int64_t>(now));
}

// Calls apply(address, length, is_shared) for each part of a range of pages that is, or is not, a file that is mapped
// shared, until one fails.
template <class Apply>
std::int64_t for_each_part(std::uint64_t address, std::uint64_t length, Apply apply) {
  constexpr std::uint64_t kPage = 4096;
  if (!fs::has_shared_mappings() || address % kPage != 0 || !fs::is_shared_mapping(address, length)) {
    return apply(address, length, false);
  }
  if (!address_space().owns(address, length)) return -EINVAL;
  const std::uint64_t end = address + (length + kPage - 1) / kPage * kPage;
  while (address < end) {
    const bool shared = fs::is_shared_mapping(address, kPage);
    std::uint64_t part_end = address + kPage;
    while (part_end < end && fs::is_shared_mapping(part_end, kPage) == shared) part_end += kPage;
    if (const std::int64_t failed = apply(address, part_end - address, shared); failed != 0) return failed;
    address = part_end;
  }
  return 0;
}

// Private mappings of files are copies. So is a shared one that is only read, where it cannot be more: of what is no
// regular file, or at an address that the program wants.
std::int64_t map_copy(const Arguments& c, int protection, int flags) {
  const auto descriptor = static_cast<int>(c.a[4]);
  if (c.a[5] % 4096 != 0) return -EINVAL;
  const int anonymous = (flags & ~MAP_TYPE) | MAP_PRIVATE | MAP_ANONYMOUS;
  auto mapped = address_space().map(c.a[0], c.a[1], PROT_READ | PROT_WRITE, anonymous);
  if (!mapped) return -mapped.error();
  std::span<std::byte> room(reinterpret_cast<std::byte*>(*mapped), c.a[1]);
  auto filled = address_space().prepare_access(*mapped, c.a[1], true) ? fs::read_for_mapping(descriptor, c.a[5], room)
                                                                      : fs::Expected<std::size_t>(fs::error(ENOMEM));
  if (filled) {
    if (auto set = address_space().protect(*mapped, c.a[1], protection); set) return static_cast<std::int64_t>(*mapped);
    filled = fs::error(EACCES);
  }
  if (auto undone = address_space().unmap(*mapped, c.a[1]); !undone) return -undone.error();
  return -filled.error();
}

std::int64_t map_file(const Arguments& c, int protection, int flags) {
  if ((flags & MAP_TYPE) == MAP_PRIVATE) return map_copy(c, protection, flags);
  const auto description = fs::files().descriptors.get(static_cast<int>(c.a[4]));
  if (!description) return -EBADF;
  std::optional<fs::FixedPlace> place;
  if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0) {
    place = {.address = c.a[0], .replace = (flags & MAP_FIXED_NOREPLACE) == 0};
  }
  const auto mapped = fs::map_shared(**description, c.a[5], c.a[1], protection, place);
  if (mapped) return static_cast<std::int64_t>(*mapped);
  const int failed = mapped.error();
  const bool copy_would_do = (protection & PROT_WRITE) == 0 && (failed == ENODEV || failed == ENOMEM) &&
                             !fs::is_shared_mapping(c.a[0], c.a[1]);
  return copy_would_do ? map_copy(c, protection, flags) : -failed;
}

std::int64_t sys_mmap(const Arguments& c) {
  const auto protection = static_cast<int>(c.a[2]);
  const auto flags = static_cast<int>(c.a[3]);
  const bool shared_file = (flags & MAP_ANONYMOUS) == 0 && (flags & MAP_TYPE) != MAP_PRIVATE;
  // What stands where a file is mapped shared has addresses of the file around it: it goes as a whole, or not at all.
  if ((flags & MAP_FIXED) != 0 && !shared_file && fs::is_shared_mapping(c.a[0], c.a[1]) &&
      !fs::give_way(c.a[0], c.a[1])) {
    return -ENOMEM;
  }
  if ((flags & MAP_ANONYMOUS) == 0) return map_file(c, protection, flags);
  const auto mapped = address_space().map(c.a[0], c.a[1], protection, flags);
  const bool sparse = (flags & MAP_NORESERVE) != 0;  // far more than will be touched
  if (mapped && !sparse && (protection & PROT_WRITE) != 0) commit_early(*mapped, round_to_page(c.a[1]));
  return answer(mapped);
}

std::int64_t sys_munmap(const Arguments& c) {
  return freed(for_each_part(c.a[0], c.a[1], [](std::uint64_t address, std::uint64_t length, bool shared) {
    if (!shared) return answer(address_space().unmap(address, length));
    fs::unmap_shared(address, length);
    return std::int64_t{0};
  }));
}

std::int64_t sys_mprotect(const Arguments& c) {
  const auto protection = static_cast<int>(c.a[2]);
  if (!address_space().owns(c.a[0], c.a[1])) {
    return protect_program(c.a[0], c.a[1], protection);  // RELRO wants data read-only after relocation
  }
  return for_each_part(c.a[0], c.a[1], [&](std::uint64_t address, std::uint64_t length, bool shared) -> std::int64_t {
    if (!shared) {
      const auto done = address_space().protect(address, length, protection);
      if (done && (protection & PROT_WRITE) != 0) commit_early(address, round_to_page(length));
      return answer(done);
    }
    const auto set = fs::protect_shared(address, length, protection);
    return set ? 0 : -set.error();
  });
}

std::int64_t sys_mremap(const Arguments& c) {
  if (fs::is_shared_mapping(c.a[0], c.a[1])) {
    // It shrinks; it neither grows nor moves, and programs map anew then.
    const std::uint64_t kept = (c.a[2] + 4095) & ~std::uint64_t{4095};
    if (c.a[0] % 4096 != 0 || c.a[2] == 0) return -EINVAL;
    if (kept > ((c.a[1] + 4095) & ~std::uint64_t{4095}) || (c.a[3] & MREMAP_FIXED) != 0) return -ENOMEM;
    if (c.a[1] > kept) fs::unmap_shared(c.a[0] + kept, c.a[1] - kept);
    return freed(static_cast<std::int64_t>(c.a[0]));
  }
  if ((c.a[3] & MREMAP_FIXED) != 0 && fs::is_shared_mapping(c.a[4], c.a[2])) return -ENOMEM;
  const auto moved = address_space().remap(c.a[0], c.a[1], c.a[2], static_cast<int>(c.a[3]), c.a[4]);
  if (moved) commit_early(*moved, round_to_page(c.a[2]));
  return freed(answer(moved));
}

std::int64_t sys_madvise(const Arguments& c) {
  const auto advice = static_cast<int>(c.a[2]);
  return freed(for_each_part(c.a[0], c.a[1], [&](std::uint64_t address, std::uint64_t length, bool shared) {
    // What a shared file holds is the file's and is not dropped: MADV_DONTNEED would read the same again.
    return answer(address_space().advise(address, length, shared && advice == MADV_DONTNEED ? MADV_NORMAL : advice));
  }));
}

// Enclave memory does not leave the EPC for a disk, so these hold already.
std::int64_t sys_locked(const Arguments&) { return 0; }

std::int64_t sys_msync(const Arguments& c) {
  constexpr std::uint64_t kKnown = MS_ASYNC | MS_SYNC | MS_INVALIDATE;
  if (c.a[0] % 4096 != 0 || (c.a[2] & ~kKnown) != 0) return -EINVAL;
  if ((c.a[2] & (MS_ASYNC | MS_SYNC)) == (MS_ASYNC | MS_SYNC)) return -EINVAL;
  if (!address_space().owns(c.a[0], c.a[1])) return -ENOMEM;
  if (!fs::has_shared_mappings()) return 0;
  const auto synced = fs::sync_shared(c.a[0], c.a[1], (c.a[2] & MS_SYNC) != 0);
  return synced ? 0 : -synced.error();
}

std::int64_t sys_mincore(const Arguments& c) {
  const std::uint64_t pages = (c.a[1] + 4095) / 4096;
  if (c.a[0] % 4096 != 0) return -EINVAL;
  const UserBytes out = user_bytes(c.a[2], pages, true);
  if (!out.ok || !address_space().owns(c.a[0], c.a[1])) return out.ok ? -ENOMEM : -EFAULT;
  for (std::uint64_t page = 0; page < pages; ++page) {
    out.bytes[page] = static_cast<std::byte>(address_space().is_committed(c.a[0] + page * 4096) ? 1 : 0);
  }
  return 0;
}

constexpr SyscallEntry kTable[] = {
    {9, "mmap", "addr, length, prot, flags, fd, offset", sys_mmap, "files of plain mounts: any contents, size, inode"},
    {10, "mprotect", "addr, length, prot", sys_mprotect, ""},
    {11, "munmap", "addr, length", sys_munmap, ""},
    {12, "brk", "addr", sys_brk, ""},
    {25, "mremap", "old, old_size, new_size, flags, new", sys_mremap, ""},
    {26, "msync", "addr, length, flags", sys_msync, ""},
    {27, "mincore", "addr, length, vec", sys_mincore, ""},
    {28, "madvise", "addr, length, advice", sys_madvise, ""},
    {149, "mlock", "addr, length", sys_locked, ""},
    {150, "munlock", "addr, length", sys_locked, ""},
    {151, "mlockall", "flags", sys_locked, ""},
    {152, "munlockall", "", sys_locked, ""},
    {325, "mlock2", "addr, length, flags", sys_locked, ""},
};

}  // namespace

std::span<const SyscallEntry> memory_syscalls() { return kTable; }

}  // namespace coffer::kernel
