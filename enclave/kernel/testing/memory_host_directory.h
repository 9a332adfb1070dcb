// A host directory in memory, for tests of what stands on HostDirectory: it can fail, lie and lose power.
// Thread-safe as HostDirectory is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "enclave/kernel/fs/vfs.h"

namespace coffer::kernel::fs::testing {

class MemoryHostDirectory final : public HostDirectory {
 public:
  using Content = std::vector<std::byte>;
  using Image = std::map<std::string, Content>;

  Expected<Handle> open(std::string_view path, int open_flags, std::uint32_t mode) override;
  void close(Handle handle) override;
  Expected<std::size_t> read_at(Handle handle, std::uint64_t offset, std::span<std::byte> into) override;
  Expected<std::size_t> write_at(Handle handle, std::uint64_t offset, std::span<const std::byte> from) override;
  Expected<void> truncate(Handle handle, std::uint64_t size) override;
  Expected<void> sync(Handle handle, bool data_only) override;
  Expected<FileStatus> status(Handle handle) override;
  Expected<FileStatus> status(std::string_view path) override;
  Expected<void> make_directory(std::string_view path, std::uint32_t mode) override;
  Expected<void> remove(std::string_view path, bool directory) override;
  Expected<void> rename(std::string_view from, std::string_view to, unsigned flags) override;
  Expected<std::string> read_link(std::string_view path) override;
  Expected<std::vector<DirectoryEntry>> entries(std::string_view path) override;
  Expected<void> sync_directory(std::string_view path) override;

  // What the host's programs see now (files only), and putting such a state in place as one that is safely stored.
  [[nodiscard]] Image image() const;
  void set_image(const Image& image);

  // After `count` more changes (writes, truncations, renames, removals, creations) every call fails with EIO, as if the
  // machine had stopped; what the last write got through is a random part. revive() ends it.
  void stop_after(std::uint64_t count) { changes_left_ = count; }
  [[nodiscard]] bool stopped() const { return stopped_; }
  // The program was killed and the machine lives: all that was done stays.
  void revive();
  // The machine lost power: of what was not synced, a random selection of sectors and names survives.
  void lose_power(std::uint64_t seed);

  [[nodiscard]] std::uint64_t changes() const { return changes_; }
  [[nodiscard]] std::uint64_t syncs() const { return syncs_; }
  [[nodiscard]] std::size_t open_handles() const;

  // Reads and writes handle a random part of what was asked.
  bool partial_transfers = false;
  // Asked before each call with its name; an errno fails the call.
  std::function<int(std::string_view call)> failure;
  // May change what read_at() is about to return: the content and the count.
  std::function<void(std::span<std::byte> into, std::size_t* count)> lie;
  // Writes that would make all files together larger than this fail with ENOSPC.
  std::uint64_t capacity = ~std::uint64_t{0};

 private:
  static constexpr std::size_t kSector = 512;
  struct Node {
    Content content, durable;
    std::set<std::uint64_t> changed_sectors;  // since the last sync
  };
  using Names = std::map<std::string, std::shared_ptr<Node>, std::less<>>;

  [[nodiscard]] Expected<void> begin(std::string_view call);
  [[nodiscard]] Expected<bool> begin_change(std::string_view call);
  [[nodiscard]] Expected<std::shared_ptr<Node>> node(Handle handle);
  static void mark(Node& node, std::uint64_t offset, std::uint64_t size);
  [[nodiscard]] std::uint64_t total() const;

  mutable std::mutex mutex_;
  Names names_, durable_names_;
  std::map<Handle, std::shared_ptr<Node>> handles_;
  Handle next_handle_ = 3;
  std::mt19937_64 random_{1};
  std::uint64_t changes_ = 0, syncs_ = 0;
  std::uint64_t changes_left_ = ~std::uint64_t{0};
  bool stopped_ = false;
};

}  // namespace coffer::kernel::fs::testing
