// A folder that is replaced as a whole, under a lock. Two processes at once take turns.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/file.h"
#include "base/result.h"

namespace coffer::node {

struct StoredFile {
  std::string name;
  std::vector<std::byte> content;
  unsigned mode = 0600;
};

class FolderStore {
 public:
  enum class Access { kRead, kChange };
  // Waits for its turn: readers together, a change alone. The lock lasts as long as the object. With kRead, a lock file
  // that cannot be made is no error: then nobody can change anything either.
  [[nodiscard]] static Result<FolderStore> open(const std::filesystem::path& parent, std::string_view name,
                                                Access access);

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  // False where no folder has been written yet.
  [[nodiscard]] Result<bool> there() const;
  [[nodiscard]] Result<std::vector<std::byte>> read(std::string_view file) const;
  // Replaces everything; with kChange only. After a crash either the old or the new folder is there.
  [[nodiscard]] Result<void> replace(const std::vector<StoredFile>& files) const;

 private:
  FolderStore() = default;
  [[nodiscard]] Result<void> recover() const;
  std::filesystem::path folder_;
  FileDescriptor lock_;
};

}  // namespace coffer::node
