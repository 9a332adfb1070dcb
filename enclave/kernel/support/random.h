// Random numbers of the kernel: the processor's entropy source, watched, through a generator of NIST SP 800-90A. The
// host has no part in it. Users call random_bytes() in crypto.h; what is here is for it and for tests. Freestanding.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/secret.h"

namespace coffer::kernel {

// Words from a hardware source, with the health tests that show a source that is stuck (SP 800-90B, 4.4.1).
class EntropySource {
 public:
  // One try: false where the processor had none ready.
  using Instruction = bool (*)(std::uint64_t* word);

  constexpr explicit EntropySource(Instruction instruction) : instruction_(instruction) {}

  // Panics where the source gives nothing after kMaxTries or repeats itself.
  std::uint64_t next();

  // Some milliseconds: other cores can keep RDSEED busy for a while.
  static constexpr int kMaxTries = 1 << 17;
  // A good source repeats a 64-bit word once in 2^64 times; three alike words in a row are a broken one.
  static constexpr int kMaxRepeats = 2;

 private:
  Instruction instruction_;
  std::uint64_t previous_ = 0;
  int repeats_ = 0;
  bool started_ = false;
};

bool rdrand_word(std::uint64_t* word);
bool rdseed_word(std::uint64_t* word);

// CTR_DRBG with AES-256, no derivation function, no additional input (SP 800-90A, 10.2.1). Not thread-safe.
class CtrDrbg {
 public:
  static constexpr std::size_t kSeedSize = 48;
  static constexpr std::size_t kMaxRequest = 65536;
  using Seed = SecretArray<kSeedSize>;

  constexpr CtrDrbg() = default;
  void instantiate(const Seed& entropy);
  void reseed(const Seed& entropy);
  // At most kMaxRequest bytes; afterwards the state tells nothing about them.
  void generate(std::span<std::byte> output);

 private:
  void update(const Seed* provided);

  alignas(16) std::array<std::uint8_t, 32> key_{};
  alignas(16) std::array<std::uint8_t, 16> value_{};
};

}  // namespace coffer::kernel
