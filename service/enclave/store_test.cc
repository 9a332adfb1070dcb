#include "service/enclave/store.h"

#include <gtest/gtest.h>

#include <map>

#include "enclave/sdk/testing/fake_platform.h"

namespace coffer::service {
namespace {

using sdk::testing::become;
using sdk::testing::identity;

class Memory : public BlobKeeper {
 public:
  Result<std::optional<std::vector<std::byte>>> get(const std::string& name) override {
    const auto found = blobs.find(name);
    if (found == blobs.end()) return std::nullopt;
    return found->second;
  }
  Result<void> apply(const std::vector<BlobChange>& changes) override {
    if (refuses) return fail(ErrorKind::kSystem, "no");
    const auto decoded = decode_batch(encode_batch(changes));
    if (!decoded) return fail(ErrorKind::kSystem, "not a batch");
    for (const BlobChange& change : *decoded) {
      if (change.blob) {
        blobs[change.name] = *change.blob;
      } else {
        blobs.erase(change.name);
      }
    }
    return {};
  }
  std::map<std::string, std::vector<std::byte>> blobs;
  bool refuses = false;
};

class StoreTest : public testing::Test {
 protected:
  void SetUp() override { become(identity()); }
  void TearDown() override { sdk::testing::leave(); }

  Counting counting() {
    return {.create = [this]() -> Outcome<std::uint64_t> {
              counter = 0;
              return std::uint64_t{7};
            },
            .read = [this](std::uint64_t id) -> Outcome<std::uint64_t> {
              if (id != 7) return EnclaveError::kNotFound;
              return counter;
            },
            .increment = [this](std::uint64_t) -> Outcome<std::uint64_t> {
              if (counter_fails) return EnclaveError::kSystem;
              return ++counter;
            }};
  }
  SealedStore open() {
    auto store = SealedStore::open(keeper, counting());
    EXPECT_TRUE(store) << store.error().message;
    return std::move(*store);
  }
  std::string why_not() {
    const auto store = SealedStore::open(keeper, counting());
    return store ? "it opened" : store.error().message;
  }
  static Result<void> put(SealedStore& store, std::string name, std::string_view value) {
    std::vector<StoreChange> changes;
    changes.push_back({std::move(name), SecretBytes::copy_of(std::as_bytes(std::span(value)))});
    return store.commit(std::move(changes));
  }
  static std::string value_of(const SealedStore& store, std::string_view name) {
    const auto got = store.get(name);
    if (!got) return "error: " + got.error().message;
    return *got ? std::string((*got)->text()) : "none";
  }

  Memory keeper;
  std::uint64_t counter = 0;
  bool counter_fails = false;
};

TEST_F(StoreTest, KeepsWhatWasCommittedOverAStart) {
  {
    SealedStore store = open();
    ASSERT_TRUE(put(store, "policy/SgxEnclave", "permit"));
    ASSERT_TRUE(put(store, "policy/TdxVm", "deny"));
    ASSERT_TRUE(put(store, "policy/SgxEnclave", "permit more"));
  }
  const SealedStore store = open();
  EXPECT_EQ(value_of(store, "policy/SgxEnclave"), "permit more");
  EXPECT_EQ(value_of(store, "policy/Tpm"), "none");
  EXPECT_EQ(store.names("policy/"), (std::vector<std::string>{"policy/SgxEnclave", "policy/TdxVm"}));
}

TEST_F(StoreTest, RemovesRecords) {
  SealedStore store = open();
  ASSERT_TRUE(put(store, "a", "1"));
  std::vector<StoreChange> changes;
  changes.push_back({"a", std::nullopt});
  ASSERT_TRUE(store.commit(std::move(changes)));
  EXPECT_EQ(value_of(store, "a"), "none");
  EXPECT_EQ(value_of(open(), "a"), "none");
}

TEST_F(StoreTest, TheKeeperSeesNeitherNamesNorValues) {
  SealedStore store = open();
  ASSERT_TRUE(put(store, "policy/SgxEnclave", "a rather secret value"));
  for (const auto& [name, blob] : keeper.blobs) {
    const std::string text(reinterpret_cast<const char*>(blob.data()), blob.size());
    EXPECT_EQ(name.find("Sgx"), std::string::npos);
    EXPECT_EQ(text.find("SgxEnclave"), std::string::npos);
    EXPECT_EQ(text.find("secret"), std::string::npos);
  }
}

TEST_F(StoreTest, AnOlderCopyIsDetectedAndSaid) {
  std::map<std::string, std::vector<std::byte>> old;
  {
    SealedStore store = open();
    ASSERT_TRUE(put(store, "a", "1"));
    old = keeper.blobs;
    ASSERT_TRUE(put(store, "a", "2"));
  }
  keeper.blobs = old;
  EXPECT_NE(why_not().find("rolled back"), std::string::npos) << why_not();
}

TEST_F(StoreTest, OneOldRecordIsDetected) {
  SealedStore store = open();
  ASSERT_TRUE(put(store, "a", "1"));
  const auto old = keeper.blobs;
  ASSERT_TRUE(put(store, "a", "2"));
  for (const auto& [name, blob] : old) {
    if (name.starts_with('r') && name != "root") keeper.blobs[name] = blob;
  }
  EXPECT_NE(value_of(store, "a").find("damaged"), std::string::npos);
}

TEST_F(StoreTest, EveryFlippedBitAndMissingBlobIsDetected) {
  {
    SealedStore store = open();
    ASSERT_TRUE(put(store, "a", "1"));
  }
  const auto whole = keeper.blobs;
  for (const auto& [name, blob] : whole) {
    for (std::size_t at = 0; at < blob.size(); at += 7) {
      keeper.blobs = whole;
      keeper.blobs[name][at] ^= std::byte{4};
      const std::uint64_t before = counter;
      const auto store = SealedStore::open(keeper, counting());
      EXPECT_FALSE(store && value_of(*store, "a") == "1") << name << " " << at;
      counter = before;
    }
    keeper.blobs = whole;
    keeper.blobs.erase(name);
    const std::uint64_t before = counter;
    const auto store = SealedStore::open(keeper, counting());
    EXPECT_FALSE(store && value_of(*store, "a") == "1") << name;
    counter = before;
  }
}

TEST_F(StoreTest, ACutOffTransactionIsTheOldOrTheNew) {
  std::map<std::string, std::vector<std::byte>> before;
  {
    SealedStore store = open();
    ASSERT_TRUE(put(store, "a", "old"));
    before = keeper.blobs;
    counter_fails = true;  // as if it ended between the disk and the counter
    EXPECT_FALSE(put(store, "a", "new"));
    EXPECT_FALSE(put(store, "a", "newer")) << "it went on after a failure";
    counter_fails = false;
  }
  const auto after = keeper.blobs;
  const std::uint64_t count = counter;
  EXPECT_EQ(value_of(open(), "a"), "new");
  keeper.blobs = before;
  counter = count;
  EXPECT_EQ(value_of(open(), "a"), "old");
}

// The keeper has a transaction that was cut off, hides it, and brings it back after others were acknowledged.
TEST_F(StoreTest, ACutOffTransactionDoesNotReplaceLaterOnes) {
  std::map<std::string, std::vector<std::byte>> before, cut_off;
  {
    SealedStore store = open();
    ASSERT_TRUE(put(store, "a", "old"));
    before = keeper.blobs;
    counter_fails = true;
    EXPECT_FALSE(put(store, "a", "cut off"));
    counter_fails = false;
    cut_off = keeper.blobs;
  }
  keeper.blobs = before;
  {
    SealedStore store = open();
    ASSERT_TRUE(put(store, "a", "acknowledged"));
  }
  keeper.blobs = cut_off;
  EXPECT_NE(why_not().find("rolled back"), std::string::npos) << why_not();
}

TEST_F(StoreTest, AnotherPlatformOrSignerCannotOpenIt) {
  {
    SealedStore store = open();
  }
  become(identity(1, 3));
  EXPECT_NE(why_not().find("unsealed"), std::string::npos) << why_not();
  become(identity(), 1);
  EXPECT_NE(why_not().find("unsealed"), std::string::npos) << why_not();
  become(identity(9, 2, 4));  // a newer program of the signer
  EXPECT_EQ(why_not(), "it opened");
}

TEST_F(StoreTest, AFailedWriteIsNoPromise) {
  SealedStore store = open();
  ASSERT_TRUE(put(store, "a", "1"));
  keeper.refuses = true;
  EXPECT_FALSE(put(store, "a", "2"));
  keeper.refuses = false;
  EXPECT_EQ(value_of(open(), "a"), "1");
}

TEST_F(StoreTest, ManyRecords) {
  {
    SealedStore store = open();
    std::vector<StoreChange> changes;
    for (int i = 0; i < 500; ++i) {
      const std::string value = "value " + std::to_string(i);
      changes.push_back({"record" + std::to_string(i), SecretBytes::copy_of(std::as_bytes(std::span(value)))});
    }
    ASSERT_TRUE(store.commit(std::move(changes)));
  }
  const SealedStore store = open();
  EXPECT_EQ(store.names("record").size(), 500u);
  EXPECT_EQ(value_of(store, "record499"), "value 499");
}

TEST(BlobBatch, RefusesWhatIsNone) {
  const auto good = encode_batch({{"a", std::vector<std::byte>(3)}, {"b", std::nullopt}});
  ASSERT_TRUE(decode_batch(good));
  for (std::size_t size = 1; size < good.size(); ++size) {
    const auto cut = decode_batch(std::span(good).first(size));
    EXPECT_TRUE(!cut || cut->size() == 1) << size;
  }
  auto wrong = good;
  wrong[0] = std::byte{3};
  EXPECT_FALSE(decode_batch(wrong));
  wrong = good;
  wrong[6] = std::byte{0xff};  // the blob's size
  EXPECT_FALSE(decode_batch(wrong));
}

}  // namespace
}  // namespace coffer::service
