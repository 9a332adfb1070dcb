#include "enclave/kernel/support/vector_state.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "enclave/kernel/support/cpu_features.h"
#include "enclave/kernel/support/crypto.h"

namespace coffer::kernel {
namespace {

// All within one asm statement's reach: the compiler must not use the registers in between.
struct Vectors {
  alignas(64) std::uint8_t bytes[16 * 64];
};

__attribute__((target("avx"), noinline)) void load_avx(const Vectors& v) {
  asm volatile(
      "vmovups (%0), %%ymm0; vmovups 64(%0), %%ymm1; vmovups 128(%0), %%ymm2; vmovups 192(%0), %%ymm3;"
      "vmovups 256(%0), %%ymm4; vmovups 320(%0), %%ymm5; vmovups 384(%0), %%ymm6; vmovups 448(%0), %%ymm7;"
      "vmovups 512(%0), %%ymm8; vmovups 576(%0), %%ymm9; vmovups 640(%0), %%ymm10; vmovups 704(%0), %%ymm11;"
      "vmovups 768(%0), %%ymm12; vmovups 832(%0), %%ymm13; vmovups 896(%0), %%ymm14; vmovups 960(%0), %%ymm15;" ::"r"(
          v.bytes)
      : "memory");
}
__attribute__((target("avx"), noinline)) void store_avx(Vectors& v) {
  asm volatile(
      "vmovups %%ymm0, (%0); vmovups %%ymm1, 64(%0); vmovups %%ymm2, 128(%0); vmovups %%ymm3, 192(%0);"
      "vmovups %%ymm4, 256(%0); vmovups %%ymm5, 320(%0); vmovups %%ymm6, 384(%0); vmovups %%ymm7, 448(%0);"
      "vmovups %%ymm8, 512(%0); vmovups %%ymm9, 576(%0); vmovups %%ymm10, 640(%0); vmovups %%ymm11, 704(%0);"
      "vmovups %%ymm12, 768(%0); vmovups %%ymm13, 832(%0); vmovups %%ymm14, 896(%0); vmovups %%ymm15, 960(%0);" ::"r"(
          v.bytes)
      : "memory");
}
__attribute__((target("avx512f"), noinline)) void load_high(const Vectors& v) {
  asm volatile(
      "vmovups (%0), %%zmm16; vmovups 64(%0), %%zmm20; vmovups 128(%0), %%zmm31; vmovups 192(%0), %%zmm5;"
      "kmovw 256(%0), %%k1; kmovw 320(%0), %%k7" ::"r"(v.bytes)
      : "memory");
}
__attribute__((target("avx512f"), noinline)) void store_high(Vectors& v) {
  asm volatile(
      "vmovups %%zmm16, (%0); vmovups %%zmm20, 64(%0); vmovups %%zmm31, 128(%0); vmovups %%zmm5, 192(%0);"
      "kmovw %%k1, 256(%0); kmovw %%k7, 320(%0)" ::"r"(v.bytes)
      : "memory");
}

// Sanitizers put calls between the statements of the tests, and those use vector registers of their own.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kInstrumented = true;
#else
constexpr bool kInstrumented = false;
#endif

class VectorStateTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { init_crypto(); }
  void SetUp() override {
    if (kInstrumented) GTEST_SKIP() << "meaningful without sanitizers only";
  }
  VectorStateTest() {
    for (std::size_t i = 0; i < sizeof(before_.bytes); ++i) before_.bytes[i] = static_cast<std::uint8_t>(i * 7 + 1);
  }
  Vectors before_{};
  Vectors after_{};
};

TEST_F(VectorStateTest, CryptoPreservesAvx) {
  if ((cpu_features().vector_state & 0x6) != 0x6) GTEST_SKIP() << "no AVX here";
  static std::byte text[5000];
  static std::byte tag[16];
  static AesGcm256 cipher(std::span<const std::byte, 32>(text, 32));
  load_avx(before_);
  cipher.seal(std::span<const std::byte, 12>(text, 12), {}, text, text, tag);
  store_avx(after_);
  for (std::size_t i = 0; i < 16; ++i)
    ASSERT_EQ(std::memcmp(before_.bytes + i * 64, after_.bytes + i * 64, 32), 0) << i;
  load_avx(before_);
  sha256(text, std::span<std::byte, 32>(text + 100, 32));
  store_avx(after_);
  for (std::size_t i = 0; i < 16; ++i)
    ASSERT_EQ(std::memcmp(before_.bytes + i * 64, after_.bytes + i * 64, 32), 0) << i;
  load_avx(before_);
  random_bytes(text);
  store_avx(after_);
  for (std::size_t i = 0; i < 16; ++i)
    ASSERT_EQ(std::memcmp(before_.bytes + i * 64, after_.bytes + i * 64, 32), 0) << i;
}

__attribute__((target("avx512f"), noinline)) void clobber_high() {
  asm volatile(
      "vpxord %%zmm16, %%zmm16, %%zmm16; vpxord %%zmm20, %%zmm20, %%zmm20; vpxord %%zmm31, %%zmm31, %%zmm31;"
      "vpxord %%zmm5, %%zmm5, %%zmm5; kxorw %%k1, %%k1, %%k1; kxorw %%k7, %%k7, %%k7" ::
          : "memory");
}

TEST_F(VectorStateTest, TheGuardPreservesAvx512) {
  if ((cpu_features().vector_state & 0xe6) != 0xe6) GTEST_SKIP() << "no AVX-512 here";
  load_high(before_);
  {
    const VectorStateGuard guard;
    clobber_high();
  }
  store_high(after_);
  EXPECT_EQ(std::memcmp(before_.bytes, after_.bytes, 256), 0);
  EXPECT_EQ(std::memcmp(before_.bytes + 256, after_.bytes + 256, 2), 0);
  EXPECT_EQ(std::memcmp(before_.bytes + 320, after_.bytes + 320, 2), 0);
}

TEST_F(VectorStateTest, TheGuardPreservesRoundingModes) {
  std::uint32_t mxcsr = 0;
  asm volatile("stmxcsr %0" : "=m"(mxcsr));
  const std::uint32_t changed = mxcsr ^ 0x6000;
  {
    const VectorStateGuard guard;
    asm volatile("ldmxcsr %0" ::"m"(changed));
  }
  std::uint32_t now = 0;
  asm volatile("stmxcsr %0" : "=m"(now));
  EXPECT_EQ(now, mxcsr);
}

TEST_F(VectorStateTest, TheGuardIsCheap) {
  constexpr int kRounds = 20000;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kRounds; ++i) const VectorStateGuard guard;
  const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - start;
  std::printf("guard: %.0f ns\n", spent.count() / kRounds);
  RecordProperty("guard_ns", static_cast<int>(spent.count() / kRounds));
  EXPECT_LT(spent.count() / kRounds, 20000.0) << "orders of magnitude more than the instructions cost";
}

}  // namespace
}  // namespace coffer::kernel
