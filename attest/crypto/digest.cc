#include "attest/crypto/digest.h"

#include <algorithm>
#include <new>
#include <utility>

#include "attest/crypto/openssl.h"

namespace coffer::attest::crypto {

std::size_t size_of(Hash hash) {
  switch (hash) {
    case Hash::kSha1:
      return 20;
    case Hash::kSha256:
      return 32;
    case Hash::kSha384:
      return 48;
    case Hash::kSha512:
      return 64;
  }
  std::unreachable();
}

const EVP_MD* algorithm_of(Hash hash) {
  // Never freed: they are used until the program ends.
  static const std::array<EVP_MD*, 4> kAlgorithms{
      EVP_MD_fetch(nullptr, "SHA1", nullptr), EVP_MD_fetch(nullptr, "SHA256", nullptr),
      EVP_MD_fetch(nullptr, "SHA384", nullptr), EVP_MD_fetch(nullptr, "SHA512", nullptr)};
  return kAlgorithms.at(static_cast<std::size_t>(hash));
}

Digest::Digest(ByteView bytes) : size_(std::min(bytes.size(), bytes_.size())) {
  std::ranges::copy(bytes.first(size_), bytes_.begin());
}

struct Hasher::State {
  DigestContext context{EVP_MD_CTX_new()};
  Hash hash = Hash::kSha256;
  bool begun = false;
};

Hasher::Hasher(Hash hash) : state_(std::make_unique<State>()) {
  state_->hash = hash;
  if (!state_->context) throw std::bad_alloc();
}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::update(ByteView bytes) {
  if (!state_->begun && EVP_DigestInit_ex(state_->context.get(), algorithm_of(state_->hash), nullptr) != 1) {
    throw std::bad_alloc();
  }
  state_->begun = true;
  if (EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) != 1) throw std::bad_alloc();
}

Digest Hasher::finish() {
  if (!state_->begun) update({});
  Digest result;
  unsigned size = 0;
  auto* out = reinterpret_cast<unsigned char*>(result.bytes_.data());
  if (EVP_DigestFinal_ex(state_->context.get(), out, &size) != 1) throw std::bad_alloc();
  result.size_ = size;
  state_->begun = false;
  return result;
}

Digest digest(Hash hash, std::initializer_list<ByteView> parts) {
  Hasher hasher(hash);
  for (const ByteView part : parts) hasher.update(part);
  return hasher.finish();
}

Digest digest(Hash hash, ByteView bytes) { return digest(hash, {bytes}); }

}  // namespace coffer::attest::crypto
