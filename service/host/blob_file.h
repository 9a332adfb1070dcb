// The host's side of sealed storage: blobs by name in one SQLite file. It sees ciphertext alone. Thread-safe.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "service/wire/blob_batch.h"

namespace coffer::service {

class BlobFile {
 public:
  // Makes the file (mode 0600) where it is missing. One process at a time: kSystem where another has it.
  [[nodiscard]] static Result<BlobFile> open(const std::filesystem::path& path);
  BlobFile(BlobFile&&) noexcept;
  BlobFile& operator=(BlobFile&&) noexcept;
  ~BlobFile();

  // Nothing where there is no such blob.
  [[nodiscard]] Result<std::optional<std::vector<std::byte>>> get(const std::string& name);
  // All or nothing, synced to the disk.
  [[nodiscard]] Result<void> apply(const std::vector<BlobChange>& changes);

 private:
  struct State;
  explicit BlobFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace coffer::service
