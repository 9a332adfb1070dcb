// System calls on memory: brk and the mmap family over the enclave's own pages.
#include <sys/mman.h>

#include <cerrno>

#include "enclave/kernel/core/image.h"
#include "enclave/kernel/core/program_protection.h"
#include "enclave/kernel/fs/files.h"
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

std::int64_t sys_brk(const Arguments& c) { return freed(static_cast<std::int64_t>(address_space().set_break(c.a[0]))); }

// Files are mapped by copying: private mappings, and shared ones that are only read, which see the file as it was.
std::int64_t map_file(const Arguments& c, int protection, int flags) {
  const auto descriptor = static_cast<int>(c.a[4]);
  if ((flags & MAP_TYPE) != MAP_PRIVATE && (protection & PROT_WRITE) != 0) return -ENODEV;
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

std::int64_t sys_mmap(const Arguments& c) {
  const auto protection = static_cast<int>(c.a[2]);
  const auto flags = static_cast<int>(c.a[3]);
  if ((flags & MAP_ANONYMOUS) == 0) return map_file(c, protection, flags);
  return answer(address_space().map(c.a[0], c.a[1], protection, flags));
}

std::int64_t sys_munmap(const Arguments& c) { return freed(answer(address_space().unmap(c.a[0], c.a[1]))); }

std::int64_t sys_mprotect(const Arguments& c) {
  const auto protection = static_cast<int>(c.a[2]);
  if (address_space().owns(c.a[0], c.a[1])) return answer(address_space().protect(c.a[0], c.a[1], protection));
  return protect_program(c.a[0], c.a[1], protection);  // RELRO wants data read-only after relocation
}

std::int64_t sys_mremap(const Arguments& c) {
  return freed(answer(address_space().remap(c.a[0], c.a[1], c.a[2], static_cast<int>(c.a[3]), c.a[4])));
}

std::int64_t sys_madvise(const Arguments& c) {
  return freed(answer(address_space().advise(c.a[0], c.a[1], static_cast<int>(c.a[2]))));
}

// Enclave memory does not leave the EPC for a disk, so these hold already.
std::int64_t sys_locked(const Arguments&) { return 0; }

std::int64_t sys_msync(const Arguments& c) {
  return address_space().owns(c.a[0], c.a[1]) ? 0 : -ENOMEM;  // private copies: nothing to write back
}

std::int64_t sys_mincore(const Arguments& c) {
  const std::uint64_t pages = (c.a[1] + 4095) / 4096;
  if (c.a[0] % 4096 != 0) return -EINVAL;
  const UserBytes out = user_bytes(c.a[2], pages, true);
  if (!out.ok || !address_space().owns(c.a[0], c.a[1])) return out.ok ? -ENOMEM : -EFAULT;
  for (std::byte& b : out.bytes) b = std::byte{1};
  return 0;
}

constexpr SyscallEntry kTable[] = {
    {9, "mmap", "addr, length, prot, flags, fd, offset", sys_mmap, "file contents of plain mounts: any bytes"},
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
