// Monotonic counters on the disk: one file of the state directory, shared by the vaults of all cells.
//
// Each counter has two places in blocks of their own, written in turn and synced before anything is answered, so that a
// loss of power leaves the value before or the value after. Records are authenticated with a key of the platform's
// fuses and bound to their place. What is not noticed: the whole file, or both places of a counter, put back to an
// older state by somebody who can write the state directory (docs/design/counters.md).
//
// Thread-safe; several processes may have the file open.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>

#include "base/file.h"
#include "base/result.h"
#include "base/secret.h"
#include "boundary/monotonic_counters.h"
#include "sgx/arch.h"

namespace coffer::processor {

inline constexpr std::uint32_t kMostCounters = 1024;  // of the platform
inline constexpr std::uint32_t kMostOfOwner = 64;     // of one MRENCLAVE, or of one signer's product

class CounterFile {
 public:
  // Opens $state/counters, making it where it is missing. After this it needs of the operating system only pread,
  // pwrite, fdatasync, fsync and flock.
  [[nodiscard]] static Result<std::unique_ptr<CounterFile>> open(const std::filesystem::path& state_directory,
                                                                 Key256 key);

  struct Outcome {
    std::int64_t result = 0;  // as in boundary::CounterAnswer
    std::uint64_t value = 0;
  };
  // For the enclave that `secs` describes.
  [[nodiscard]] Outcome apply(const sgx::Secs& secs, boundary::CounterOperation operation, std::uint64_t id);

 private:
  struct Record;
  struct Found;
  CounterFile(FileDescriptor file, FileDescriptor folder, Key256 key)
      : file_(std::move(file)), folder_(std::move(folder)), key_(std::move(key)) {}

  [[nodiscard]] Outcome create(const sgx::Secs& secs, bool for_signer);
  [[nodiscard]] Outcome change(const sgx::Secs& secs, boundary::CounterOperation operation, std::uint64_t id);
  [[nodiscard]] std::int64_t find(std::uint32_t slot, Found& found) const;
  [[nodiscard]] std::int64_t store(std::uint32_t slot, Record record) const;
  [[nodiscard]] std::array<std::byte, 32> mac_of(const Record& record, std::uint64_t place) const;

  FileDescriptor file_, folder_;
  Key256 key_;
  std::mutex lock_;
};

}  // namespace coffer::processor
