// coffer.root and the witnesses in coffer.data: which state of the mount counts. Freestanding. Used with the mount's
// lock held.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "enclave/kernel/fs/encrypted/format.h"
#include "enclave/kernel/fs/encrypted/host_file.h"
#include "enclave/kernel/fs/encrypted/sealer.h"

namespace coffer::kernel::fs::encrypted {

class RootFile {
 public:
  RootFile();
  [[nodiscard]] Expected<void> open(HostDirectory& host, std::string_view name, int open_flags);
  void close() { file_.close(); }

  struct Found {
    std::uint32_t slot = 0;
    RootRecord record;
  };
  // All records that this key wrote, the newest first, and the sealer of their volume; EIO where there is none.
  [[nodiscard]] Expected<std::vector<std::unique_ptr<Found>>> read_all(std::span<const std::byte, 32> mount_key,
                                                                       std::string_view label,
                                                                       std::unique_ptr<Sealer>* sealer);
  struct Witnesses {
    std::uint64_t newest = 0;  // 0 where there is none
    std::size_t valid = 0;     // copies
  };
  [[nodiscard]] Witnesses read_witnesses(HostFile& data, Sealer& sealer);
  // False where the record and coffer.data are not of one time.
  [[nodiscard]] static bool fits(const RootRecord& record, const Witnesses& witnesses);

  [[nodiscard]] Expected<KeyHeader> read_key_header();
  [[nodiscard]] Expected<void> write_key_header(const KeyHeader& header);

  // Goes on from a record that is durable where `durable` is set: what is written next is newer than `newest`.
  void continue_from(const Found& found, bool durable, std::uint64_t newest, std::uint32_t durable_slot,
                     const Witnesses& witnesses);
  // Writes the record with the next sequence number; its witness field is set here. A durable one is synced.
  [[nodiscard]] Expected<void> write(Sealer& sealer, RootRecord& record, bool durable);
  [[nodiscard]] Expected<void> sync() { return file_.sync(); }
  // After a durable record; not synced.
  [[nodiscard]] Expected<void> write_witness(HostFile& data, Sealer& sealer);
  void data_was_synced() { witness_synced_ = witness_written_; }

  [[nodiscard]] bool newest_is_durable() const { return sequence_ == durable_sequence_; }
  [[nodiscard]] bool witness_is_synced() const { return witness_synced_ == witness_written_; }

 private:
  HostFile file_;
  std::unique_ptr<std::array<std::byte, kSlotSize>> buffer_;
  std::uint64_t sequence_ = 0, durable_sequence_ = 0;
  std::uint64_t witness_written_ = 0, witness_synced_ = 0;
  std::uint32_t durable_slot_ = 1;  // 0 or 1: the one that must stay until another is durable
  std::uint32_t soft_slot_ = 3;     // 2 or 3
  std::uint32_t witness_copy_ = 0;  // the older one
};

}  // namespace coffer::kernel::fs::encrypted
