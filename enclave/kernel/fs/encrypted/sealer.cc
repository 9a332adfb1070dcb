#include "enclave/kernel/fs/encrypted/sealer.h"

#include <cstring>
#include <utility>

#include "base/bytes.h"

namespace coffer::kernel::fs::encrypted {

namespace {

using Nonce = std::array<std::byte, kAesGcmNonceSize>;

constexpr std::string_view kVolumeInfo = "coffer encrypted files 1 volume ";
constexpr std::string_view kSessionInfo = "coffer encrypted files 1 session";
constexpr std::string_view kRecordInfo = "coffer encrypted files 1 record";
constexpr std::size_t kMaxLabel = 512;

ByteView text_bytes(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }

Nonce block_nonce(const Pointer& pointer) {
  Nonce nonce{};
  std::memcpy(nonce.data(), pointer.stored_counter.data(), pointer.stored_counter.size());
  return nonce;
}

}  // namespace

Sealer::Sealer(std::span<const std::byte, 32> mount_key, std::string_view label, const VolumeId& volume)
    : volume_(volume) {
  // A label that is too long is replaced by its digest, so that different labels always give different keys.
  std::array<std::byte, kVolumeInfo.size() + kMaxLabel> info;
  std::memcpy(info.data(), kVolumeInfo.data(), kVolumeInfo.size());
  std::size_t label_size = label.size();
  if (label_size < kMaxLabel) {
    if (label_size != 0) std::memcpy(info.data() + kVolumeInfo.size(), label.data(), label_size);
  } else {
    std::array<std::byte, kMaxLabel> digest{};
    sha256(text_bytes(label), std::span(digest).first<kSha256Size>());
    std::memcpy(info.data() + kVolumeInfo.size(), digest.data(), digest.size());
    label_size = kMaxLabel;
  }
  hkdf_sha256(mount_key, volume, std::span(info).first(kVolumeInfo.size() + label_size), volume_key_.bytes());
  begin_session();
}

void Sealer::begin_session() {
  random_bytes(session_);
  cipher_ = session_cipher(session_);
  counter_ = 0;
}

std::unique_ptr<AesGcm256> Sealer::session_cipher(const std::array<std::byte, kSessionSize>& session) const {
  Key256 key;
  hkdf_sha256(volume_key_.bytes(), session, text_bytes(kSessionInfo), key.bytes());
  return std::make_unique<AesGcm256>(std::as_const(key).bytes());
}

AesGcm256& Sealer::reading_cipher(const std::array<std::byte, kSessionSize>& session) {
  if (session == session_) return *cipher_;
  for (ReadKey& known : read_keys_) {
    if (known.cipher && known.session == session) return *known.cipher;
  }
  ReadKey& slot = read_keys_[next_read_key_];
  next_read_key_ = (next_read_key_ + 1) % read_keys_.size();
  slot.cipher = session_cipher(session);
  slot.session = session;
  return *slot.cipher;
}

void Sealer::seal_block(const CryptoBatch& batch, const BlockIdentity& identity,
                        std::span<const std::byte, kBlockSize> plaintext, std::span<std::byte, kBlockSize> ciphertext,
                        Pointer& pointer) {
  // A new session would make every block of this one look committed, which costs space and nothing else.
  if (counter_ == kMaxCounter) begin_session();
  ++counter_;
  pointer.session = session_;
  pointer.set_counter(counter_);
  const Nonce nonce = block_nonce(pointer);
  cipher_->seal(batch, nonce, bytes_of(identity), plaintext, ciphertext, pointer.tag);
}

bool Sealer::open_block(const CryptoBatch& batch, const BlockIdentity& identity, const Pointer& pointer,
                        std::span<const std::byte, kBlockSize> ciphertext, std::span<std::byte, kBlockSize> plaintext) {
  const Nonce nonce = block_nonce(pointer);
  return reading_cipher(pointer.session).open(batch, nonce, bytes_of(identity), ciphertext, plaintext, pointer.tag);
}

void Sealer::seal_record(const std::array<char, 8>& magic, std::span<const std::byte> payload,
                         std::span<std::byte> sealed) {
  SealedHeader header;
  header.magic = magic;
  header.volume = volume_;
  random_bytes(header.salt);
  Key256 key;
  hkdf_sha256(volume_key_.bytes(), header.salt, text_bytes(kRecordInfo), key.bytes());
  AesGcm256 cipher(std::as_const(key).bytes());
  const ByteView aad = ByteView(bytes_of(header)).first(offsetof(SealedHeader, tag));
  cipher.seal(Nonce{}, aad, payload, sealed.subspan(sizeof(SealedHeader), payload.size()), header.tag);
  std::memcpy(sealed.data(), &header, sizeof(header));
}

bool Sealer::open_record(const std::array<char, 8>& magic, std::span<const std::byte> sealed,
                         std::span<std::byte> payload) {
  SealedHeader header;
  if (sealed.size() < sizeof(header) + payload.size()) return false;
  std::memcpy(&header, sealed.data(), sizeof(header));
  if (header.magic != magic || header.volume != volume_) return false;
  Key256 key;
  hkdf_sha256(volume_key_.bytes(), header.salt, text_bytes(kRecordInfo), key.bytes());
  AesGcm256 cipher(std::as_const(key).bytes());
  const ByteView aad = ByteView(bytes_of(header)).first(offsetof(SealedHeader, tag));
  return cipher.open(Nonce{}, aad, sealed.subspan(sizeof(header), payload.size()), payload, header.tag);
}

}  // namespace coffer::kernel::fs::encrypted
