#include "enclave/kernel/fs/encrypted/root_file.h"

#include <errno.h>
#include <fcntl.h>

#include <algorithm>
#include <cstring>

#include "base/bytes.h"

namespace coffer::kernel::fs::encrypted {

namespace {

struct WitnessPayload {
  std::uint64_t sequence = 0;
};
constexpr std::size_t kSealedWitness = sizeof(SealedHeader) + sizeof(WitnessPayload);

}  // namespace

RootFile::RootFile() : buffer_(std::make_unique<std::array<std::byte, kSlotSize>>()) {}

Expected<void> RootFile::open(HostDirectory& host, std::string_view name, int open_flags) {
  return file_.open(host, name, open_flags);
}

Expected<std::vector<std::unique_ptr<RootFile::Found>>> RootFile::read_all(std::span<const std::byte, 32> mount_key,
                                                                           std::string_view label,
                                                                           std::unique_ptr<Sealer>* sealer) {
  std::vector<std::unique_ptr<Found>> found;
  for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
    buffer_->fill(std::byte{0});
    auto count = file_.read_some(slot * kSlotSize, *buffer_);
    if (!count) return error(count.error());
    for (std::size_t copy = 0; copy < kCopies; ++copy) {
      const auto stored = std::span(*buffer_).subspan(copy * kRecordSize, kRecordSize);
      SealedHeader header;
      std::memcpy(&header, stored.data(), sizeof(header));
      if (header.magic != kRootMagic) continue;
      std::unique_ptr<Sealer> tried;
      if (!*sealer) tried = std::make_unique<Sealer>(mount_key, label, header.volume);
      Sealer& by = *sealer ? **sealer : *tried;
      auto one = std::make_unique<Found>();
      one->slot = slot;
      if (!by.open_record(kRootMagic, stored, writable_bytes_of(one->record))) continue;
      if (tried) *sealer = std::move(tried);
      found.push_back(std::move(one));
      break;
    }
  }
  if (found.empty()) return error(EIO);
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a->record.sequence > b->record.sequence; });
  return found;
}

Expected<KeyHeader> RootFile::read_key_header() {
  KeyHeader header;
  auto count = file_.read_some(kKeyHeaderOffset, writable_bytes_of(header));
  if (!count) return error(count.error());
  if (*count < sizeof(header)) header = {};
  const bool known = header.magic == kKeyMagic && header.reserved == decltype(header.reserved){};
  if (!known && header.magic != decltype(header.magic){}) return error(EIO);
  return known ? header : KeyHeader{};
}

Expected<void> RootFile::write_key_header(const KeyHeader& header) {
  return file_.write(kKeyHeaderOffset, bytes_of(header));
}

Expected<KeyHeader> read_key_header(HostDirectory& host) {
  RootFile roots;
  if (auto opened = roots.open(host, kRootName, O_RDONLY); !opened) return error(opened.error());
  auto header = roots.read_key_header();
  roots.close();
  return header;
}

RootFile::Witnesses RootFile::read_witnesses(HostFile& data, Sealer& sealer) {
  Witnesses found;
  witness_copy_ = 0;
  for (std::size_t copy = 0; copy < kCopies; ++copy) {
    std::array<std::byte, kSealedWitness> stored;
    if (!data.read(copy * kWitnessStride, stored)) continue;
    WitnessPayload payload;
    if (!sealer.open_record(kWitnessMagic, stored, writable_bytes_of(payload))) continue;
    ++found.valid;
    if (payload.sequence <= found.newest) continue;
    found.newest = payload.sequence;
    witness_copy_ = static_cast<std::uint32_t>(copy) ^ 1U;
  }
  return found;
}

// A copy is lost where power goes while it is written, and that is only done when a record newer than the other copy is
// safely stored. The very first record stands before there are witnesses.
bool RootFile::fits(const RootRecord& record, const Witnesses& witnesses) {
  if (record.sequence == 1 && witnesses.newest <= 1) return true;
  const bool torn = witnesses.valid < kCopies;
  if (witnesses.valid == 0 || witnesses.newest < record.witness) return false;
  return torn ? witnesses.newest < record.sequence : witnesses.newest <= record.sequence;
}

void RootFile::continue_from(const Found& found, bool durable, std::uint64_t newest, std::uint32_t durable_slot,
                             const Witnesses& witnesses) {
  sequence_ = newest;
  durable_sequence_ = durable ? found.record.sequence : 0;
  durable_slot_ = durable_slot;
  witness_written_ = witness_synced_ = witnesses.newest;
}

Expected<void> RootFile::write(Sealer& sealer, RootRecord& record, bool durable) {
  record.sequence = ++sequence_;
  record.witness = witness_synced_;
  // Never over the newest durable record, nor over the newest of the others.
  const std::uint32_t slot = durable ? durable_slot_ ^ 1U : soft_slot_ ^ 1U;
  const auto first = std::span(*buffer_).first(kRecordSize);
  std::fill(buffer_->begin(), buffer_->end(), std::byte{0});
  sealer.seal_record(kRootMagic, bytes_of(record), first);
  std::memcpy(buffer_->data() + kRecordSize, first.data(), kRecordSize);
  if (auto written = file_.write(slot * kSlotSize, *buffer_); !written) return written;
  if (!durable) {
    soft_slot_ = slot;
    return {};
  }
  if (auto synced = file_.sync(); !synced) return synced;
  durable_slot_ = slot;
  durable_sequence_ = sequence_;
  return {};
}

Expected<void> RootFile::write_witness(HostFile& data, Sealer& sealer) {
  std::array<std::byte, kSealedWitness> stored;
  const WitnessPayload payload{durable_sequence_};
  sealer.seal_record(kWitnessMagic, bytes_of(payload), stored);
  if (auto written = data.write(witness_copy_ * kWitnessStride, stored); !written) return written;
  witness_copy_ ^= 1U;
  witness_written_ = durable_sequence_;
  return {};
}

}  // namespace coffer::kernel::fs::encrypted
