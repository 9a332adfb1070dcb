// The content of directories: names to inode numbers, a hash table in blocks (format.h). Freestanding. Used with the
// mount's lock held; changes stay in memory until the volume commits them.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "enclave/kernel/fs/encrypted/object.h"
#include "enclave/kernel/fs/vfs.h"

namespace coffer::kernel::fs::encrypted {

class Directory {
 public:
  Directory(Forest& forest, Object& object) : forest_(forest), object_(object) {}

  struct Entry {
    std::uint64_t inode = 0;
    std::uint8_t type = 0;  // DT_*
  };
  // ENOENT where there is none of that name.
  [[nodiscard]] Expected<Entry> find(std::string_view name);
  // The name must not exist.
  [[nodiscard]] Expected<void> add(std::string_view name, const Entry& entry);
  [[nodiscard]] Expected<void> replace(std::string_view name, const Entry& entry);
  [[nodiscard]] Expected<void> remove(std::string_view name);
  [[nodiscard]] Expected<std::vector<DirectoryEntry>> list();
  [[nodiscard]] bool empty() const { return object_.record.entry_count == 0; }

 private:
  struct Place {
    std::uint64_t block = 0;
    std::size_t offset = 0;  // of the entry's header in the block
    Entry entry;
  };
  [[nodiscard]] std::uint64_t blocks() const { return object_.record.size / kBlockSize; }
  [[nodiscard]] Expected<Place> locate(std::string_view name);
  [[nodiscard]] Expected<bool> put(std::string_view name, const Entry& entry);
  [[nodiscard]] Expected<void> rebuild(std::uint64_t new_blocks);

  Forest& forest_;
  Object& object_;
};

}  // namespace coffer::kernel::fs::encrypted
