#include "processor/counter_file.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/bytes.h"

namespace coffer::processor {

using boundary::CounterOperation;

namespace {

constexpr std::array<char, 8> kMagic = {'C', 'O', 'F', 'C', 'T', 'R', 0, 1};
constexpr std::uint64_t kBlock = 4096;
constexpr unsigned kSlotBits = 10;
static_assert(kMostCounters == 1u << kSlotBits);
constexpr std::uint16_t kForEnclave = 1, kForSigner = 2;

// All of the file's vaults, one after the other. Threads of one vault are ordered before.
class FileLock {
 public:
  explicit FileLock(int file) : file_(file) {
    while (::flock(file_, LOCK_EX) != 0 && errno == EINTR) {
    }
  }
  ~FileLock() { (void)::flock(file_, LOCK_UN); }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int file_;
};

bool is_debug(const sgx::Secs& secs) { return (secs.attributes.flags & sgx::attribute::kDebug) != 0; }

}  // namespace

struct CounterFile::Record {
  std::array<char, 8> magic = kMagic;
  std::uint64_t sequence = 0;  // of writes to this slot; the place is its lowest bit
  std::uint64_t id = 0;
  std::uint64_t value = 0;
  std::uint16_t policy = 0, product_id = 0, least_svn = 0, debug = 0;
  std::uint64_t live = 0;  // 0: destroyed, the slot can be used again
  sgx::Bytes<32> owner{};  // MRENCLAVE or MRSIGNER
  std::array<std::byte, 32> mac{};
  std::array<std::uint8_t, 16> zeros{};

  static Record of(const sgx::Secs& secs, bool for_signer) {
    Record record;
    record.policy = for_signer ? kForSigner : kForEnclave;
    record.product_id = secs.isv_prod_id;
    record.least_svn = secs.isv_svn;
    record.debug = is_debug(secs) ? 1 : 0;
    record.live = 1;
    record.owner = for_signer ? secs.mrsigner.bytes : secs.mrenclave.bytes;
    return record;
  }
  [[nodiscard]] bool same_owner(const Record& other) const {
    return policy == other.policy && owner == other.owner && debug == other.debug &&
           (policy == kForEnclave || product_id == other.product_id);
  }
  [[nodiscard]] bool belongs_to(const sgx::Secs& secs) const {
    return live == 1 && same_owner(of(secs, policy == kForSigner)) && secs.isv_svn >= least_svn;
  }
};

struct CounterFile::Found {
  std::optional<Record> record;  // the newest that is authentic
};

Result<std::unique_ptr<CounterFile>> CounterFile::open(const std::filesystem::path& state_directory, Key256 key) {
  static_assert(sizeof(Record) == 128);
  const auto path = state_directory / "counters";
  FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return system_error("cannot open " + path.string(), errno);
  FileDescriptor folder(::open(state_directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return system_error("cannot open " + state_directory.string(), errno);
  return std::unique_ptr<CounterFile>(new CounterFile(std::move(file), std::move(folder), std::move(key)));
}

std::array<std::byte, 32> CounterFile::mac_of(const Record& record, std::uint64_t place) const {
  struct Input {
    Record record;
    std::uint64_t place;
  } input{record, place};
  input.record.mac = {};
  std::array<std::byte, 32> mac{};
  std::size_t size = 0;
  if (EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, key_.bytes().data(), key_.bytes().size(),
                reinterpret_cast<const unsigned char*>(&input), sizeof(input),
                reinterpret_cast<unsigned char*>(mac.data()), mac.size(), &size) == nullptr) {
    std::abort();  // as in keys.cc: a processor without its cryptography is none
  }
  return mac;
}

std::int64_t CounterFile::find(std::uint32_t slot, Found& found) const {
  bool broken = false;
  for (std::uint64_t copy = 0; copy < 2; ++copy) {
    const std::uint64_t place = 2 * std::uint64_t{slot} + copy;
    Record record{};
    const ssize_t got = ::pread(file_.get(), &record, sizeof(record), static_cast<off_t>(place * kBlock));
    // A block that the disk does not give back is no torn write: what it held may have been the newest.
    if (got < 0) return -EIO;
    const auto bytes = bytes_of(record).first(static_cast<std::size_t>(got));
    if (std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; })) continue;
    const bool authentic = got == sizeof(record) && record.magic == kMagic && record.sequence % 2 == copy &&
                           equal_in_constant_time(record.mac, mac_of(record, place));
    if (!authentic) {
      broken = true;
    } else if (!found.record || record.sequence > found.record->sequence) {
      found.record = record;
    }
  }
  // One broken place beside a good one is a write that lost its power before it was answered.
  return broken && !found.record ? -EUCLEAN : 0;
}

std::int64_t CounterFile::store(std::uint32_t slot, Record record) const {
  ++record.sequence;
  const std::uint64_t place = 2 * std::uint64_t{slot} + record.sequence % 2;
  record.mac = mac_of(record, place);
  const ssize_t written = ::pwrite(file_.get(), &record, sizeof(record), static_cast<off_t>(place * kBlock));
  if (written != sizeof(record)) return written < 0 && errno == ENOSPC ? -ENOSPC : -EIO;
  return ::fdatasync(file_.get()) == 0 ? 0 : -EIO;
}

CounterFile::Outcome CounterFile::create(const sgx::Secs& secs, bool for_signer) {
  Record record = Record::of(secs, for_signer);
  std::uint32_t owned = 0;
  std::optional<std::uint32_t> free;
  for (std::uint32_t slot = 0; slot < kMostCounters; ++slot) {
    Found found;
    const std::int64_t failed = find(slot, found);
    if (failed == -EUCLEAN) continue;  // damaged: nobody's, and not to be written over
    if (failed != 0) return {failed, 0};
    if (found.record && found.record->live == 1) {
      owned += found.record->same_owner(record) ? 1 : 0;
      continue;
    }
    if (!free) {
      free = slot;
      record.sequence = found.record ? found.record->sequence : 0;
    }
    if (!found.record) break;  // slots are taken from the front: there are no more
  }
  if (!free || owned >= kMostOfOwner) return {-ENOSPC, 0};
  std::uint64_t random = 0;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&random), sizeof(random)) != 1) return {-EIO, 0};
  record.id = (random >> 1 & ~std::uint64_t{kMostCounters - 1}) | *free;
  if (const std::int64_t failed = store(*free, record); failed != 0) return {failed, 0};
  if (::fsync(folder_.get()) != 0) return {-EIO, 0};
  return {0, record.id};
}

CounterFile::Outcome CounterFile::change(const sgx::Secs& secs, CounterOperation operation, std::uint64_t id) {
  const auto slot = static_cast<std::uint32_t>(id % kMostCounters);
  Found found;
  if (const std::int64_t failed = find(slot, found); failed != 0) return {failed, 0};
  // Another's counter is as unknown as none.
  if (!found.record || found.record->id != id || !found.record->belongs_to(secs)) return {-ENOENT, 0};
  Record record = *found.record;
  switch (operation) {
    case CounterOperation::kRead:
      return {0, record.value};
    case CounterOperation::kIncrement:
      if (record.value == ~std::uint64_t{0}) return {-EOVERFLOW, 0};
      ++record.value;
      return {store(slot, record), record.value};
    case CounterOperation::kDestroy:
      record.live = 0;
      return {store(slot, record), 0};
    default:
      return {-EINVAL, 0};
  }
}

CounterFile::Outcome CounterFile::apply(const sgx::Secs& secs, CounterOperation operation, std::uint64_t id) {
  const std::scoped_lock guard(lock_);
  const FileLock file_guard(file_.get());
  switch (operation) {
    case CounterOperation::kCreateForEnclave:
    case CounterOperation::kCreateForSigner:
      return create(secs, operation == CounterOperation::kCreateForSigner);
    case CounterOperation::kRead:
    case CounterOperation::kIncrement:
    case CounterOperation::kDestroy:
      return change(secs, operation, id);
  }
  return {-EINVAL, 0};
}

}  // namespace coffer::processor
