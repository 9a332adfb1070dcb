// Keys and nonces of one mount: seals blocks and records. Freestanding. Used with the mount's lock held.
//
// A mount has a volume key, HKDF of the mount key, the volume's identifier and the mount's label. Each time it is
// mounted, a session gets a random 96-bit name and a key derived from it; a block's nonce is the session's counter. So
// a nonce repeats only where two sessions of one volume draw the same name, whatever the host rolls back.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/secret.h"
#include "enclave/kernel/fs/encrypted/format.h"
#include "enclave/kernel/support/crypto.h"

namespace coffer::kernel::fs::encrypted {

using VolumeId = std::array<std::byte, kVolumeIdSize>;

class Sealer {
 public:
  Sealer(std::span<const std::byte, 32> mount_key, std::string_view label, const VolumeId& volume);

  // Encrypts a block and sets the pointer's counter, session and tag; its position is the caller's.
  void seal_block(const CryptoBatch& batch, const BlockIdentity& identity,
                  std::span<const std::byte, kBlockSize> plaintext, std::span<std::byte, kBlockSize> ciphertext,
                  Pointer& pointer);
  // False where the block is not what the pointer says; `plaintext` is zeros then. May work in place.
  [[nodiscard]] bool open_block(const CryptoBatch& batch, const BlockIdentity& identity, const Pointer& pointer,
                                std::span<const std::byte, kBlockSize> ciphertext,
                                std::span<std::byte, kBlockSize> plaintext);

  // The nonce that was used last. A pointer that is `written_after` a mark was sealed by this session since.
  [[nodiscard]] std::uint64_t mark() const { return counter_; }
  [[nodiscard]] bool written_after(const Pointer& pointer, std::uint64_t mark) const {
    return pointer.session == session_ && pointer.counter() > mark;
  }

  // Records: `sealed` is the header and as many bytes as `payload` has.
  void seal_record(const std::array<char, 8>& magic, std::span<const std::byte> payload, std::span<std::byte> sealed);
  [[nodiscard]] bool open_record(const std::array<char, 8>& magic, std::span<const std::byte> sealed,
                                 std::span<std::byte> payload);

 private:
  struct ReadKey {
    std::array<std::byte, kSessionSize> session{};
    std::unique_ptr<AesGcm256> cipher;
  };

  [[nodiscard]] std::unique_ptr<AesGcm256> session_cipher(const std::array<std::byte, kSessionSize>& session) const;
  AesGcm256& reading_cipher(const std::array<std::byte, kSessionSize>& session);
  void begin_session();

  Key256 volume_key_;
  VolumeId volume_;
  std::array<std::byte, kSessionSize> session_{};
  std::unique_ptr<AesGcm256> cipher_;
  std::uint64_t counter_ = 0;
  std::array<ReadKey, 8> read_keys_;  // of earlier sessions, replaced in turn
  std::size_t next_read_key_ = 0;
};

}  // namespace coffer::kernel::fs::encrypted
