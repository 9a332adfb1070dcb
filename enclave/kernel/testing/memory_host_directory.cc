#include "enclave/kernel/testing/memory_host_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

namespace coffer::kernel::fs::testing {

Expected<void> MemoryHostDirectory::begin(std::string_view call) {
  if (stopped_) return error(EIO);
  if (failure) {
    if (const int why = failure(call); why != 0) return error(why);
  }
  return {};
}

// True where the change is the last one, which happens in part.
Expected<bool> MemoryHostDirectory::begin_change(std::string_view call) {
  if (auto begun = begin(call); !begun) return error(begun.error());
  if (changes_left_ == 0) {
    stopped_ = true;
    return true;
  }
  --changes_left_;
  ++changes_;
  return false;
}

Expected<std::shared_ptr<MemoryHostDirectory::Node>> MemoryHostDirectory::node(Handle handle) {
  const auto found = handles_.find(handle);
  if (found == handles_.end()) return error(EBADF);
  return found->second;
}

void MemoryHostDirectory::mark(Node& node, std::uint64_t offset, std::uint64_t size) {
  for (std::uint64_t sector = offset / kSector; sector * kSector < offset + size; ++sector) {
    node.changed_sectors.insert(sector);
  }
}

std::uint64_t MemoryHostDirectory::total() const {
  std::uint64_t sum = 0;
  for (const auto& [name, node] : names_) sum += node->content.size();
  return sum;
}

Expected<HostDirectory::Handle> MemoryHostDirectory::open(std::string_view path, int open_flags, std::uint32_t) {
  const std::lock_guard guard(mutex_);
  if (auto begun = begin("open"); !begun) return error(begun.error());
  auto found = names_.find(path);
  if (found != names_.end() && (open_flags & O_CREAT) != 0 && (open_flags & O_EXCL) != 0) return error(EEXIST);
  if (found == names_.end()) {
    if ((open_flags & O_CREAT) == 0) return error(ENOENT);
    auto last = begin_change("create");
    if (!last || *last) return error(EIO);
    found = names_.emplace(std::string(path), std::make_shared<Node>()).first;
  }
  if ((open_flags & O_TRUNC) != 0) {
    auto last = begin_change("truncate");
    if (!last || *last) return error(EIO);
    mark(*found->second, 0, found->second->content.size());
    found->second->content.clear();
  }
  handles_[next_handle_] = found->second;
  return next_handle_++;
}

void MemoryHostDirectory::close(Handle handle) {
  const std::lock_guard guard(mutex_);
  handles_.erase(handle);
}

Expected<std::size_t> MemoryHostDirectory::read_at(Handle handle, std::uint64_t offset, std::span<std::byte> into) {
  const std::lock_guard guard(mutex_);
  if (auto begun = begin("read"); !begun) return error(begun.error());
  auto file = node(handle);
  if (!file) return error(file.error());
  const Content& content = (*file)->content;
  std::size_t count = offset >= content.size() ? 0 : std::min<std::uint64_t>(into.size(), content.size() - offset);
  if (partial_transfers && count > 1) count = 1 + random_() % count;
  if (count != 0) std::memcpy(into.data(), content.data() + offset, count);
  if (lie) lie(into, &count);
  return count;
}

Expected<std::size_t> MemoryHostDirectory::write_at(Handle handle, std::uint64_t offset,
                                                    std::span<const std::byte> from) {
  const std::lock_guard guard(mutex_);
  auto file = node(handle);
  if (!file) return error(file.error());
  auto last = begin_change("write");
  if (!last) return error(last.error());
  std::size_t count = from.size();
  if (*last) count = random_() % (count + 1);
  if (partial_transfers && count > 1) count = 1 + random_() % count;
  Content& content = (*file)->content;
  if (offset + count > content.size()) {
    if (total() + (offset + count - content.size()) > capacity) return error(ENOSPC);
    content.resize(offset + count);
  }
  if (count != 0) std::memcpy(content.data() + offset, from.data(), count);
  mark(**file, offset, count);
  if (*last) return error(EIO);
  return count;
}

Expected<void> MemoryHostDirectory::truncate(Handle handle, std::uint64_t size) {
  const std::lock_guard guard(mutex_);
  auto file = node(handle);
  if (!file) return error(file.error());
  auto last = begin_change("truncate");
  if (!last || *last) return error(last ? EIO : last.error());
  Content& content = (*file)->content;
  const std::uint64_t low = std::min<std::uint64_t>(size, content.size());
  mark(**file, low, std::max<std::uint64_t>(size, content.size()) - low);
  content.resize(size);
  return {};
}

Expected<void> MemoryHostDirectory::sync(Handle handle, bool) {
  const std::lock_guard guard(mutex_);
  if (auto begun = begin("sync"); !begun) return begun;
  auto file = node(handle);
  if (!file) return error(file.error());
  ++syncs_;
  Node& synced = **file;
  synced.durable.resize(synced.content.size());
  for (const std::uint64_t sector : synced.changed_sectors) {
    const std::uint64_t start = sector * kSector;
    if (start >= synced.content.size()) continue;
    const std::size_t size = std::min<std::uint64_t>(kSector, synced.content.size() - start);
    std::memcpy(synced.durable.data() + start, synced.content.data() + start, size);
  }
  synced.changed_sectors.clear();
  return {};
}

Expected<FileStatus> MemoryHostDirectory::status(Handle handle) {
  const std::lock_guard guard(mutex_);
  if (auto begun = begin("status"); !begun) return error(begun.error());
  auto file = node(handle);
  if (!file) return error(file.error());
  FileStatus status;
  status.mode = S_IFREG | 0600;
  status.size = (*file)->content.size();
  return status;
}

Expected<FileStatus> MemoryHostDirectory::status(std::string_view path) {
  const std::lock_guard guard(mutex_);
  if (auto begun = begin("status"); !begun) return error(begun.error());
  const auto found = names_.find(path);
  if (found == names_.end()) return error(ENOENT);
  FileStatus status;
  status.mode = S_IFREG | 0600;
  status.size = found->second->content.size();
  return status;
}

Expected<void> MemoryHostDirectory::make_directory(std::string_view, std::uint32_t) { return error(EPERM); }

Expected<void> MemoryHostDirectory::remove(std::string_view path, bool) {
  const std::lock_guard guard(mutex_);
  const auto found = names_.find(path);
  if (found == names_.end()) return error(ENOENT);
  auto last = begin_change("remove");
  if (!last || *last) return error(last ? EIO : last.error());
  names_.erase(found);
  return {};
}

Expected<void> MemoryHostDirectory::rename(std::string_view from, std::string_view to, unsigned) {
  const std::lock_guard guard(mutex_);
  const auto found = names_.find(from);
  if (found == names_.end()) return error(ENOENT);
  auto last = begin_change("rename");
  if (!last || *last) return error(last ? EIO : last.error());
  auto moved = found->second;
  names_.erase(found);
  names_[std::string(to)] = moved;
  return {};
}

Expected<std::string> MemoryHostDirectory::read_link(std::string_view) { return error(EINVAL); }

Expected<std::vector<DirectoryEntry>> MemoryHostDirectory::entries(std::string_view) {
  const std::lock_guard guard(mutex_);
  if (auto begun = begin("entries"); !begun) return error(begun.error());
  std::vector<DirectoryEntry> all;
  for (const auto& [name, node] : names_) all.push_back({name, 1, DT_REG});
  return all;
}

Expected<void> MemoryHostDirectory::sync_directory(std::string_view) {
  const std::lock_guard guard(mutex_);
  if (auto begun = begin("sync_directory"); !begun) return begun;
  durable_names_ = names_;
  return {};
}

MemoryHostDirectory::Image MemoryHostDirectory::image() const {
  const std::lock_guard guard(mutex_);
  Image image;
  for (const auto& [name, node] : names_) image[name] = node->content;
  return image;
}

void MemoryHostDirectory::set_image(const Image& image) {
  const std::lock_guard guard(mutex_);
  names_.clear();
  for (const auto& [name, content] : image) {
    auto node = std::make_shared<Node>();
    node->content = node->durable = content;
    names_[name] = node;
  }
  durable_names_ = names_;
}

void MemoryHostDirectory::revive() {
  const std::lock_guard guard(mutex_);
  handles_.clear();
  stopped_ = false;
  changes_left_ = ~std::uint64_t{0};
}

void MemoryHostDirectory::lose_power(std::uint64_t seed) {
  revive();
  const std::lock_guard guard(mutex_);
  std::mt19937_64 random(seed);
  // Each seed has its own mood: how much of what was not synced survives.
  const std::uint64_t percent = random() % 101;
  auto survives = [&] { return random() % 100 < percent; };
  std::set<std::shared_ptr<Node>> nodes;
  for (const auto& names : {names_, durable_names_}) {
    for (const auto& [name, node] : names) nodes.insert(node);
  }
  if (!survives()) names_ = durable_names_;
  durable_names_ = names_;
  for (const auto& node : nodes) {
    Content survived = node->durable;
    if (survives()) survived.resize(node->content.size());
    for (const std::uint64_t sector : node->changed_sectors) {
      const std::uint64_t start = sector * kSector;
      if (!survives() || start >= node->content.size()) continue;
      const std::size_t size = std::min<std::uint64_t>(kSector, node->content.size() - start);
      if (survived.size() < start + size) survived.resize(start + size);
      std::memcpy(survived.data() + start, node->content.data() + start, size);
    }
    node->content = node->durable = survived;
    node->changed_sectors.clear();
  }
}

std::size_t MemoryHostDirectory::open_handles() const {
  const std::lock_guard guard(mutex_);
  return handles_.size();
}

}  // namespace coffer::kernel::fs::testing
