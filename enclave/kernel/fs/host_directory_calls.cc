#include "enclave/kernel/fs/host_directory_calls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/bytes.h"
#include "boundary/calls.h"

namespace coffer::kernel::fs {

using boundary::Request;

namespace {

constexpr int kHighestErrno = 4095;
constexpr std::size_t kMaxName = 255;

// The layers above have normalised the path; checked again here because this is the last line before the host.
bool path_is_clean(std::string_view path) {
  if (path.find('\0') != std::string_view::npos) return false;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
    if (path.empty()) return false;
  }
  return true;
}

// Puts the path at `offset` of the exchange area.
Expected<void> put_path(std::string_view path, std::size_t offset = 0) {
  if (path.size() > boundary::kMaxPath) return error(ENAMETOOLONG);
  if (!path_is_clean(path)) return error(EINVAL);
  const std::span<std::byte> area = exchange_area();
  if (!range_fits(offset, path.size(), area.size())) return error(ENAMETOOLONG);
  std::memcpy(area.data() + offset, path.data(), path.size());
  return {};
}

Expected<void> nothing_or_error(const Answer& answer) {
  if (auto checked = checked_result(answer.result, 0); !checked) return error(checked.error());
  return {};
}

bool is_file_type(std::uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
    case S_IFDIR:
    case S_IFLNK:
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK:
      return (mode & ~std::uint32_t{S_IFMT | 07777}) == 0;
    default:
      return false;
  }
}

// Copies the HostStat out of the exchange area, once, and checks it.
Expected<FileStatus> take_status(const Answer& answer) {
  if (auto done = nothing_or_error(answer); !done) return error(done.error());
  boundary::HostStat host;
  std::memcpy(&host, exchange_area().data(), sizeof(host));
  constexpr std::uint32_t kSecond = 1'000'000'000;
  if (!is_file_type(host.mode) || host.size > std::numeric_limits<std::int64_t>::max() || host.mtime_ns >= kSecond ||
      host.ctime_ns >= kSecond || host.atime_ns >= kSecond) {
    return error(EIO);
  }
  FileStatus status;
  status.device = host.device;
  status.inode = host.inode;
  status.size = host.size;
  status.mode = host.mode;
  status.links = host.links;
  status.mtime_s = host.mtime_s;
  status.ctime_s = host.ctime_s;
  status.atime_s = host.atime_s;
  status.mtime_ns = host.mtime_ns;
  status.ctime_ns = host.ctime_ns;
  status.atime_ns = host.atime_ns;
  return status;
}

// Puts what is to change at `offset` of the exchange area.
Expected<void> put_attributes(const AttributeChange& change, std::size_t offset) {
  boundary::HostAttributes attributes{};
  attributes.changes = (change.set_mode ? boundary::kChangeMode : 0) |
                       (change.set_atime ? boundary::kChangeAccessTime : 0) |
                       (change.set_mtime ? boundary::kChangeModifyTime : 0);
  attributes.mode = change.mode;
  attributes.atime_s = change.atime_s;
  attributes.mtime_s = change.mtime_s;
  attributes.atime_ns = change.atime_ns;
  attributes.mtime_ns = change.mtime_ns;
  const std::span<std::byte> area = exchange_area();
  if (!range_fits(offset, sizeof(attributes), area.size())) return error(ENAMETOOLONG);
  std::memcpy(area.data() + offset, &attributes, sizeof(attributes));
  return {};
}

bool is_entry_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName && name != "." && name != ".." &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

// Parses one answer of kDirectoryRead, which is the kernel's own copy already.
Expected<void> parse_entries(ByteView records, std::vector<DirectoryEntry>& entries) {
  ByteReader reader(records);
  while (reader.remaining() > 0) {
    const auto header = reader.read<boundary::HostDirent>();
    if (!header) return error(EIO);
    const auto bytes = reader.take(header->name_length);
    if (!bytes) return error(EIO);
    const std::string_view name(reinterpret_cast<const char*>(bytes->data()), bytes->size());
    if (!is_entry_name(name)) return error(EIO);
    const std::size_t padding = (8 - reader.position() % 8) % 8;
    if (!reader.take(std::min(padding, reader.remaining()))) return error(EIO);
    if (entries.size() >= kMaxDirectoryEntries) return error(EOVERFLOW);
    const std::uint8_t type = header->type <= DT_WHT ? header->type : std::uint8_t{DT_UNKNOWN};
    entries.push_back({std::string(name), header->inode, type});
  }
  return {};
}

}  // namespace

Expected<std::uint64_t> checked_result(std::int64_t result, std::uint64_t most) {
  if (result < 0) return error(result >= -kHighestErrno ? static_cast<int>(-result) : EIO);
  if (static_cast<std::uint64_t>(result) > most) return error(EIO);
  return static_cast<std::uint64_t>(result);
}

Expected<std::size_t> host_read(std::int32_t handle, std::uint64_t offset, std::span<std::byte> into) {
  const std::span<std::byte> area = exchange_area();
  const std::size_t length = std::min(into.size(), area.size());
  if (length == 0) return 0;
  const Answer answer = call_host(Request::kFileRead, static_cast<std::uint64_t>(handle), offset, length);
  const auto count = checked_result(answer.result, length);
  if (!count) return error(count.error());
  std::memcpy(into.data(), area.data(), *count);
  return *count;
}

Expected<std::size_t> host_write(std::int32_t handle, std::uint64_t offset, std::span<const std::byte> from) {
  const std::span<std::byte> area = exchange_area();
  const std::size_t length = std::min(from.size(), area.size());
  if (length != 0) std::memcpy(area.data(), from.data(), length);
  const Answer answer = call_host(Request::kFileWrite, static_cast<std::uint64_t>(handle), offset, length);
  return checked_result(answer.result, length);
}

Expected<FileStatus> host_status(std::int32_t handle) {
  return take_status(call_host(Request::kFileStat, static_cast<std::uint64_t>(handle)));
}

Expected<HostDirectory::Handle> HostDirectoryCalls::open(std::string_view path, int open_flags, std::uint32_t mode) {
  if (auto put = put_path(path); !put) return error(put.error());
  const Answer answer =
      call_host(Request::kFileOpen, mount_, path.size(), static_cast<std::uint32_t>(open_flags), mode);
  const auto handle = checked_result(answer.result, std::numeric_limits<Handle>::max());
  if (!handle) return error(handle.error());
  // The standard streams are never what a path opens.
  if (*handle <= static_cast<std::uint64_t>(boundary::kHostStderr)) return error(EIO);
  return static_cast<Handle>(*handle);
}

void HostDirectoryCalls::close(Handle handle) {
  call_host(Request::kFileClose, static_cast<std::uint64_t>(handle));  // nothing to be done about a refusal
}

Expected<std::size_t> HostDirectoryCalls::read_at(Handle handle, std::uint64_t offset, std::span<std::byte> into) {
  return host_read(handle, offset, into);
}

Expected<std::size_t> HostDirectoryCalls::write_at(Handle handle, std::uint64_t offset,
                                                   std::span<const std::byte> from) {
  return host_write(handle, offset, from);
}

Expected<void> HostDirectoryCalls::truncate(Handle handle, std::uint64_t size) {
  return nothing_or_error(call_host(Request::kFileTruncate, static_cast<std::uint64_t>(handle), size));
}

Expected<void> HostDirectoryCalls::sync(Handle handle, bool data_only) {
  return nothing_or_error(call_host(Request::kFileSync, static_cast<std::uint64_t>(handle), data_only ? 1 : 0));
}

Expected<FileStatus> HostDirectoryCalls::status(Handle handle) { return host_status(handle); }

Expected<FileStatus> HostDirectoryCalls::status(std::string_view path) { return path_status(path, true); }

Expected<FileStatus> HostDirectoryCalls::link_status(std::string_view path) { return path_status(path, false); }

Expected<FileStatus> HostDirectoryCalls::path_status(std::string_view path, bool follow) {
  if (auto put = put_path(path); !put) return error(put.error());
  return take_status(call_host(Request::kPathStat, mount_, path.size(), follow ? 0 : 1));
}

Expected<void> HostDirectoryCalls::make_directory(std::string_view path, std::uint32_t mode) {
  if (auto put = put_path(path); !put) return error(put.error());
  return nothing_or_error(call_host(Request::kPathMakeDir, mount_, path.size(), mode));
}

Expected<void> HostDirectoryCalls::remove(std::string_view path, bool directory) {
  if (auto put = put_path(path); !put) return error(put.error());
  return nothing_or_error(call_host(Request::kPathRemove, mount_, path.size(), directory ? 1 : 0));
}

Expected<void> HostDirectoryCalls::rename(std::string_view from, std::string_view to, unsigned flags) {
  if (auto put = put_path(from); !put) return error(put.error());
  if (auto put = put_path(to, from.size()); !put) return error(put.error());
  return nothing_or_error(call_host(Request::kPathRename, mount_, from.size(), to.size(), flags));
}

Expected<std::string> HostDirectoryCalls::read_link(std::string_view path) {
  if (auto put = put_path(path); !put) return error(put.error());
  const Answer answer = call_host(Request::kPathReadLink, mount_, path.size());
  const auto length = checked_result(answer.result, boundary::kMaxPath);
  if (!length) return error(length.error());
  std::string target(*length, '\0');
  std::memcpy(target.data(), exchange_area().data(), *length);
  if (target.empty() || target.find('\0') != std::string::npos) return error(EIO);
  return target;
}

Expected<std::vector<DirectoryEntry>> HostDirectoryCalls::entries(std::string_view path) {
  const auto handle = open(path, O_RDONLY | O_DIRECTORY, 0);
  if (!handle) return error(handle.error());
  std::vector<DirectoryEntry> entries;
  std::vector<std::byte> records;
  for (;;) {
    const Answer answer = call_host(Request::kDirectoryRead, static_cast<std::uint64_t>(*handle), entries.size());
    const std::span<std::byte> area = exchange_area();
    const auto size = checked_result(answer.result, area.size());
    int failure = size ? 0 : size.error();
    if (size && *size > 0) {
      records.assign(area.data(), area.data() + *size);  // read once: the host can still change the area
      if (auto parsed = parse_entries(records, entries); !parsed) failure = parsed.error();
    }
    if (failure != 0 || *size == 0) {
      close(*handle);
      if (failure != 0) return error(failure);
      return entries;
    }
  }
}

Expected<void> HostDirectoryCalls::sync_directory(std::string_view path) {
  if (auto put = put_path(path); !put) return error(put.error());
  return nothing_or_error(call_host(Request::kDirectorySync, mount_, path.size()));
}

Expected<void> HostDirectoryCalls::change(Handle handle, const AttributeChange& change) {
  if (auto put = put_attributes(change, 0); !put) return error(put.error());
  return nothing_or_error(call_host(Request::kFileChange, static_cast<std::uint64_t>(handle)));
}

Expected<void> HostDirectoryCalls::change(std::string_view path, const AttributeChange& change, bool follow) {
  if (auto put = put_path(path); !put) return error(put.error());
  if (auto put = put_attributes(change, path.size()); !put) return error(put.error());
  return nothing_or_error(call_host(Request::kPathChange, mount_, path.size(), follow ? 0 : 1));
}

Expected<void> HostDirectoryCalls::link(std::string_view from, std::string_view to) {
  if (auto put = put_path(from); !put) return error(put.error());
  if (auto put = put_path(to, from.size()); !put) return error(put.error());
  return nothing_or_error(call_host(Request::kPathLink, mount_, from.size(), to.size()));
}

Expected<void> HostDirectoryCalls::make_symbolic_link(std::string_view target, std::string_view path) {
  if (auto put = put_path(path); !put) return error(put.error());
  const std::span<std::byte> area = exchange_area();
  if (target.size() >= boundary::kMaxPath || !range_fits(path.size(), target.size(), area.size())) {
    return error(ENAMETOOLONG);
  }
  std::memcpy(area.data() + path.size(), target.data(), target.size());
  return nothing_or_error(call_host(Request::kPathSymlink, mount_, path.size(), target.size()));
}

}  // namespace coffer::kernel::fs
