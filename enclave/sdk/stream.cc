// Sealed streams. The header, the readable and the bound data are authenticated with every block through their digest;
// a block's nonce is its number and whether it is the last, so blocks cannot be moved, repeated, left out or cut off.
#include <coffer/sealing.h>

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "enclave/sdk/crypto.h"
#include "enclave/sdk/platform.h"
#include "enclave/sdk/sealing_key.h"

namespace coffer {
namespace sdk {
namespace {

using Digest = std::array<std::byte, 32>;

std::array<std::byte, kGcmNonce> block_nonce(std::uint64_t number, bool last) {
  std::array<std::byte, kGcmNonce> nonce{};
  std::memcpy(nonce.data(), &number, sizeof(number));
  nonce[sizeof(number)] = static_cast<std::byte>(last ? 1 : 0);
  return nonce;
}

// What is bound stands behind what the header gives the length of, so no two choices have the same digest.
bool digest_of(const SealedHeader& header, Bytes readable, Bytes bound, Digest& digest) {
  return sha256({bytes_of(header), readable, bound}, digest);
}

// A whole block, or what there is before the end. A source that says more than it had room for is a broken one.
Outcome<std::size_t> fill(const StreamSource& source, std::span<std::byte> block) {
  std::size_t filled = 0;
  while (filled < block.size()) {
    const auto got = source(block.subspan(filled));
    if (!got) return got.error();
    if (*got > block.size() - filled) return EnclaveError::kSystem;
    if (*got == 0) break;
    filled += *got;
  }
  return filled;
}

Outcome<void> seal_blocks(const StreamSource& source, const StreamSink& sink, const Key256& key, const Digest& digest,
                          std::size_t block_size) {
  SecretBytes plain(block_size);
  std::vector<std::byte> sealed(block_size + kSealedTag);
  for (std::uint64_t number = 0;; ++number) {
    const auto size = fill(source, plain.bytes());
    if (!size) return size.error();
    const bool last = *size < block_size;
    const auto now = std::span(sealed).first(*size + kSealedTag);
    if (!gcm_seal(key.bytes(), block_nonce(number, last), {digest}, plain.bytes().first(*size), now.first(*size),
                  now.last<kSealedTag>())) {
      return EnclaveError::kSystem;
    }
    if (auto written = sink(now); !written || last) return written;
  }
}

Outcome<void> unseal_blocks(const StreamSource& source, const StreamSink& sink, const Key256& key, const Digest& digest,
                            std::size_t block_size) {
  SecretBytes plain(block_size);
  std::vector<std::byte> sealed(block_size + kSealedTag);
  for (std::uint64_t number = 0;; ++number) {
    const auto got = fill(source, sealed);
    if (!got) return got.error();
    if (*got < kSealedTag) return EnclaveError::kMalformed;  // the last block is missing
    const std::size_t size = *got - kSealedTag;
    const bool last = size < block_size;
    const std::span<const std::byte> now = std::span(sealed).first(*got);
    if (!gcm_open(key.bytes(), block_nonce(number, last), {digest}, now.first(size), plain.bytes().first(size),
                  now.last<kSealedTag>())) {
      return EnclaveError::kRefused;
    }
    if (auto written = sink(plain.bytes().first(size)); !written || last) return written;
  }
}

}  // namespace
}  // namespace sdk

Outcome<void> seal_stream(const StreamSource& source, const StreamSink& sink, const SealTo& to,
                          const SealedAlong& along) {
  if (along.readable.size() > sdk::kMostReadable) return EnclaveError::kInvalid;
  auto header = sdk::new_header(to);
  if (!header) return header.error();
  header->magic = sdk::kStreamMagic;
  header->readable_size = along.readable.size();
  header->secret_size = sdk::kUsualBlock;
  if (!sdk::platform::random(header->salt)) return EnclaveError::kSystem;
  const auto root = sdk::platform::get_key(sdk::key_request(*header));
  if (!root) return root.error() == EnclaveError::kDowngrade ? EnclaveError::kInvalid : root.error();
  Key256 key;
  sdk::Digest digest{};
  if (!sdk::text_key(*root, sdk::kStreamLabel, *header, key) ||
      !sdk::digest_of(*header, along.readable, along.bound, digest)) {
    return EnclaveError::kSystem;
  }
  for (const std::span<const std::byte> front : {bytes_of(*header), along.readable}) {
    if (auto written = sink(front); !written) return written;
  }
  return sdk::seal_blocks(source, sink, key, digest, sdk::kUsualBlock);
}

Outcome<std::vector<std::byte>> unseal_stream(const StreamSource& source, const StreamSink& sink,
                                              std::span<const std::byte> bound) {
  std::array<std::byte, sizeof(sdk::SealedHeader)> front{};
  const auto got = sdk::fill(source, front);
  if (!got) return got.error();
  const auto header = sdk::parse_header(std::span(front).first(*got));
  if (!header) return header.error();
  if (!header->is_stream()) return EnclaveError::kMalformed;
  std::vector<std::byte> readable(header->readable_size);  // parse_header() has bounded it
  const auto rest = sdk::fill(source, readable);
  if (!rest) return rest.error();
  if (*rest != readable.size()) return EnclaveError::kMalformed;
  const auto root = sdk::unsealing_key(*header);
  if (!root) return root.error();
  Key256 key;
  sdk::Digest digest{};
  if (!sdk::text_key(*root, sdk::kStreamLabel, *header, key) || !sdk::digest_of(*header, readable, bound, digest)) {
    return EnclaveError::kSystem;
  }
  if (auto opened = sdk::unseal_blocks(source, sink, key, digest, header->secret_size); !opened) return opened.error();
  return readable;
}

}  // namespace coffer
