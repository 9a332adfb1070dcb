#include "attest/tpm/hash.h"

#include <openssl/evp.h>

#include <algorithm>

namespace coffer::attest::tpm {

namespace {

struct Known {
  HashId hash;
  std::string_view name;
  std::size_t size;
  const char* openssl_name;
};
constexpr std::array<Known, kMostHashes> kKnown{
    Known{HashId::kSha1, "sha1", 20, "SHA1"},
    Known{HashId::kSha256, "sha256", 32, "SHA256"},
    Known{HashId::kSha384, "sha384", 48, "SHA384"},
    Known{HashId::kSha512, "sha512", 64, "SHA512"},
    Known{HashId::kSm3, "sm3_256", 32, "SM3"},
    Known{HashId::kSha3With256, "sha3_256", 32, "SHA3-256"},
    Known{HashId::kSha3With384, "sha3_384", 48, "SHA3-384"},
    Known{HashId::kSha3With512, "sha3_512", 64, "SHA3-512"},
};

const Known& known(HashId hash) { return *std::ranges::find(kKnown, hash, &Known::hash); }

}  // namespace

std::optional<HashId> hash_of_number(std::uint16_t number) {
  const auto* found = std::ranges::find(kKnown, static_cast<HashId>(number), &Known::hash);
  if (found == kKnown.end()) return std::nullopt;
  return found->hash;
}

std::optional<HashId> hash_of_name(std::string_view name) {
  const auto* found = std::ranges::find(kKnown, name, &Known::name);
  if (found == kKnown.end()) return std::nullopt;
  return found->hash;
}

std::string_view name_of(HashId hash) { return known(hash).name; }
std::size_t digest_size(HashId hash) { return known(hash).size; }

const EVP_MD* openssl_algorithm(HashId hash) {
  // Fetched once: a fetch by name costs more than a short digest.
  static const auto kFetched = [] {
    std::array<const EVP_MD*, kMostHashes> fetched{};
    for (std::size_t index = 0; index < kMostHashes; ++index) {
      fetched[index] = EVP_MD_fetch(nullptr, kKnown[index].openssl_name, nullptr);
    }
    return fetched;
  }();
  const auto* found = std::ranges::find(kKnown, hash, &Known::hash);
  return kFetched[static_cast<std::size_t>(found - kKnown.begin())];
}

Hasher::Hasher(HashId hash) : hash_(hash), algorithm_(openssl_algorithm(hash)), context_(EVP_MD_CTX_new()) {
  if (algorithm_ != nullptr && context_ != nullptr && EVP_DigestInit_ex2(context_, algorithm_, nullptr) != 1) {
    algorithm_ = nullptr;
  }
}

Hasher::~Hasher() { EVP_MD_CTX_free(context_); }

std::optional<Digest> Hasher::digest(std::initializer_list<ByteView> parts) {
  if (algorithm_ == nullptr || context_ == nullptr) return std::nullopt;
  if (EVP_DigestInit_ex2(context_, nullptr, nullptr) != 1) return std::nullopt;
  for (const ByteView part : parts) {
    if (EVP_DigestUpdate(context_, part.data(), part.size()) != 1) return std::nullopt;
  }
  Digest result;
  unsigned size = 0;
  auto* out = reinterpret_cast<unsigned char*>(result.bytes.data());
  if (EVP_DigestFinal_ex(context_, out, &size) != 1) return std::nullopt;
  result.size = size;
  return result;
}

}  // namespace coffer::attest::tpm
