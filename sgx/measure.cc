// The low-level SHA-256 functions are deprecated in OpenSSL 3 in favour of EVP, whose dispatch costs as much as a
// 64-byte record itself; a launch measures seventeen records a page, so the low-level path is used on purpose.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "sgx/measure.h"

#include <openssl/sha.h>

#include <cstring>

namespace coffer::sgx {

namespace {

constexpr std::size_t kRecordSize = 64;

using Record = std::array<std::byte, kRecordSize>;

template <class T>
void put(std::byte* target, T value) {
  std::memcpy(target, &value, sizeof(T));
}

// Tags are the leaf's name, padded with zeros to eight bytes.
constexpr std::size_t kTagSize = 8;
constexpr char kEcreateTag[kTagSize + 1] = "ECREATE\0";
constexpr char kEaddTag[kTagSize + 1] = "EADD\0\0\0\0";
constexpr char kEextendTag[kTagSize + 1] = "EEXTEND\0";

}  // namespace

struct Measurement::State {
  SHA256_CTX hash;
};

Measurement::Measurement() : state_(std::make_unique<State>()) { SHA256_Init(&state_->hash); }
Measurement::~Measurement() = default;
Measurement::Measurement(Measurement&&) noexcept = default;
Measurement& Measurement::operator=(Measurement&&) noexcept = default;

void Measurement::ecreate(std::uint32_t ssa_frame_size, std::uint64_t size) {
  Record record{};
  std::memcpy(record.data(), kEcreateTag, kTagSize);
  put(record.data() + 8, ssa_frame_size);
  put(record.data() + 12, size);
  SHA256_Update(&state_->hash, record.data(), record.size());
}

void Measurement::eadd(std::uint64_t offset, SecinfoFlags flags) {
  // The leaf clears the permissions of a TCS before it measures its SECINFO.
  if (flags.type() == PageType::kTcs) flags.value &= ~std::uint64_t{7};
  Record record{};
  std::memcpy(record.data(), kEaddTag, kTagSize);
  put(record.data() + 8, offset);
  put(record.data() + 16, flags.value);
  SHA256_Update(&state_->hash, record.data(), record.size());
}

void Measurement::eextend(std::uint64_t offset, std::span<const std::byte, kExtendSize> chunk) {
  // One update for the record and the chunk: every length stays a multiple of the block size, so nothing is buffered.
  std::array<std::byte, kRecordSize + kExtendSize> input;
  std::memset(input.data() + 16, 0, kRecordSize - 16);
  std::memcpy(input.data(), kEextendTag, kTagSize);
  put(input.data() + 8, offset);
  std::memcpy(input.data() + kRecordSize, chunk.data(), kExtendSize);
  SHA256_Update(&state_->hash, input.data(), input.size());
}

MrEnclave Measurement::value() const {
  SHA256_CTX copy = state_->hash;
  MrEnclave result;
  SHA256_Final(result.bytes.data(), &copy);
  return result;
}

}  // namespace coffer::sgx
