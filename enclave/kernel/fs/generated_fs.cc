#include "enclave/kernel/fs/generated_fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "enclave/kernel/fs/text.h"

namespace coffer::kernel::fs {

namespace {

std::uint8_t entry_type(GeneratedKind kind) {
  switch (kind) {
    case GeneratedKind::kDirectory:
      return DT_DIR;
    case GeneratedKind::kLink:
      return DT_LNK;
    default:
      return DT_REG;
  }
}

void cpu_range(const ProcessInfo& info, std::string& out) {
  out += '0';
  if (info.view.cpu_count > 1) {
    out += '-';
    append_number(out, info.view.cpu_count - 1);
  }
  out += '\n';
}

constexpr GeneratedNode kSysNodes[] = {
    {"devices", GeneratedKind::kDirectory, nullptr},
    {"devices/system", GeneratedKind::kDirectory, nullptr},
    {"devices/system/cpu", GeneratedKind::kDirectory, nullptr},
    {"devices/system/cpu/online", GeneratedKind::kText, cpu_range},
    {"devices/system/cpu/possible", GeneratedKind::kText, cpu_range},
    {"devices/system/cpu/present", GeneratedKind::kText, cpu_range},
    {"devices/system/node", GeneratedKind::kDirectory, nullptr},
    {"devices/system/node/online", GeneratedKind::kText, [](const ProcessInfo&, std::string& out) { out += "0\n"; }},
    {"kernel", GeneratedKind::kDirectory, nullptr},
    {"kernel/mm", GeneratedKind::kDirectory, nullptr},
    {"kernel/mm/transparent_hugepage", GeneratedKind::kDirectory, nullptr},
    {"kernel/mm/transparent_hugepage/enabled", GeneratedKind::kText,
     [](const ProcessInfo&, std::string& out) { out += "always madvise [never]\n"; }},
};

}  // namespace

std::span<const GeneratedNode> sys_nodes() { return kSysNodes; }

Expected<std::size_t> GeneratedFileSystem::find(std::string_view path) const {
  if (path.empty()) return 0;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].path == path) return i + 1;
  }
  return error(ENOENT);
}

FileStatus GeneratedFileSystem::made_status(GeneratedKind kind, std::uint64_t inode) {
  FileStatus status;
  status.inode = inode;
  switch (kind) {
    case GeneratedKind::kDirectory:
      status.mode = S_IFDIR | 0555;
      status.links = 2;
      break;
    case GeneratedKind::kLink:
      status.mode = S_IFLNK | 0777;
      break;
    default:
      status.mode = S_IFREG | 0444;
  }
  return status;
}

Expected<FileStatus> GeneratedFileSystem::status_of(std::size_t index) const {
  return made_status(index == 0 ? GeneratedKind::kDirectory : nodes_[index - 1].kind, index + 1);
}

Expected<Ref<File>> GeneratedFileSystem::open(std::string_view path, int open_flags, std::uint32_t /*mode*/) {
  const bool writes = (open_flags & O_ACCMODE) != O_RDONLY;
  const auto index = find(path);
  if (!index) return error(index.error());
  if ((open_flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) return error(EEXIST);
  const GeneratedKind kind = *index == 0 ? GeneratedKind::kDirectory : nodes_[*index - 1].kind;
  const auto status = status_of(*index);
  if (kind == GeneratedKind::kLink) return error(ELOOP);
  if (kind == GeneratedKind::kText) {
    if ((open_flags & O_DIRECTORY) != 0) return error(ENOTDIR);
    if (writes) return error(EACCES);
    std::string text;
    nodes_[*index - 1].generate(info_, text);
    return Ref<File>(new TextFile(*status, std::move(text)));
  }
  if (writes) return error(EISDIR);
  std::vector<DirectoryEntry> entries;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    std::string_view name = nodes_[i].path;
    if (!path.empty()) {
      if (!name.starts_with(path) || name.size() <= path.size() || name[path.size()] != '/') continue;
      name.remove_prefix(path.size() + 1);
    }
    if (name.find('/') != std::string_view::npos) continue;
    entries.push_back({std::string(name), i + 2, entry_type(nodes_[i].kind)});
  }
  return Ref<File>(new SnapshotDirectory(*status, std::move(entries)));
}

Expected<FileStatus> GeneratedFileSystem::status(std::string_view path) {
  const auto index = find(path);
  if (!index) return error(index.error());
  return status_of(*index);
}

Expected<std::string> GeneratedFileSystem::read_link(std::string_view path) {
  const auto index = find(path);
  if (!index) return error(index.error());
  if (*index == 0 || nodes_[*index - 1].kind != GeneratedKind::kLink) return error(EINVAL);
  std::string target;
  nodes_[*index - 1].generate(info_, target);
  return target;
}

}  // namespace coffer::kernel::fs
