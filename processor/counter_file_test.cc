#include "processor/counter_file.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <set>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "processor/keys.h"

namespace coffer::processor {
namespace {

using boundary::CounterOperation;

sgx::Secs enclave(std::uint8_t mrenclave, std::uint8_t mrsigner = 2, std::uint16_t svn = 3) {
  sgx::Secs secs;
  secs.attributes = {sgx::attribute::kInit | sgx::attribute::kMode64Bit, sgx::xfrm::kLegacy};
  secs.mrenclave.bytes.fill(mrenclave);
  secs.mrsigner.bytes.fill(mrsigner);
  secs.isv_svn = svn;
  return secs;
}

Key256 key(std::uint8_t value = 7) {
  Key256 made;
  std::ranges::fill(made.bytes(), static_cast<std::byte>(value));
  return made;
}

class Counters : public ::testing::Test {
 protected:
  Counters() {
    std::string pattern = (std::filesystem::temp_directory_path() / "coffer-counters-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    file_ = open();
  }
  ~Counters() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<CounterFile> open(std::uint8_t with_key = 7) {
    auto file = CounterFile::open(folder_, key(with_key));
    if (!file) throw std::runtime_error(file.error().message);
    return std::move(*file);
  }
  std::uint64_t create(const sgx::Secs& secs, bool for_signer = false) {
    const auto made =
        file_->apply(secs, for_signer ? CounterOperation::kCreateForSigner : CounterOperation::kCreateForEnclave, 0);
    EXPECT_EQ(made.result, 0);
    return made.value;
  }
  std::uint64_t increment(std::uint64_t id, const sgx::Secs& secs = enclave(1)) {
    const auto done = file_->apply(secs, CounterOperation::kIncrement, id);
    EXPECT_EQ(done.result, 0);
    return done.value;
  }
  std::int64_t error(std::uint64_t id, const sgx::Secs& secs, CounterOperation operation = CounterOperation::kRead) {
    return file_->apply(secs, operation, id).result;
  }
  std::uint64_t read(std::uint64_t id, const sgx::Secs& secs = enclave(1)) {
    const auto done = file_->apply(secs, CounterOperation::kRead, id);
    EXPECT_EQ(done.result, 0);
    return done.value;
  }

  std::vector<char> content() const {
    std::ifstream in(folder_ / "counters", std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void replace(const std::vector<char>& bytes) const {
    std::ofstream(folder_ / "counters", std::ios::binary | std::ios::trunc)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }

  std::filesystem::path folder_;
  std::unique_ptr<CounterFile> file_;
};

TEST_F(Counters, CountAndStay) {
  const std::uint64_t id = create(enclave(1));
  EXPECT_EQ(read(id), 0u);
  for (std::uint64_t value = 1; value <= 5; ++value) EXPECT_EQ(increment(id), value);
  file_ = open();
  EXPECT_EQ(read(id), 5u);
  EXPECT_EQ(increment(id), 6u);
  EXPECT_EQ(std::filesystem::status(folder_ / "counters").permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(Counters, AreTheirOwnersAlone) {
  const std::uint64_t own = create(enclave(1));
  const std::uint64_t shared = create(enclave(1), true);
  increment(own);
  EXPECT_EQ(error(own, enclave(9)), -ENOENT);     // another enclave
  EXPECT_EQ(error(own, enclave(9, 1)), -ENOENT);  // whose signer is called as the owner is
  EXPECT_EQ(read(shared, enclave(9)), 0u);        // of the same signer
  EXPECT_EQ(increment(shared, enclave(9)), 1u);
  EXPECT_EQ(error(shared, enclave(9, 8)), -ENOENT);  // another signer
  sgx::Secs product = enclave(9);
  product.isv_prod_id = 4;
  EXPECT_EQ(error(shared, product), -ENOENT);
  sgx::Secs debug = enclave(1);
  debug.attributes.flags |= sgx::attribute::kDebug;
  for (const std::uint64_t id : {own, shared}) {
    for (const auto operation : {CounterOperation::kRead, CounterOperation::kIncrement, CounterOperation::kDestroy}) {
      EXPECT_EQ(error(id, debug, operation), -ENOENT);
    }
  }
  EXPECT_EQ(read(own), 1u);
  EXPECT_EQ(read(shared), 1u);
}

TEST_F(Counters, AreNotForLowerVersions) {
  const std::uint64_t id = create(enclave(1, 2, 3), true);
  EXPECT_EQ(error(id, enclave(1, 2, 2)), -ENOENT);
  EXPECT_EQ(read(id, enclave(1, 2, 4)), 0u);
}

TEST_F(Counters, ThatAreDestroyedNeverComeBack) {
  const std::uint64_t id = create(enclave(1));
  increment(id);
  EXPECT_EQ(error(id, enclave(9), CounterOperation::kDestroy), -ENOENT);
  EXPECT_EQ(error(id, enclave(1), CounterOperation::kDestroy), 0);
  for (const auto operation : {CounterOperation::kRead, CounterOperation::kIncrement, CounterOperation::kDestroy}) {
    EXPECT_EQ(error(id, enclave(1), operation), -ENOENT);
  }
  const std::uint64_t next = create(enclave(1));  // in the same place
  EXPECT_NE(next, id);
  EXPECT_EQ(next % kMostCounters, id % kMostCounters);
  EXPECT_EQ(read(next), 0u);
  EXPECT_EQ(error(id, enclave(1)), -ENOENT);
}

TEST_F(Counters, HaveAnEnd) {
  std::set<std::uint64_t> ids;
  for (std::uint32_t i = 0; i < kMostOfOwner; ++i) ids.insert(create(enclave(1)));
  EXPECT_EQ(ids.size(), kMostOfOwner);
  EXPECT_EQ(error(0, enclave(1), CounterOperation::kCreateForEnclave), -ENOSPC);
  create(enclave(9));  // others still can
  create(enclave(1), true);
  EXPECT_EQ(error(*ids.begin(), enclave(1), CounterOperation::kDestroy), 0);
  create(enclave(1));
}

TEST_F(Counters, UnknownQuestionsAreRefused) {
  const std::uint64_t id = create(enclave(1));
  EXPECT_EQ(error(id, enclave(1), static_cast<CounterOperation>(0)), -EINVAL);
  EXPECT_EQ(error(id, enclave(1), static_cast<CounterOperation>(99)), -EINVAL);
  EXPECT_EQ(error(id + 1, enclave(1)), -ENOENT);
  EXPECT_EQ(error(id ^ std::uint64_t{1} << 40, enclave(1)), -ENOENT);
  EXPECT_EQ(error(~std::uint64_t{0}, enclave(1)), -ENOENT);
}

// A write that lost its power: any part of the record is new, the rest old or nothing. The value is the one before.
TEST_F(Counters, ATornWriteLeavesTheValueBefore) {
  const std::uint64_t id = create(enclave(1));
  increment(id);
  const std::vector<char> before = content();
  increment(id);
  const std::vector<char> after = content();
  // Sequence 3: the second place.
  constexpr std::size_t kPlace = 4096;
  for (std::size_t torn = 0; torn <= 128; ++torn) {
    std::vector<char> mixed = before;
    mixed.resize(after.size());
    std::copy_n(after.begin() + kPlace, torn, mixed.begin() + kPlace);
    replace(mixed);
    // All of the record but its padding is the record.
    EXPECT_EQ(read(id), std::equal(mixed.begin(), mixed.end(), after.begin()) ? 2u : 1u) << torn;
  }
  std::vector<char> cut = before;
  cut.resize(kPlace + 50);
  replace(cut);
  const auto value = file_->apply(enclave(1), CounterOperation::kRead, id);
  EXPECT_TRUE(value.result == -EUCLEAN || value.result == 0);
}

TEST_F(Counters, ChangedRecordsAreNoCounters) {
  const std::uint64_t id = create(enclave(1));
  for (int i = 0; i < 4; ++i) increment(id);
  const std::vector<char> good = content();
  const auto both = [&](std::size_t at, int bit) {
    std::vector<char> changed = good;
    for (const std::size_t place : {std::size_t{0}, std::size_t{4096}})
      changed[place + at] ^= static_cast<char>(1 << bit);
    replace(changed);
    return error(id, enclave(1));
  };
  for (std::size_t at = 0; at < 112; ++at) {
    for (int bit = 0; bit < 8; ++bit) ASSERT_EQ(both(at, bit), -EUCLEAN) << at;
  }
  // Nor on a platform with other keys, nor in another place.
  replace(good);
  file_ = open(8);
  EXPECT_EQ(error(id, enclave(1)), -EUCLEAN);
  file_ = open();
  EXPECT_EQ(read(id), 4u);
  const std::uint64_t other = create(enclave(1));
  std::vector<char> moved = content();
  std::copy_n(moved.begin(), 128, moved.begin() + 2 * 4096);
  std::copy_n(moved.begin() + 4096, 128, moved.begin() + 3 * 4096);
  replace(moved);
  EXPECT_EQ(error(other, enclave(1)), -EUCLEAN);
  std::vector<char> exchanged = good;
  std::swap_ranges(exchanged.begin(), exchanged.begin() + 128, exchanged.begin() + 4096);
  replace(exchanged);
  EXPECT_EQ(error(id, enclave(1)), -EUCLEAN);
  // A damaged place is not given to somebody else.
  EXPECT_NE(create(enclave(1)) % kMostCounters, id % kMostCounters);
}

TEST_F(Counters, VaultsThatShareTheFileLoseNoCount) {
  const std::uint64_t id = create(enclave(1));
  constexpr int kEach = 15;
  std::vector<std::thread> threads;
  std::mutex seen_lock;
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, own = open()] {
      for (int n = 0; n < kEach; ++n) {
        const auto done = own->apply(enclave(1), CounterOperation::kIncrement, id);
        const std::scoped_lock guard(seen_lock);
        EXPECT_EQ(done.result, 0);
        seen.insert(done.value);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(seen.size(), 4u * kEach);
  EXPECT_EQ(read(id), 4u * kEach);
}

// kill -9 at any moment: nothing that was answered is lost, and nothing goes back.
TEST_F(Counters, AKilledVaultLosesNothingThatItAnswered) {
  const std::uint64_t id = create(enclave(1));
  std::uint64_t least = 0;
  for (int round = 0; round < 10; ++round) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const auto own = CounterFile::open(folder_, key());
      while (true) {
        const std::uint64_t value = (*own)->apply(enclave(1), CounterOperation::kIncrement, id).value;
        if (::write(ends[1], &value, sizeof(value)) != sizeof(value)) ::_exit(1);
      }
    }
    ::close(ends[1]);
    std::uint64_t answered = 0;
    for (int i = 0; i <= round; ++i) ASSERT_EQ(::read(ends[0], &answered, sizeof(answered)), 8);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    while (::read(ends[0], &answered, sizeof(answered)) == 8) {
    }
    ::close(ends[0]);
    const std::uint64_t now = read(id);
    EXPECT_GT(answered, least);
    EXPECT_TRUE(now == answered || now == answered + 1) << now << " after " << answered;
    least = now;
  }
}

// --- through the platform's keys: what the enclave gets is authenticated

class CounterAnswers : public Counters {
 protected:
  CounterAnswers() { EXPECT_TRUE(vault_.keep_counters(folder_)); }

  [[nodiscard]] bool authentic(const sgx::Secs& secs, const boundary::CounterQuestion& question,
                               const boundary::CounterAnswer& answer) const {
    sgx::KeyRequest request;
    request.key_name = static_cast<std::uint16_t>(sgx::KeyName::kReport);
    request.key_id = boundary::kCounterKeyId;
    const KeyOutcome report_key = vault_.derive(secs, request);
    boundary::CounterStatement statement;
    statement.question = question;
    statement.result = answer.result;
    statement.value = answer.value;
    std::array<std::byte, 16> mac{};
    cmac_aes128(report_key.key, bytes_of(statement), mac);
    return equal_in_constant_time(mac, std::as_bytes(std::span(answer.mac)));
  }

  KeyVault vault_{std::move(*Fuses::ephemeral())};
};

TEST_F(CounterAnswers, AreForTheAskingEnclaveAndItsQuestion) {
  const boundary::CounterQuestion creating{.operation = CounterOperation::kCreateForSigner, .nonce = {1, 2}};
  const auto made = vault_.counter(enclave(1), creating);
  EXPECT_EQ(made.result, 0);
  EXPECT_TRUE(authentic(enclave(1), creating, made));
  EXPECT_FALSE(authentic(enclave(9), creating, made));
  const boundary::CounterQuestion counting{
      .operation = CounterOperation::kIncrement, .id = made.value, .nonce = {3, 4}};
  auto counted = vault_.counter(enclave(1), counting);
  EXPECT_EQ(counted.value, 1u);
  EXPECT_TRUE(authentic(enclave(1), counting, counted));
  auto other_nonce = counting;
  other_nonce.nonce[1] = 5;
  EXPECT_FALSE(authentic(enclave(1), other_nonce, counted));
  counted.value = 2;
  EXPECT_FALSE(authentic(enclave(1), counting, counted));
  const boundary::CounterQuestion unknown{.operation = CounterOperation::kRead, .id = 77, .nonce = {6, 7}};
  const auto refused = vault_.counter(enclave(1), unknown);
  EXPECT_EQ(refused.result, -ENOENT);
  EXPECT_TRUE(authentic(enclave(1), unknown, refused));
}

TEST(NoCounters, APlatformWithoutThemSaysSo) {
  const KeyVault vault(std::move(*Fuses::ephemeral()));
  EXPECT_EQ(vault.counter(enclave(1), {}).result, -ENOSYS);
}

}  // namespace
}  // namespace coffer::processor
