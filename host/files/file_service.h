// The host's side of the file requests of boundary/calls.h: host directories, and the standard streams.
//
// The enclave asks, and is not believed: a path never leaves the directory of its mount (openat2 with RESOLVE_BENEATH;
// a walk that refuses symbolic links where the kernel has no openat2), only regular files and directories are opened, a
// read-only mount is never written, handles and lengths are checked, and the number of open handles is bounded.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "boundary/calls.h"

namespace coffer::host {

// The answer to a request: what goes back to the enclave in RSI and RDX, R8, R9.
struct Answer {
  std::int64_t result = 0;  // negative errno or a count
  std::array<std::uint64_t, 3> extra{};
};

// The four argument registers of a request: RSI, RDX, R8, R9.
using RequestArguments = std::array<std::uint64_t, 4>;

class FileService {
 public:
  struct Streams {
    int input = 0, output = 1, error = 2;  // descriptors of this process; borrowed, never closed
  };

  explicit FileService(Streams streams, std::size_t max_handles = 4096);
  FileService() : FileService(Streams{}) {}
  ~FileService();
  FileService(const FileService&) = delete;
  FileService& operator=(const FileService&) = delete;

  // Makes `directory` the mount `id`. Before the enclave starts; kInput where it is no directory or the id is taken.
  [[nodiscard]] Result<void> add_mount(std::uint32_t id, const std::filesystem::path& directory, bool read_only);

  // Whoever reads and writes files in this service's place, once they are in use: as Rung::share_file().
  struct Sharing {
    std::function<bool(std::uint64_t handle, int descriptor)> share;
    std::function<void(std::uint64_t handle)> unshare;
  };
  // Before the enclave starts.
  void share_with(Sharing sharing) { sharing_ = std::move(sharing); }

  // True for the requests that serve() answers.
  [[nodiscard]] static bool serves(boundary::Request request);

  // Serves one request of the calling thread; `exchange` is the thread's exchange area. Blocks as the read or write
  // does. Thread-safe. Never throws for anything that the enclave can send: the answer is a negative errno.
  [[nodiscard]] Answer serve(boundary::Request request, const RequestArguments& arguments,
                             std::span<std::byte> exchange);

  // Whether the stream (0, 1 or 2) is a terminal, for StartInfo.
  [[nodiscard]] bool is_terminal(int stream) const;

  // From now on reads of the streams that would wait fail with EINTR, those that wait already too: the enclave has
  // ended.
  void cancel_waits();

  // For tests: behave as on a kernel without openat2.
  void use_fallback_resolution() { has_openat2_ = false; }

 private:
  struct MountPoint;
  struct OpenFile;
  struct Call;

  bool wait_for_input(int descriptor);
  Answer serve_handle(const Call& call);
  Answer serve_path(const Call& call);
  Answer close(std::uint64_t handle, OpenFile& file);
  void note_transfer(std::uint64_t handle, OpenFile& file);
  Answer open(const Call& call, const MountPoint& mount, const std::string& path);
  std::shared_ptr<OpenFile> find(std::uint64_t handle);
  std::int64_t insert(std::shared_ptr<OpenFile> file);
  int resolve(const MountPoint& mount, const std::string& path, int flags, unsigned mode);
  int resolve_by_walking(const MountPoint& mount, const std::string& path, int flags, unsigned mode);
  FileDescriptor open_parent(const MountPoint& mount, const std::string& path, std::string* name);

  Answer path_stat(const Call& call, const MountPoint& mount, const std::string& path);
  Answer path_remove(const Call& call, const MountPoint& mount, const std::string& path);
  Answer path_rename(const Call& call, const MountPoint& mount, const std::string& path);
  Answer path_make_directory(const Call& call, const MountPoint& mount, const std::string& path);
  Answer path_read_link(const Call& call, const MountPoint& mount, const std::string& path);
  Answer path_change(const Call& call, const MountPoint& mount, const std::string& path);
  Answer path_link(const Call& call, const MountPoint& mount, const std::string& path);
  Answer path_symlink(const Call& call, const MountPoint& mount, const std::string& path);
  Answer path_sync(const MountPoint& mount, const std::string& path);

  FileDescriptor cancel_;
  std::array<int, 3> streams_;
  Sharing sharing_;
  bool has_openat2_ = true;
  std::map<std::uint32_t, MountPoint> mounts_;  // not changed while the enclave runs
  std::size_t max_handles_;
  std::mutex mutex_;                                // guards handles_ and free_
  std::vector<std::shared_ptr<OpenFile>> handles_;  // index = handle - 3
  std::vector<std::uint32_t> free_;
};

}  // namespace coffer::host
