#include "processor/protected_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "sgx/arch.h"

namespace coffer::processor {

namespace {

constexpr int kEverything = PROT_READ | PROT_WRITE | PROT_EXEC;

FileDescriptor open_secret(std::size_t size, std::string* missing) {
  FileDescriptor fd(static_cast<int>(::syscall(SYS_memfd_secret, 0)));
  if (!fd) {
    *missing = errno == ENOSYS
                   ? "memfd_secret is not offered by this kernel (Linux 5.14 or later; before 6.5 boot with "
                     "secretmem.enable=1): enclave pages stand in ordinary memory"
                   : "memfd_secret is refused here (a container's seccomp profile?): enclave pages stand in "
                     "ordinary memory";
    return fd;
  }
  if (::fcntl(fd.get(), F_SETFD, FD_CLOEXEC) != 0 || ::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) {
    *missing = "memfd_secret cannot be sized: enclave pages stand in ordinary memory";
    fd.reset();
  }
  return fd;
}

}  // namespace

Result<ProtectedMemory> ProtectedMemory::open(std::size_t size, bool want_secret,
                                              std::shared_ptr<const WarmMemory> warm) {
  ProtectedMemory memory;
  memory.plain_ = FileDescriptor(::memfd_create("coffer-epc", MFD_CLOEXEC));
  if (!memory.plain_) return system_error("cannot make the EPC", errno);
  if (::ftruncate(memory.plain_.get(), static_cast<off_t>(size)) != 0) {
    return system_error("cannot size the EPC to " + std::to_string(size) + " bytes", errno);
  }
  memory.code_takes_breakpoints_ = !want_secret;
  if (want_secret) memory.secret_ = open_secret(size, &memory.missing_);
  if (memory.secret_) memory.warm_ = std::move(warm);
  return memory;
}

std::optional<int> ProtectedMemory::host_protection(std::uintptr_t address) const {
  return host_pages_ == nullptr ? kEverything : host_pages_->protection(address - host_base_);
}

Result<Backing> ProtectedMemory::map(std::uintptr_t address, std::size_t frame, std::size_t count, int protection,
                                     Backing backing) {
  if (host_pages_ == nullptr) return map_run(address, frame, count, protection, backing);
  Result<Backing> mapped = Backing::kPlain;
  for (std::size_t first = 0; first < count && mapped;) {
    const std::optional<int> allowed = host_protection(address + first * sgx::kPageSize);
    std::size_t end = first + 1;
    while (end < count && host_protection(address + end * sgx::kPageSize) == allowed) ++end;
    if (allowed) {
      mapped = map_run(address + first * sgx::kPageSize, frame + first, end - first, protection & *allowed, backing);
    }
    first = end;
  }
  return mapped;
}

bool ProtectedMemory::protect(std::uintptr_t address, std::size_t size, int protection) {
  for (const std::uintptr_t limit = address + size; address < limit;) {
    const std::optional<int> allowed = host_protection(address);
    std::uintptr_t end = host_pages_ == nullptr ? limit : address + sgx::kPageSize;
    while (end < limit && host_protection(end) == allowed) end += sgx::kPageSize;
    if (allowed && ::mprotect(reinterpret_cast<void*>(address), end - address, protection & *allowed) != 0) {
      return false;
    }
    address = end;
  }
  return true;
}

bool ProtectedMemory::vacate(std::uintptr_t address, std::size_t size) {
  for (const std::uintptr_t limit = address + size; address < limit;) {
    const bool mapped = host_protection(address).has_value();
    std::uintptr_t end = host_pages_ == nullptr ? limit : address + sgx::kPageSize;
    while (end < limit && host_protection(end).has_value() == mapped) end += sgx::kPageSize;
    if (mapped && !reserve(address, end - address)) return false;
    address = end;
  }
  return true;
}

// Piece by piece, each from the file that its frames stand in.
bool ProtectedMemory::map_secret(std::uintptr_t address, std::size_t frame, std::size_t count, int protection) const {
  const std::size_t in_file = warm_ ? warm_->file_size / sgx::kPageSize : 0;
  const std::size_t warm_frames = warm_ ? warm_->files.size() * in_file : 0;
  for (std::size_t left = count * sgx::kPageSize; left != 0;) {
    const bool warm = frame < warm_frames;
    const std::size_t first = warm ? frame % in_file : frame;
    const std::size_t piece = warm ? std::min(left, (in_file - first) * sgx::kPageSize) : left;
    const int fd = warm ? warm_->files[frame / in_file].get() : secret_.get();
    if (::mmap(reinterpret_cast<void*>(address), piece, protection, MAP_SHARED | MAP_FIXED, fd,
               static_cast<off_t>(first * sgx::kPageSize)) == MAP_FAILED) {
      return false;
    }
    address += piece;
    frame += piece / sgx::kPageSize;
    left -= piece;
  }
  return true;
}

Result<Backing> ProtectedMemory::map_run(std::uintptr_t address, std::size_t frame, std::size_t count, int protection,
                                         Backing backing) {
  void* where = reinterpret_cast<void*>(address);
  const std::size_t size = count * sgx::kPageSize;
  const auto offset = static_cast<off_t>(frame * sgx::kPageSize);
  if (backing == Backing::kSecret && secret_) {
    if (map_secret(address, frame, count, protection)) return backing;
    if (errno != EAGAIN && errno != ENOMEM) return system_error("cannot map protected memory", errno);
    missing_ =
        "the hard locked-memory limit (ulimit -Hl) is smaller than the enclave: pages beyond it stand in ordinary "
        "memory, which root can read; raise it (memlock in /etc/security/limits.conf, then log in again) or grant "
        "CAP_IPC_LOCK";
  }
  // Code that a debugger may change is a private mapping: the operating system refuses it breakpoints in a shared one
  // that is not writable. What is patched in the file is seen all the same, until a page has a breakpoint.
  const bool for_debuggers = code_takes_breakpoints_ && host_pages_ == nullptr && (protection & PROT_EXEC) != 0;
  const int sharing = for_debuggers ? MAP_PRIVATE : MAP_SHARED;
  if (::mmap(where, size, protection, sharing | MAP_FIXED, plain_.get(), offset) == MAP_FAILED) {
    return system_error("cannot map enclave memory", errno);
  }
  ::madvise(where, size, MADV_DONTDUMP);
  return Backing::kPlain;
}

Result<ProtectedMemory::Window> ProtectedMemory::open_window(std::size_t frame, std::size_t count, Backing backing) {
  const std::size_t size = count * sgx::kPageSize;
  void* place = ::mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (place == MAP_FAILED) return system_error("no addresses for enclave memory", errno);
  auto used = map_run(reinterpret_cast<std::uintptr_t>(place), frame, count, PROT_READ | PROT_WRITE, backing);
  if (!used) {
    ::munmap(place, size);
    return std::unexpected(used.error());
  }
  return Window{static_cast<std::byte*>(place), size, *used, frame};
}

// The page tables move along: the enclave's first access finds them filled. Frames of several files are several
// mappings, which not every kernel moves in one call.
static bool move_mapping(std::byte* from, std::size_t size, std::uintptr_t to) {
  if (::mremap(from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, reinterpret_cast<void*>(to)) != MAP_FAILED) return true;
  if (size == sgx::kPageSize) return false;
  const std::size_t half = size / sgx::kPageSize / 2 * sgx::kPageSize;
  return move_mapping(from, half, to) && move_mapping(from + half, size - half, to + half);
}

Result<void> ProtectedMemory::move_window(const Window& window, std::uintptr_t address, int protection) {
  if (host_pages_ != nullptr) {
    // Some of the pages may be mapped less open than others, or not at all.
    auto mapped = map(address, window.frame, window.size / sgx::kPageSize, protection, window.backing);
    if (!mapped) return std::unexpected(mapped.error());
    close_window(window);
    return {};
  }
  if ((protection == (PROT_READ | PROT_WRITE) || ::mprotect(window.bytes, window.size, protection) == 0) &&
      move_mapping(window.bytes, window.size, address)) {
    return {};
  }
  return system_error("cannot map enclave memory", errno);
}

void ProtectedMemory::close_window(const Window& window) { ::munmap(window.bytes, window.size); }

Result<void> ProtectedMemory::fill_plain(std::size_t frame, ByteView content) {
  auto offset = static_cast<off_t>(frame * sgx::kPageSize);
  while (!content.empty()) {
    const ssize_t written = ::pwrite(plain_.get(), content.data(), content.size(), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return system_error("cannot fill enclave memory", errno);
    content = content.subspan(static_cast<std::size_t>(written));
    offset += written;
  }
  return {};
}

bool ProtectedMemory::patch_plain(std::size_t frame, std::size_t offset, ByteView content) {
  return ::pwrite(plain_.get(), content.data(), content.size(), static_cast<off_t>(frame * sgx::kPageSize + offset)) ==
         static_cast<ssize_t>(content.size());
}

bool ProtectedMemory::read_plain(std::size_t frame, std::size_t offset, std::span<std::byte> to) const {
  return ::pread(plain_.get(), to.data(), to.size(), static_cast<off_t>(frame * sgx::kPageSize + offset)) ==
         static_cast<ssize_t>(to.size());
}

void ProtectedMemory::discard_plain(std::size_t frame, std::size_t count) {
  // Best effort: a file system without holes keeps the memory until the enclave ends; the pages are zeroed on reuse.
  (void)::fallocate(plain_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    static_cast<off_t>(frame * sgx::kPageSize), static_cast<off_t>(count * sgx::kPageSize));
}

Result<void> ProtectedMemory::reserve(std::uintptr_t address, std::size_t size) {
  if (::mmap(reinterpret_cast<void*>(address), size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
             -1, 0) == MAP_FAILED) {
    return system_error("cannot reserve enclave addresses", errno);
  }
  return {};
}

}  // namespace coffer::processor
