// The host's blobs and files, by OCALL. Thread-safe.
#pragma once

#include "service/enclave/store.h"

namespace coffer::service {

class HostBlobs : public BlobKeeper {
 public:
  [[nodiscard]] Result<std::optional<std::vector<std::byte>>> get(const std::string& name) override;
  [[nodiscard]] Result<void> apply(const std::vector<BlobChange>& changes) override;
};

// A file of the host's folder for this service; nothing where there is none, or it is larger than `most`.
[[nodiscard]] std::optional<std::vector<std::byte>> host_file(const std::string& name, std::size_t most);

}  // namespace coffer::service
