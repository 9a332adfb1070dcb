#include "enclave/kernel/support/random.h"

#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <algorithm>
#include <bit>
#include <set>
#include <thread>
#include <vector>

#include "base/hex.h"
#include "enclave/kernel/support/cpu_features.h"
#include "enclave/kernel/support/crypto.h"

namespace coffer::kernel {
namespace {

CtrDrbg::Seed seed_of(std::string_view hex) {
  const auto bytes = from_hex(hex).value();
  CtrDrbg::Seed seed;
  std::copy(bytes.begin(), bytes.end(), seed.bytes().begin());
  return seed;
}

class RandomTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { init_crypto(); }
};

// NIST CAVS, CTR_DRBG AES-256 without derivation function: two requests of 64 bytes, the second is the answer.
TEST_F(RandomTest, DrbgAgreesWithNist) {
  CtrDrbg drbg;
  drbg.instantiate(
      seed_of("df5d73faa468649edda33b5cca79b0b05600419ccb7a879ddfec9db32ee494e5531b51de16a30f769262474c73bec010"));
  std::vector<std::byte> output(64);
  drbg.generate(output);
  drbg.generate(output);
  EXPECT_EQ(to_hex(output),
            "d1c07cd95af8a7f11012c84ce48bb8cb87189e99d40fccb1771c619bdf82ab2280b1dc2f2581f39164f7ac0c510494b3"
            "a43c41b7db17514c87b107ae793e01c5");
}

// OpenSSL's generator with an entropy source that gives what the test says.
class OpensslDrbg {
 public:
  explicit OpensslDrbg(const CtrDrbg::Seed& seed) {
    EVP_RAND* test_random = EVP_RAND_fetch(nullptr, "TEST-RAND", nullptr);
    parent_ = EVP_RAND_CTX_new(test_random, nullptr);
    EVP_RAND_free(test_random);
    unsigned strength = 256;
    const OSSL_PARAM source[] = {OSSL_PARAM_construct_uint(OSSL_RAND_PARAM_STRENGTH, &strength),
                                 OSSL_PARAM_construct_end()};
    EXPECT_EQ(EVP_RAND_instantiate(parent_, 256, 0, nullptr, 0, source), 1);
    set_entropy(seed);
    EVP_RAND* counter = EVP_RAND_fetch(nullptr, "CTR-DRBG", nullptr);
    context_ = EVP_RAND_CTX_new(counter, parent_);
    EVP_RAND_free(counter);
    int derivation = 0;
    char cipher[] = "AES-256-CTR";
    OSSL_PARAM settings[] = {OSSL_PARAM_construct_utf8_string(OSSL_DRBG_PARAM_CIPHER, cipher, 0),
                             OSSL_PARAM_construct_int(OSSL_DRBG_PARAM_USE_DF, &derivation), OSSL_PARAM_construct_end()};
    // Not nullptr, which means a personalisation string of OpenSSL's own.
    static const unsigned char kNoPersonalisation = 0;
    EXPECT_EQ(EVP_RAND_instantiate(context_, 256, 0, &kNoPersonalisation, 0, settings), 1);
  }
  ~OpensslDrbg() {
    EVP_RAND_CTX_free(context_);
    EVP_RAND_CTX_free(parent_);
  }
  std::vector<std::byte> generate(std::size_t size) {
    std::vector<std::byte> output(size);
    EXPECT_EQ(EVP_RAND_generate(context_, reinterpret_cast<unsigned char*>(output.data()), size, 256, 0, nullptr, 0),
              1);
    return output;
  }
  void reseed(const CtrDrbg::Seed& seed) {
    set_entropy(seed);
    EXPECT_EQ(EVP_RAND_reseed(context_, 0, nullptr, 0, nullptr, 0), 1);
  }

 private:
  void set_entropy(const CtrDrbg::Seed& seed) {
    std::vector<std::byte> bytes(seed.bytes().begin(), seed.bytes().end());
    const OSSL_PARAM entropy[] = {
        OSSL_PARAM_construct_octet_string(OSSL_RAND_PARAM_TEST_ENTROPY, bytes.data(), bytes.size()),
        OSSL_PARAM_construct_end()};
    EXPECT_EQ(EVP_RAND_CTX_set_params(parent_, entropy), 1);
  }

  EVP_RAND_CTX* parent_ = nullptr;
  EVP_RAND_CTX* context_ = nullptr;
};

TEST_F(RandomTest, DrbgAgreesWithOpenssl) {
  CtrDrbg::Seed first;
  CtrDrbg::Seed second;
  random_bytes(first.bytes());
  random_bytes(second.bytes());
  SCOPED_TRACE("seeds " + to_hex(first.bytes()) + " " + to_hex(second.bytes()));
  OpensslDrbg expected(first);
  CtrDrbg drbg;
  drbg.instantiate(first);
  for (const std::size_t size : {1, 15, 16, 17, 100, 4096, 65536}) {
    std::vector<std::byte> output(size);
    drbg.generate(output);
    ASSERT_EQ(to_hex(output), to_hex(expected.generate(size))) << size;
  }
  drbg.reseed(second);
  expected.reseed(second);
  std::vector<std::byte> output(333);
  drbg.generate(output);
  EXPECT_EQ(to_hex(output), to_hex(expected.generate(333)));
}

TEST_F(RandomTest, RefusesTooMuchAtOnce) {
  CtrDrbg drbg;
  std::vector<std::byte> output(CtrDrbg::kMaxRequest + 1);
  EXPECT_DEATH(drbg.generate(output), "too many random bytes");
}

int calls = 0;

TEST_F(RandomTest, AStuckSourcePanics) {
  EntropySource stuck([](std::uint64_t* word) {
    *word = ~std::uint64_t{0};
    return true;
  });
  EXPECT_DEATH(
      {
        for (int i = 0; i < 3; ++i) static_cast<void>(stuck.next());
      },
      "repeat themselves");
  // One repetition is luck.
  calls = 0;
  EntropySource lucky([](std::uint64_t* word) {
    *word = static_cast<std::uint64_t>(++calls / 2);
    return true;
  });
  for (int i = 0; i < 100; ++i) EXPECT_EQ(lucky.next(), static_cast<std::uint64_t>((i + 1) / 2));
}

TEST_F(RandomTest, AnExhaustedSourceIsAskedAgainAndThenPanics) {
  calls = 0;
  EntropySource slow([](std::uint64_t* word) {
    *word = static_cast<std::uint64_t>(calls);
    return ++calls % 50 == 0;
  });
  EXPECT_EQ(slow.next(), 49U);
  EntropySource dead([](std::uint64_t* word) {
    *word = 0;
    return false;
  });
  EXPECT_DEATH(static_cast<void>(dead.next()), "gives no random numbers");
}

TEST_F(RandomTest, TheHardwareGivesDifferentWords) {
  if (!cpu_features().rdseed || !cpu_features().rdrand) GTEST_SKIP() << "no RDSEED or RDRAND here";
  EntropySource seeds(rdseed_word);
  EntropySource randoms(rdrand_word);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(seen.insert(seeds.next()).second);
    EXPECT_TRUE(seen.insert(randoms.next()).second);
  }
}

TEST_F(RandomTest, BytesLookRandomAndCoverEverySize) {
  for (std::size_t size = 0; size < 200; ++size) {
    std::vector<std::byte> output(size + 8);
    random_bytes(std::span(output).first(size));
    for (std::size_t i = size; i < size + 8; ++i) ASSERT_EQ(output[i], std::byte{0}) << "nothing beyond the end";
  }
  std::vector<std::byte> many(3 << 20);
  random_bytes(many);
  std::size_t ones = 0;
  for (const std::byte value : many) ones += std::popcount(std::to_integer<unsigned>(value));
  const double share = static_cast<double>(ones) / static_cast<double>(many.size() * 8);
  EXPECT_NEAR(share, 0.5, 0.001);
  EXPECT_FALSE(std::equal(many.begin(), many.begin() + 4096, many.begin() + 4096));
}

TEST_F(RandomTest, ThreadsNeverSeeTheSameBytes) {
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kEach = 2000;
  std::vector<std::vector<std::array<std::byte, 16>>> drawn(kThreads);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&values = drawn[i]] {
      values.resize(kEach);
      for (auto& value : values) random_bytes(value);
    });
  }
  for (auto& thread : threads) thread.join();
  std::set<std::array<std::byte, 16>> all;
  for (const auto& values : drawn) all.insert(values.begin(), values.end());
  EXPECT_EQ(all.size(), kThreads * kEach);
}

}  // namespace
}  // namespace coffer::kernel
