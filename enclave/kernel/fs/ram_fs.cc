#include "enclave/kernel/fs/ram_fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cstring>
#include <new>

#include "base/secret.h"
#include "enclave/kernel/fs/ram_node.h"

namespace coffer::kernel::fs {

namespace {

constexpr std::uint32_t kMostNames = 65000;  // of one file

class RamFile final : public File {
 public:
  RamFile(Ref<RamNode> node, SpinLock& tree_lock) : node_(std::move(node)), tree_lock_(tree_lock) {}

  Expected<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) override {
    if (node_->is_directory()) return error(EISDIR);
    return node_->read_at(offset, into);
  }
  Expected<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> from) override {
    return node_->write_at(offset, from, realtime_now());
  }
  Expected<std::uint64_t> append(std::span<const std::byte> from) override {
    return node_->append(from, realtime_now());
  }
  Expected<void> truncate(std::uint64_t size) override {
    if (node_->is_directory()) return error(EISDIR);
    return node_->truncate(size, realtime_now());
  }
  Expected<void> sync(bool /*data_only*/) override { return {}; }
  Expected<FileStatus> status() override { return node_->status(); }
  Expected<std::vector<DirectoryEntry>> entries() override {
    if (!node_->is_directory()) return error(ENOTDIR);
    std::vector<DirectoryEntry> list;
    LockGuard guard(tree_lock_);
    list.reserve(node_->children.size());
    for (const RamNode::Child& child : node_->children) {
      list.push_back({child.name, child.node->inode(), static_cast<std::uint8_t>(IFTODT(child.node->type()))});
    }
    return list;
  }
  Expected<void> change(const AttributeChange& change) override {
    node_->change(change, realtime_now());
    return {};
  }

 private:
  const Ref<RamNode> node_;
  SpinLock& tree_lock_;
};

}  // namespace

RamBlocks heap_blocks() {
  return {[] { return static_cast<std::byte*>(::operator new(kRamBlock)); },
          [](std::byte* block) { ::operator delete(block, kRamBlock); }};
}

std::byte* RamFileSystem::Budget::take_block() {
  std::uint64_t free = free_blocks_.load();
  do {
    if (free == 0) return nullptr;
  } while (!free_blocks_.compare_exchange_weak(free, free - 1));
  std::byte* block = blocks_.take();
  if (block == nullptr) {
    free_blocks_.fetch_add(1);
  } else {
    std::memset(block, 0, kRamBlock);
  }
  return block;
}

void RamFileSystem::Budget::give_back_block(std::byte* block) {
  wipe(block, kRamBlock);
  blocks_.give_back(block);
  free_blocks_.fetch_add(1);
}

bool RamFileSystem::Budget::take_node() {
  std::size_t free = free_nodes_.load();
  do {
    if (free == 0) return false;
  } while (!free_nodes_.compare_exchange_weak(free, free - 1));
  return true;
}

RamFileSystem::RamFileSystem(std::uint64_t limit, std::size_t max_nodes, RamBlocks blocks)
    : budget_(new Budget(limit, max_nodes, blocks)), root_(new RamNode(budget_, S_IFDIR | 01777, realtime_now())) {}

RamFileSystem::~RamFileSystem() = default;

Expected<Ref<RamNode>> RamFileSystem::find(std::string_view path) const {
  Ref<RamNode> node = root_;
  while (!path.empty()) {
    if (!node->is_directory()) return error(node->is_link() ? ELOOP : ENOTDIR);
    const std::size_t slash = path.find('/');
    const RamNode::Child* child = node->child(path.substr(0, slash));
    if (child == nullptr) return error(ENOENT);
    node = child->node;
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  return node;
}

Expected<Ref<RamNode>> RamFileSystem::find_parent(std::string_view path, std::string_view* name) const {
  if (path.empty()) return error(EBUSY);  // the mount's own root
  const std::size_t slash = path.rfind('/');
  *name = path.substr(slash + 1);  // npos + 1 is 0
  auto parent = find(slash == std::string_view::npos ? std::string_view() : path.substr(0, slash));
  if (parent && !(*parent)->is_directory()) return error((*parent)->is_link() ? ELOOP : ENOTDIR);
  return parent;
}

Expected<Ref<RamNode>> RamFileSystem::make(RamNode& parent, std::string_view name, std::uint32_t mode,
                                           std::string_view link_target) {
  if (parent.names == 0) return error(ENOENT);
  for (std::size_t taken = 0; taken < nodes_for(link_target); ++taken) {
    if (budget_->take_node()) continue;
    for (; taken > 0; --taken) budget_->give_back_node();
    return error(ENOSPC);
  }
  Ref<RamNode> node(new RamNode(budget_, mode, {}, link_target));
  parent.children.push_back({std::string(name), node});
  return node;
}

Expected<Ref<File>> RamFileSystem::open(std::string_view path, int open_flags, std::uint32_t mode) {
  const bool writes = (open_flags & O_ACCMODE) != O_RDONLY;
  bool made = false;
  Expected<Ref<RamNode>> node;
  {
    LockGuard guard(tree_lock_);
    node = find(path);
    if (node && (open_flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) return error(EEXIST);
    if (!node && node.error() == ENOENT && (open_flags & O_CREAT) != 0) {
      std::string_view name;
      const auto parent = find_parent(path, &name);
      if (!parent) return error(parent.error());
      node = make(**parent, name, S_IFREG | (mode & 07777));
      made = true;
    }
  }
  if (!node) return error(node.error());
  if ((*node)->is_link()) return error(ELOOP);
  if ((*node)->is_directory() && (writes || (open_flags & O_CREAT) != 0)) return error(EISDIR);
  if (!(*node)->is_directory() && (open_flags & O_DIRECTORY) != 0) return error(ENOTDIR);
  if (made || ((open_flags & O_TRUNC) != 0 && writes)) {
    if (auto emptied = (*node)->truncate(0, realtime_now()); !emptied) return error(emptied.error());
  }
  return Ref<File>(new RamFile(*node, tree_lock_));
}

Expected<Ref<RamNode>> RamFileSystem::find_unlocked(std::string_view path, bool follow_last) const {
  LockGuard guard(tree_lock_);
  auto node = find(path);
  if (node && (*node)->is_link() && follow_last) return error(ELOOP);
  return node;
}

Expected<FileStatus> RamFileSystem::status(std::string_view path) {
  const auto node = find_unlocked(path, true);
  if (!node) return error(node.error());
  return (*node)->status();
}

Expected<FileStatus> RamFileSystem::link_status(std::string_view path) {
  const auto node = find_unlocked(path, false);
  if (!node) return error(node.error());
  return (*node)->status();
}

Expected<void> RamFileSystem::change(std::string_view path, const AttributeChange& change, bool follow) {
  const auto node = find_unlocked(path, follow);
  if (!node) return error(node.error());
  (*node)->change(change, realtime_now());
  return {};
}

Expected<void> RamFileSystem::make_directory(std::string_view path, std::uint32_t mode) {
  const Timestamp now = realtime_now();
  Expected<Ref<RamNode>> node;
  {
    LockGuard guard(tree_lock_);
    if (find(path)) return error(EEXIST);
    std::string_view name;
    const auto parent = find_parent(path, &name);
    if (!parent) return error(parent.error());
    node = make(**parent, name, S_IFDIR | (mode & 01777));
  }
  if (!node) return error(node.error());
  return (*node)->truncate(0, now);  // sets the time stamps
}

Expected<void> RamFileSystem::remove(std::string_view path, bool directory) {
  Ref<RamNode> removed;  // dies after the lock, should this be the last reference
  LockGuard guard(tree_lock_);
  std::string_view name;
  const auto parent = find_parent(path, &name);
  if (!parent) return error(parent.error());
  RamNode::Child* child = (*parent)->child(name);
  if (child == nullptr) return error(ENOENT);
  removed = child->node;
  if (directory && !removed->is_directory()) return error(ENOTDIR);
  if (!directory && removed->is_directory()) return error(EISDIR);
  if (!removed->children.empty()) return error(ENOTEMPTY);
  removed->names -= 1;
  (*parent)->children.erase((*parent)->children.begin() + (child - (*parent)->children.data()));
  return {};
}

Expected<void> RamFileSystem::rename(std::string_view from, std::string_view to, unsigned flags) {
  if ((flags & ~unsigned{RENAME_NOREPLACE}) != 0) return error(EINVAL);
  Ref<RamNode> replaced;  // dies after the lock
  LockGuard guard(tree_lock_);
  std::string_view old_name;
  std::string_view new_name;
  const auto old_parent = find_parent(from, &old_name);
  if (!old_parent) return error(old_parent.error());
  const auto new_parent = find_parent(to, &new_name);
  if (!new_parent) return error(new_parent.error());
  const RamNode::Child* source = (*old_parent)->child(old_name);
  if (source == nullptr) return error(ENOENT);
  const Ref<RamNode> moved = source->node;
  // A directory must not move into itself.
  if (to.starts_with(from) && to.size() > from.size() && to[from.size()] == '/') return error(EINVAL);
  if (RamNode::Child* target = (*new_parent)->child(new_name); target != nullptr) {
    if ((flags & RENAME_NOREPLACE) != 0) return error(EEXIST);
    if (target->node.get() == moved.get()) return {};
    if (moved->is_directory() && !target->node->is_directory()) return error(ENOTDIR);
    if (!moved->is_directory() && target->node->is_directory()) return error(EISDIR);
    if (!target->node->children.empty()) return error(ENOTEMPTY);
    replaced = std::move(target->node);
    replaced->names -= 1;
    target->node = moved;
  } else {
    (*new_parent)->children.push_back({std::string(new_name), moved});
  }
  auto& siblings = (*old_parent)->children;
  siblings.erase(siblings.begin() + ((*old_parent)->child(old_name) - siblings.data()));
  return {};
}

Expected<std::string> RamFileSystem::read_link(std::string_view path) {
  const auto node = find_unlocked(path, false);
  if (!node) return error(node.error());
  if (!(*node)->is_link()) return error(EINVAL);
  return (*node)->link_target();
}

Expected<void> RamFileSystem::link(std::string_view from, std::string_view to) {
  LockGuard guard(tree_lock_);
  const auto node = find(from);
  if (!node) return error(node.error());
  if ((*node)->is_directory()) return error(EPERM);
  std::string_view name;
  const auto parent = find_parent(to, &name);
  if (!parent) return error(parent.error());
  if ((*parent)->child(name) != nullptr) return error(EEXIST);
  if ((*parent)->names == 0) return error(ENOENT);
  if ((*node)->names == kMostNames) return error(EMLINK);
  (*node)->names += 1;
  (*parent)->children.push_back({std::string(name), *node});
  return {};
}

Expected<void> RamFileSystem::make_symbolic_link(std::string_view target, std::string_view path) {
  const Timestamp now = realtime_now();
  Expected<Ref<RamNode>> node;
  {
    LockGuard guard(tree_lock_);
    std::string_view name;
    const auto parent = find_parent(path, &name);
    if (!parent) return error(parent.error());
    if ((*parent)->child(name) != nullptr) return error(EEXIST);
    node = make(**parent, name, S_IFLNK | 0777, target);
  }
  if (!node) return error(node.error());
  return (*node)->truncate(0, now);  // sets the time stamps
}

}  // namespace coffer::kernel::fs
