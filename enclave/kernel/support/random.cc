#include "enclave/kernel/support/random.h"

#include <algorithm>
#include <cstring>

#include "enclave/kernel/core/kernel.h"
#include "enclave/kernel/core/locks.h"
#include "enclave/kernel/support/cpu_features.h"
#include "enclave/kernel/support/crypto.h"
#include "enclave/kernel/support/libcrypto_members.h"
#include "enclave/kernel/support/vector_state.h"

namespace coffer::kernel {
namespace {

// Adds to a big-endian 128-bit counter.
void add_to_counter(std::array<std::uint8_t, 16>& counter, std::uint64_t blocks) {
  for (std::size_t i = 16; i-- > 0 && blocks != 0;) {
    blocks += counter[i];
    counter[i] = static_cast<std::uint8_t>(blocks);
    blocks >>= 8U;
  }
}

std::uint32_t low_word(const std::array<std::uint8_t, 16>& counter) {
  return (std::uint32_t{counter[12]} << 24U) | (std::uint32_t{counter[13]} << 16U) |
         (std::uint32_t{counter[14]} << 8U) | counter[15];
}

// Encrypts value + 1, value + 2, ... into `blocks` blocks at `out` and leaves value at the last. The caller guards the
// vector state.
void counter_blocks(const libcrypto::AesKey& key, std::array<std::uint8_t, 16>& value, std::uint8_t* out,
                    std::size_t blocks) {
  std::memset(out, 0, blocks * 16);
  while (blocks > 0) {
    add_to_counter(value, 1);
    // The assembler counts in 32 bits only: never let it wrap.
    const std::uint64_t before_wrap = (std::uint64_t{1} << 32U) - low_word(value);
    const std::size_t count = std::min<std::uint64_t>(blocks, before_wrap);
    libcrypto::aesni_ctr32_encrypt_blocks(out, out, count, &key, value.data());
    add_to_counter(value, count - 1);
    out += count * 16;
    blocks -= count;
  }
}

}  // namespace

bool rdrand_word(std::uint64_t* word) {
  bool ready = false;
  asm volatile("rdrand %0" : "=r"(*word), "=@ccc"(ready));
  return ready;
}

bool rdseed_word(std::uint64_t* word) {
  bool ready = false;
  asm volatile("rdseed %0" : "=r"(*word), "=@ccc"(ready));
  return ready;
}

std::uint64_t EntropySource::next() {
  std::uint64_t word = 0;
  int tries = 0;
  while (!instruction_(&word)) {
    if (++tries == kMaxTries) panic("the processor gives no random numbers");
    __builtin_ia32_pause();
  }
  repeats_ = started_ && word == previous_ ? repeats_ + 1 : 0;
  if (repeats_ >= kMaxRepeats) panic("the processor's random numbers repeat themselves");
  started_ = true;
  previous_ = word;
  return word;
}

void CtrDrbg::update(const Seed* provided) {
  const VectorStateGuard vector_state;
  libcrypto::AesKey schedule;
  libcrypto::aesni_set_encrypt_key(key_.data(), 256, &schedule);
  Seed fresh;
  auto* bytes = reinterpret_cast<std::uint8_t*>(fresh.bytes().data());
  counter_blocks(schedule, value_, bytes, kSeedSize / 16);
  if (provided != nullptr) {
    for (std::size_t i = 0; i < kSeedSize; ++i) fresh.bytes()[i] ^= provided->bytes()[i];
  }
  std::memcpy(key_.data(), bytes, key_.size());
  std::memcpy(value_.data(), bytes + key_.size(), value_.size());
  wipe(&schedule, sizeof(schedule));
}

void CtrDrbg::instantiate(const Seed& entropy) {
  key_.fill(0);
  value_.fill(0);
  update(&entropy);
}

void CtrDrbg::reseed(const Seed& entropy) { update(&entropy); }

void CtrDrbg::generate(std::span<std::byte> output) {
  if (output.size() > kMaxRequest) panic("too many random bytes asked for at once");
  {
    const VectorStateGuard vector_state;
    libcrypto::AesKey schedule;
    libcrypto::aesni_set_encrypt_key(key_.data(), 256, &schedule);
    auto* out = reinterpret_cast<std::uint8_t*>(output.data());
    const std::size_t whole = output.size() / 16;
    counter_blocks(schedule, value_, out, whole);
    if (const std::size_t rest = output.size() % 16; rest != 0) {
      SecretArray<16> last;
      counter_blocks(schedule, value_, reinterpret_cast<std::uint8_t*>(last.bytes().data()), 1);
      std::memcpy(out + whole * 16, last.bytes().data(), rest);
    }
    wipe(&schedule, sizeof(schedule));
  }
  update(nullptr);
}

namespace {

// Reseeded long before the standard asks for it (2^48 requests): a state that leaked is worth little for long.
constexpr std::uint64_t kBytesBetweenSeeds = std::uint64_t{1} << 20;
constexpr std::uint64_t kRequestsBetweenSeeds = 4096;
// What one hold of the lock makes.
constexpr std::size_t kPiece = 4096;

struct Generator {
  SpinLock lock;
  CtrDrbg drbg;
  EntropySource seeds{rdseed_word};
  EntropySource randoms{rdrand_word};
  std::uint64_t bytes_left = 0;
  std::uint64_t requests_left = 0;
  bool instantiated = false;
};
constinit Generator generator;

// Both sources where there are two, so that a fault in one does no harm.
void fill_seed(CtrDrbg::Seed& seed) {
  const CpuFeatures& features = cpu_features();
  if (!features.rdrand && !features.rdseed) panic("this processor has neither RDRAND nor RDSEED, which Coffer needs");
  for (std::size_t i = 0; i < CtrDrbg::kSeedSize; i += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    if (features.rdseed) word ^= generator.seeds.next();
    if (features.rdrand) word ^= generator.randoms.next();
    std::memcpy(seed.bytes().data() + i, &word, sizeof(word));
  }
}

}  // namespace

void random_bytes(std::span<std::byte> output) {
  while (!output.empty()) {
    const auto piece = output.first(std::min(output.size(), kPiece));
    const LockGuard guard(generator.lock);
    if (generator.bytes_left < piece.size() || generator.requests_left == 0) {
      CtrDrbg::Seed seed;
      fill_seed(seed);
      if (generator.instantiated) {
        generator.drbg.reseed(seed);
      } else {
        generator.drbg.instantiate(seed);
        generator.instantiated = true;
      }
      generator.bytes_left = kBytesBetweenSeeds;
      generator.requests_left = kRequestsBetweenSeeds;
    }
    generator.drbg.generate(piece);
    generator.bytes_left -= piece.size();
    --generator.requests_left;
    output = output.subspan(piece.size());
  }
}

}  // namespace coffer::kernel
