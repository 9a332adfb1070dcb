// All files of the process: mounts, descriptors, the working directory, and what the system calls do with paths.
// Freestanding; thread-safe after init_files().
#pragma once

#include <memory>

#include "boundary/calls.h"
#include "boundary/network.h"
#include "enclave/kernel/core/locks.h"
#include "enclave/kernel/fs/clock.h"
#include "enclave/kernel/fs/descriptors.h"
#include "enclave/kernel/fs/image_fs.h"
#include "enclave/kernel/fs/mount_table.h"
#include "enclave/kernel/fs/process_info.h"
#include "enclave/kernel/fs/ram_fs.h"
#include "enclave/kernel/fs/record_locks.h"

namespace coffer::kernel::fs {

// Every file belongs to this user and group, which getuid() and getgid() should answer too.
inline constexpr std::uint32_t kFileOwner = 1000, kFileGroup = 1000;

struct MountSetup {
  std::string_view path;  // absolute
  boundary::MountKind kind = boundary::MountKind::kPlain;
  std::uint32_t id = 0;  // plain: the number that file requests carry
  bool read_only = false;
  FileSystem* encrypted = nullptr;  // encrypted: the file system, made by the caller over make_host_directory(id)
};

struct FilesSetup {
  std::span<const ImageFile> image_files;
  std::span<const MountSetup> mounts;
  std::string_view program;  // absolute path of the program: AT_EXECFN, /proc/self/exe
  std::span<const std::string_view> arguments, environment;
  std::span<const std::byte> auxiliary_vector;
  bool terminals[3] = {};  // standard input, output, error
  ProcessView view;

  std::span<const boundary::NetworkRule> network;  // what sockets may do; empty: there are none

  std::uint64_t temporary_limit = std::uint64_t{16} << 20;  // bytes in /tmp and /dev/shm together
  RamBlocks temporary_blocks = heap_blocks();
  std::size_t descriptor_limit = 1024;

  // May be null: clock.h and waiters.h say what happens then.
  RealtimeClock realtime = nullptr;
  MonotonicClock monotonic_ns = nullptr;
  std::uint32_t (*current_thread_index)() = nullptr;
};

// The host's directory of a mount, for an encrypted file system to stand on.
std::unique_ptr<HostDirectory> make_host_directory(std::uint32_t mount_id);

// Once, before the first system call. Everything is copied but image contents, file systems and kernel_release.
// Panics where the set-up cannot be met (two mounts at one place): the image or the host is wrong.
void init_files(const FilesSetup& setup);

// Everything written reaches the host's disk; called at exit. Errors are the file systems' own matter by then.
void sync_all_files();

// Fills `into` from the file for a private mapping; what lies behind the end of the file stays as it is (zero). The
// bytes read. EACCES where the descriptor is not readable, ENODEV where the file cannot be mapped.
Expected<std::size_t> read_for_mapping(int descriptor, std::uint64_t offset, std::span<std::byte> into);

class Files {
 public:
  explicit Files(std::size_t descriptor_limit) : descriptors(descriptor_limit) {}

  MountTable mounts;
  DescriptorTable descriptors;
  RecordLocks locks;
  ProcessInfo process;
  std::atomic<std::uint32_t> umask{022};

  // Where the path leads from the directory `base` (AT_FDCWD or a descriptor).
  Expected<Location> locate(std::int64_t base, std::string_view path);
  Expected<Ref<Description>> open(Location location, int flags, std::uint32_t mode);
  // The status of an open description, with the device of its mount.
  static Expected<FileStatus> status(Description& description);
  Expected<FileStatus> status(Location location, bool follow);
  Expected<std::string> read_link(const Location& location);
  Expected<void> make_directory(const Location& location, std::uint32_t mode);
  Expected<void> remove(const Location& location, bool directory);
  Expected<void> rename(const Location& from, const Location& to, unsigned flags);
  // A new name `to` of the file `from`; of what a last symbolic link leads to where `follow_last` is true.
  Expected<void> link(const Location& from, const Location& to, bool follow_last);
  Expected<void> make_symbolic_link(std::string_view target, const Location& location);
  Expected<void> change(const Location& location, const AttributeChange& change, bool follow_last);

  [[nodiscard]] std::string working_directory();
  Expected<void> change_directory(const Location& location);

 private:
  Expected<Ref<Description>> open_again(int number, int flags);
  Expected<Location> follow(const Location& link);
  template <class Operation>
  Expected<void> between(const Location& from, const Location& to, Operation operation);
  [[nodiscard]] int descriptor_at(const Location& location) const;

  SpinLock directory_lock_;
  std::string directory_ = "/";
};

// The process's files. After init_files() only.
Files& files();

}  // namespace coffer::kernel::fs
