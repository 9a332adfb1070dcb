#include "service/enclave/store.h"

#include <coffer/monotonic_counter.h>
#include <coffer/sealing.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <set>

#include "base/secret.h"
#include "service/enclave/box.h"

namespace coffer::service {
namespace {

constexpr std::size_t kBuckets = 64;
constexpr std::size_t kLongestName = 512;
constexpr const char* kKeyBlob = "key";
constexpr const char* kRootBlob = "root";

// In the blob "key", sealed to the signer.
struct KeyRecord {
  std::array<std::byte, 32> data_key, name_key;
  std::uint64_t counter;
};
// In the blob "root": what the newest transaction left.
struct Root {
  std::uint64_t version = 0;
  std::array<BoxTag, kBuckets> buckets{};  // all zero: no such bucket
};

std::string bucket_name(std::size_t bucket) { return "index" + std::to_string(bucket); }
std::size_t bucket_of(std::string_view hidden) {
  const auto digit = [](char c) { return static_cast<std::size_t>(c <= '9' ? c - '0' : c - 'a' + 10); };
  return (digit(hidden[0]) * 16 + digit(hidden[1])) % kBuckets;
}

std::string outcome_text(EnclaveError error) { return std::string(describe(error)); }

std::unexpected<Error> damaged(const std::string& what) {
  return refused("the store is damaged or was changed: " + what + "; put back a copy of its newest state");
}

}  // namespace

Counting platform_counters() {
  return {.create = []() -> Outcome<std::uint64_t> {
            const auto made = MonotonicCounter::create(CounterOwner::kSigner);
            if (!made) return made.error();
            return made->id();
          },
          .read = [](std::uint64_t id) { return MonotonicCounter(id).read(); },
          .increment = [](std::uint64_t id) { return MonotonicCounter(id).increment(); }};
}

struct SealedStore::State {
  State(BlobKeeper& its_keeper, Counting its_counting) : keeper(its_keeper), counting(std::move(its_counting)) {}

  BlobKeeper& keeper;
  const Counting counting;
  Key256 data_key, name_key;
  std::uint64_t counter = 0;
  Root root;
  struct Record {
    std::string hidden;
    BoxTag tag{};
  };
  std::map<std::string, Record, std::less<>> records;
  bool broken = false;
  mutable std::mutex mutex;

  Result<void> begin();
  Result<void> load(ByteView key_blob);
  Result<void> load_bucket(std::size_t bucket);
  Result<void> check_version();
  [[nodiscard]] std::vector<std::byte> bucket_box(std::size_t bucket) const;
  Result<void> write(std::vector<BlobChange> batch, const std::set<std::size_t>& touched);
};

// Writes the batch with the buckets that it touched and a new root, then counts.
Result<void> SealedStore::State::write(std::vector<BlobChange> batch, const std::set<std::size_t>& touched) {
  for (const std::size_t bucket : touched) {
    std::vector<std::byte> box = bucket_box(bucket);
    root.buckets[bucket] = *tag_of(box);
    batch.push_back({bucket_name(bucket), std::move(box)});
  }
  ++root.version;
  batch.push_back({kRootBlob, close_box(std::as_const(data_key).bytes(), kRootBlob, bytes_of(root))});
  if (auto written = keeper.apply(batch); !written) {
    broken = true;
    return written;
  }
  const auto counted = counting.increment(counter);
  if (!counted || *counted != root.version) {
    broken = true;
    return fail(ErrorKind::kSystem, "the platform's counter did not count: " +
                                        (counted ? "somebody else counts too" : outcome_text(counted.error())));
  }
  return {};
}

Result<void> SealedStore::State::begin() {
  const auto made = counting.create();
  if (!made) {
    return fail(ErrorKind::kSystem,
                "the platform gives no monotonic counter, without which a store that is put back "
                "cannot be told from a new one: " +
                    outcome_text(made.error()));
  }
  counter = *made;
  KeyRecord record{};
  record.counter = counter;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&record), 64) != 1) {
    return fail(ErrorKind::kSystem, "there are no random numbers");
  }
  std::ranges::copy(record.data_key, data_key.bytes().begin());
  std::ranges::copy(record.name_key, name_key.bytes().begin());
  auto sealed =
      seal(bytes_of(record), {.policy = SealPolicy::kMrSigner}, {.bound = std::as_bytes(std::span("store", 5))});
  wipe(&record, sizeof(record));
  if (!sealed) return fail(ErrorKind::kSystem, "the store's key cannot be sealed: " + outcome_text(sealed.error()));
  std::vector<BlobChange> batch;
  batch.push_back({kKeyBlob, std::move(*sealed)});
  return write(std::move(batch), {});
}

Result<void> SealedStore::State::load(ByteView key_blob) {
  const auto opened = unseal(key_blob, std::as_bytes(std::span("store", 5)));
  if (!opened) return refused("the store's key cannot be unsealed: " + outcome_text(opened.error()));
  if (opened->secret.size() != sizeof(KeyRecord)) return damaged("its key has another form");
  const ByteView key = opened->secret.bytes();
  std::ranges::copy(key.first(32), data_key.bytes().begin());
  std::ranges::copy(key.subspan(32, 32), name_key.bytes().begin());
  std::memcpy(&counter, key.data() + 64, sizeof(counter));
  const auto root_blob = keeper.get(kRootBlob);
  if (!root_blob) return std::unexpected(root_blob.error());
  if (!*root_blob) return damaged("its root is missing");
  const auto plain = open_box(std::as_const(data_key).bytes(), kRootBlob, **root_blob);
  if (!plain || plain->size() != sizeof(Root)) return damaged("its root is not authentic");
  std::memcpy(&root, plain->bytes().data(), sizeof(root));
  if (auto checked = check_version(); !checked) return checked;
  for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
    if (root.buckets[bucket] == BoxTag{}) continue;
    if (auto loaded = load_bucket(bucket); !loaded) return loaded;
  }
  return {};
}

Result<void> SealedStore::State::check_version() {
  auto counted = counting.read(counter);
  if (!counted) {
    return refused("the store's monotonic counter cannot be read: " + outcome_text(counted.error()) +
                   "; the store belongs to another platform, or the platform's counters were lost");
  }
  // A transaction that was cut off between the disk and the counter: it is the newest there is.
  if (root.version == *counted + 1) counted = counting.increment(counter);
  if (counted && root.version == *counted) return {};
  if (!counted)
    return fail(ErrorKind::kSystem, "the platform's counter did not count: " + outcome_text(counted.error()));
  return refused("the store was rolled back: it is of version " + std::to_string(root.version) +
                 " and the platform has counted to " + std::to_string(*counted) + "; put its newest state back");
}

Result<void> SealedStore::State::load_bucket(std::size_t bucket) {
  const std::string name = bucket_name(bucket);
  const auto blob = keeper.get(name);
  if (!blob) return std::unexpected(blob.error());
  if (!*blob || tag_of(**blob) != root.buckets[bucket]) return damaged("a part of its index is missing or old");
  const auto plain = open_box(std::as_const(data_key).bytes(), name, **blob);
  if (!plain) return damaged("a part of its index is not authentic");
  ByteReader reader(plain->bytes());
  while (reader.remaining() != 0) {
    const auto size = reader.read<std::uint16_t>();
    const auto text = size ? reader.take(*size) : std::nullopt;
    const auto tag = reader.read<BoxTag>();
    if (!text || !tag) return damaged("a part of its index has another form");
    const std::string record(reinterpret_cast<const char*>(text->data()), text->size());
    records[record] = {hidden_name(std::as_const(name_key).bytes(), record), *tag};
  }
  return {};
}

std::vector<std::byte> SealedStore::State::bucket_box(std::size_t bucket) const {
  std::vector<std::byte> plain;
  const auto append = [&](ByteView bytes) { plain.insert(plain.end(), bytes.begin(), bytes.end()); };
  for (const auto& [name, record] : records) {
    if (bucket_of(record.hidden) != bucket) continue;
    const auto size = static_cast<std::uint16_t>(name.size());
    append(bytes_of(size));
    append(std::as_bytes(std::span(name)));
    append(bytes_of(record.tag));
  }
  return close_box(data_key.bytes(), bucket_name(bucket), plain);
}

SealedStore::SealedStore(std::unique_ptr<State> state) : state_(std::move(state)) {}
SealedStore::SealedStore(SealedStore&&) noexcept = default;
SealedStore& SealedStore::operator=(SealedStore&&) noexcept = default;
SealedStore::~SealedStore() = default;

Result<SealedStore> SealedStore::open(BlobKeeper& keeper, Counting counting) {
  auto state = std::make_unique<State>(keeper, std::move(counting));
  const auto key = keeper.get(kKeyBlob);
  if (!key) return std::unexpected(key.error());
  if (!*key) {
    const auto root = keeper.get(kRootBlob);
    if (!root) return std::unexpected(root.error());
    if (*root) return damaged("its key is missing");
  }
  auto ready = *key ? state->load(**key) : state->begin();
  // A transaction that was cut off may have left a store of the next number that nobody was told of, and the keeper may
  // have both. So no number is given to a promise that an earlier run can have used: each run begins with one of its
  // own.
  if (ready && *key) ready = state->write({}, {});
  if (!ready) return std::unexpected(ready.error());
  return SealedStore(std::move(state));
}

Result<std::optional<SecretBytes>> SealedStore::get(std::string_view name) const {
  const std::lock_guard lock(state_->mutex);
  if (state_->broken) return fail(ErrorKind::kSystem, "the store failed before: start the service again");
  const auto found = state_->records.find(name);
  if (found == state_->records.end()) return std::nullopt;
  const std::string blob_name = "r" + found->second.hidden;
  const auto blob = state_->keeper.get(blob_name);
  if (!blob) return std::unexpected(blob.error());
  if (!*blob || tag_of(**blob) != found->second.tag) return damaged("a record is missing or old");
  auto plain = open_box(std::as_const(state_->data_key).bytes(), blob_name, **blob);
  if (!plain) return damaged("a record is not authentic");
  return std::optional<SecretBytes>(std::move(*plain));
}

std::vector<std::string> SealedStore::names(std::string_view prefix) const {
  const std::lock_guard lock(state_->mutex);
  std::vector<std::string> found;
  for (auto at = state_->records.lower_bound(prefix); at != state_->records.end() && at->first.starts_with(prefix);
       ++at) {
    found.push_back(at->first);
  }
  return found;
}

Result<void> SealedStore::commit(std::vector<StoreChange> changes) {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  if (state.broken) return fail(ErrorKind::kSystem, "the store failed before: start the service again");
  for (const StoreChange& change : changes) {
    if (change.name.empty() || change.name.size() > kLongestName ||
        (change.value && change.value->size() > kLargestBlob - 64)) {
      return input_error("a record's name or value is too long for the store");
    }
  }
  std::vector<BlobChange> batch;
  std::set<std::size_t> touched;
  for (const StoreChange& change : changes) {
    const std::string hidden = hidden_name(std::as_const(state.name_key).bytes(), change.name);
    const std::string blob_name = "r" + hidden;
    if (change.value) {
      std::vector<std::byte> box = close_box(std::as_const(state.data_key).bytes(), blob_name, change.value->bytes());
      state.records[change.name] = {hidden, *tag_of(box)};
      batch.push_back({blob_name, std::move(box)});
    } else {
      state.records.erase(change.name);
      batch.push_back({blob_name, std::nullopt});
    }
    touched.insert(bucket_of(hidden));
  }
  return state.write(std::move(batch), touched);
}

std::uint64_t SealedStore::version() const {
  const std::lock_guard lock(state_->mutex);
  return state_->root.version;
}

}  // namespace coffer::service
