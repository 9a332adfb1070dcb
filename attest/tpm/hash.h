// The hash algorithms of TPMs and event logs: numbers, names, sizes, and digests of them.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "base/bytes.h"

struct evp_md_st;
struct evp_md_ctx_st;

namespace coffer::attest::tpm {

// TPM 2.0 Library, part 2, 6.3, TPM_ALG_ID: those that are hashes. The numbers are those of the wire.
enum class HashId : std::uint16_t {
  kSha1 = 0x0004,
  kSha256 = 0x000b,
  kSha384 = 0x000c,
  kSha512 = 0x000d,
  kSm3 = 0x0012,
  kSha3With256 = 0x0027,
  kSha3With384 = 0x0028,
  kSha3With512 = 0x0029,
};

inline constexpr std::size_t kMostHashes = 8;
inline constexpr std::size_t kLongestDigest = 64;

// Nothing where the number is no hash known here.
[[nodiscard]] std::optional<HashId> hash_of_number(std::uint16_t number);
[[nodiscard]] std::string_view name_of(HashId hash);  // "sha256", "sm3_256", "sha3_256"
[[nodiscard]] std::optional<HashId> hash_of_name(std::string_view name);
[[nodiscard]] std::size_t digest_size(HashId hash);

// A digest by value; the algorithm says how long it is.
struct Digest {
  std::array<std::byte, kLongestDigest> bytes{};
  std::size_t size = 0;
  [[nodiscard]] ByteView view() const { return ByteView(bytes).first(size); }
};

// Computes many small digests without setting up OpenSSL for each. Not thread-safe; a hasher belongs to one thread.
class Hasher {
 public:
  explicit Hasher(HashId hash);
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;
  ~Hasher();

  [[nodiscard]] HashId hash() const { return hash_; }
  // Of the parts one after the other. Nothing where this OpenSSL lacks the algorithm.
  [[nodiscard]] std::optional<Digest> digest(std::initializer_list<ByteView> parts);
  [[nodiscard]] std::optional<Digest> digest(ByteView bytes) { return digest({bytes}); }

 private:
  HashId hash_;
  const evp_md_st* algorithm_;
  evp_md_ctx_st* context_;
};

// The algorithm as OpenSSL has it; null where this OpenSSL lacks it. Lives as long as the program.
[[nodiscard]] const evp_md_st* openssl_algorithm(HashId hash);

}  // namespace coffer::attest::tpm
