// Sealed storage: records by name, encrypted and authenticated inside, kept by a host that cannot read them, change
// them, or put older ones back unnoticed. A transaction is one atomic write. Thread-safe.
//
// What the host can do: lose everything, refuse to answer, see sizes and when something changes
// (docs/design/service.md has the format and the argument).
#pragma once

#include <coffer/outcome.h>
#include <coffer/secret_bytes.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "service/wire/blob_batch.h"

namespace coffer::service {

// What keeps the blobs: the host. Nothing that it answers is believed.
class BlobKeeper {
 public:
  virtual ~BlobKeeper() = default;
  // Nothing where there is no such blob.
  [[nodiscard]] virtual Result<std::optional<std::vector<std::byte>>> get(const std::string& name) = 0;
  // All of the changes or none, on the disk when it returns.
  [[nodiscard]] virtual Result<void> apply(const std::vector<BlobChange>& changes) = 0;
};

// What only grows: a monotonic counter of the platform, or a test's.
struct Counting {
  std::function<Outcome<std::uint64_t>()> create;  // its number; its value is 0
  std::function<Outcome<std::uint64_t>(std::uint64_t)> read, increment;
};
[[nodiscard]] Counting platform_counters();

struct StoreChange {
  std::string name;                  // 1 to 512 bytes
  std::optional<SecretBytes> value;  // nothing: remove the record
};

class SealedStore {
 public:
  // Opens what is there, or begins a new store where the keeper has nothing. kRefused: damaged, changed, made by
  // another signer or platform, or older than the newest; the message says which.
  [[nodiscard]] static Result<SealedStore> open(BlobKeeper& keeper, Counting counting);
  SealedStore(SealedStore&&) noexcept;
  SealedStore& operator=(SealedStore&&) noexcept;
  ~SealedStore();

  [[nodiscard]] Result<std::optional<SecretBytes>> get(std::string_view name) const;
  // The names that begin so, sorted.
  [[nodiscard]] std::vector<std::string> names(std::string_view prefix) const;
  // All of them or none. After an error the store refuses to work, since nobody knows what is on the disk: open it
  // again.
  [[nodiscard]] Result<void> commit(std::vector<StoreChange> changes);

  // Counts transactions.
  [[nodiscard]] std::uint64_t version() const;

 private:
  struct State;
  explicit SealedStore(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace coffer::service
