#include <coffer/sealing.h>

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "enclave/sdk/crypto.h"
#include "enclave/sdk/platform.h"
#include "enclave/sdk/sealing_key.h"

namespace coffer {
namespace sdk {

Outcome<SealedHeader> new_header(const SealTo& to) {
  if (to.policy != SealPolicy::kMrEnclave && to.policy != SealPolicy::kMrSigner) return EnclaveError::kInvalid;
  const auto own = platform::own_identity();
  if (!own) return own.error();
  SealedHeader header = header_for(to, *own);
  if (!platform::random(writable_bytes_of(header.key_id))) return EnclaveError::kSystem;
  return header;
}

Outcome<Key128> unsealing_key(const SealedHeader& header) {
  auto key = platform::get_key(key_request(header));
  if (!key && key.error() == EnclaveError::kInvalid) return EnclaveError::kRefused;
  return key;
}

bool text_key(const Key128& key, std::string_view label, const SealedHeader& header, Key256& result) {
  return expand_key(key.bytes(), label, header.salt, result.bytes());
}

namespace {

constexpr std::array<std::byte, kGcmNonce> kNoNonce{};  // each blob has a key of its own, used once

// For sealing, where the arguments are the caller's: an SVN above one's own is no downgrade.
Outcome<Key128> sealing_key(const SealedHeader& header) {
  auto key = platform::get_key(key_request(header));
  if (!key && key.error() == EnclaveError::kDowngrade) return EnclaveError::kInvalid;
  return key;
}

Outcome<std::vector<std::byte>> seal_under(const Key128& key, SealedHeader header, Bytes secret,
                                           const SealedAlong& along) {
  if (secret.size() > kMostSecret || along.readable.size() > kMostReadable) return EnclaveError::kInvalid;
  header.readable_size = along.readable.size();
  header.secret_size = secret.size();
  if (!platform::random(header.salt)) return EnclaveError::kSystem;
  Key256 blob_key;
  if (!text_key(key, kBlobLabel, header, blob_key)) return EnclaveError::kSystem;

  std::vector<std::byte> blob;
  blob.reserve(sizeof(header) + along.readable.size() + secret.size() + kSealedTag);
  const Bytes front = bytes_of(header);
  blob.insert(blob.end(), front.begin(), front.end());
  blob.insert(blob.end(), along.readable.begin(), along.readable.end());
  const std::size_t clear = blob.size();
  blob.resize(clear + secret.size() + kSealedTag);
  const std::span<std::byte> whole(blob);
  if (!gcm_seal(blob_key.bytes(), kNoNonce, {whole.first(clear), along.bound}, secret,
                whole.subspan(clear, secret.size()), whole.last<kSealedTag>())) {
    return EnclaveError::kSystem;
  }
  return blob;
}

Outcome<Unsealed> unseal_under(const Key128& key, const SealedParts& parts, Bytes bound) {
  Key256 blob_key;
  if (!text_key(key, kBlobLabel, parts.header, blob_key)) return EnclaveError::kSystem;
  Unsealed result{.secret = SecretBytes(parts.ciphertext.size()), .readable = {}};
  if (!gcm_open(blob_key.bytes(), kNoNonce, {parts.authenticated, bound}, parts.ciphertext, result.secret.bytes(),
                parts.tag.first<kSealedTag>())) {
    return EnclaveError::kRefused;
  }
  result.readable.assign(parts.readable.begin(), parts.readable.end());
  return result;
}

}  // namespace
}  // namespace sdk

Outcome<std::vector<std::byte>> seal(std::span<const std::byte> secret, const SealTo& to, const SealedAlong& along) {
  const auto header = sdk::new_header(to);
  if (!header) return header.error();
  const auto key = sdk::sealing_key(*header);
  if (!key) return key.error();
  return sdk::seal_under(*key, *header, secret, along);
}

Outcome<Unsealed> unseal(std::span<const std::byte> blob, std::span<const std::byte> bound) {
  const auto parts = sdk::parse_blob(blob);
  if (!parts) return parts.error();
  const auto key = sdk::unsealing_key(parts->header);
  if (!key) return key.error();
  return sdk::unseal_under(*key, *parts, bound);
}

Outcome<SealedInfo> inspect_sealed(std::span<const std::byte> blob) {
  const auto header = sdk::parse_header(blob);
  if (!header) return header.error();
  if (header->readable_size > blob.size() - sizeof(*header)) return EnclaveError::kMalformed;
  if (!header->is_stream()) {
    if (const auto parts = sdk::parse_blob(blob); !parts) return parts.error();
  }
  SealedInfo info;
  info.stream = header->is_stream();
  info.to = sdk::seal_to_of(*header);
  std::memcpy(info.cpu_svn.data(), header->cpu_svn.data(), info.cpu_svn.size());
  std::memcpy(info.key_id.data(), header->key_id.data(), info.key_id.size());
  info.readable = blob.subspan(sizeof(*header), header->readable_size);
  info.secret_size = header->secret_size;
  return info;
}

struct Sealer::State {
  sdk::SealedHeader header;
  Key128 key;
};

Sealer::Sealer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Sealer::Sealer(Sealer&&) noexcept = default;
Sealer& Sealer::operator=(Sealer&&) noexcept = default;
Sealer::~Sealer() = default;

Outcome<Sealer> Sealer::create(const SealTo& to) {
  const auto header = sdk::new_header(to);
  if (!header) return header.error();
  auto key = sdk::sealing_key(*header);
  if (!key) return key.error();
  return Sealer(std::unique_ptr<State>(new State{*header, std::move(*key)}));
}

Outcome<std::vector<std::byte>> Sealer::seal(std::span<const std::byte> secret, const SealedAlong& along) const {
  return sdk::seal_under(state_->key, state_->header, secret, along);
}

Outcome<Unsealed> Sealer::unseal(std::span<const std::byte> blob, std::span<const std::byte> bound) const {
  const auto parts = sdk::parse_blob(blob);
  if (!parts) return parts.error();
  const sgx::KeyRequest wanted = sdk::key_request(parts->header);
  const sgx::KeyRequest held = sdk::key_request(state_->header);
  if (std::memcmp(&wanted, &held, sizeof(held)) == 0) return sdk::unseal_under(state_->key, *parts, bound);
  const auto key = sdk::unsealing_key(parts->header);
  if (!key) return key.error();
  return sdk::unseal_under(*key, *parts, bound);
}

}  // namespace coffer
