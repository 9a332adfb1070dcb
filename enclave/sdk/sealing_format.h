// The format of sealed blobs and streams, version 1, as docs/design/sealing.md describes it. Pure.
#pragma once

#include <coffer/outcome.h>
#include <coffer/sealing.h>

#include <array>
#include <cstdint>
#include <span>

#include "sgx/arch.h"

namespace coffer::sdk {

inline constexpr std::array<char, 8> kBlobMagic = {'C', 'O', 'F', 'S', 'E', 'A', 'L', '1'};
inline constexpr std::array<char, 8> kStreamMagic = {'C', 'O', 'F', 'S', 'T', 'R', 'M', '1'};
inline constexpr std::uint16_t kSealedVersion = 1;
inline constexpr std::size_t kSealedTag = 16;
inline constexpr std::uint64_t kMostReadable = std::uint64_t{1} << 24;
inline constexpr std::uint64_t kMostSecret = std::uint64_t{1} << 35;  // below GCM's bound of 2^36 - 32
inline constexpr std::uint64_t kLeastBlock = 4096, kMostBlock = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kUsualBlock = 65536;

struct SealedHeader {
  std::array<char, 8> magic = kBlobMagic;
  std::uint16_t version = kSealedVersion;
  std::uint16_t key_policy = 0;               // KEYREQUEST.KEYPOLICY
  std::uint16_t isv_svn = 0, config_svn = 0;  // KEYREQUEST
  sgx::Bytes<16> cpu_svn{};
  sgx::Bytes<32> key_id{};
  std::array<std::byte, 32> salt{};
  std::uint64_t readable_size = 0;
  std::uint64_t secret_size = 0;  // of a stream: bytes of a block

  [[nodiscard]] bool is_stream() const { return magic == kStreamMagic; }
};
static_assert(sizeof(SealedHeader) == kSealedStreamHeader && offsetof(SealedHeader, cpu_svn) == 16 &&
              offsetof(SealedHeader, key_id) == 32 && offsetof(SealedHeader, salt) == 64 &&
              offsetof(SealedHeader, readable_size) == 96);

// The header at the front of `bytes`, every field within its bounds. kMalformed.
[[nodiscard]] Outcome<SealedHeader> parse_header(std::span<const std::byte> bytes);

struct SealedParts {
  SealedHeader header;
  std::span<const std::byte> authenticated;  // the header and the readable data, as they stand
  std::span<const std::byte> readable, ciphertext;
  std::span<const std::byte> tag;  // kSealedTag bytes
};
// A whole blob: exactly as long as its header says. kMalformed.
[[nodiscard]] Outcome<SealedParts> parse_blob(std::span<const std::byte> blob);

// The request that derives the key of `header`: one function for sealing and unsealing.
[[nodiscard]] sgx::KeyRequest key_request(const SealedHeader& header);

// Between SealTo and the header. Fields that SealTo leaves open come from `own`.
[[nodiscard]] std::uint16_t key_policy_of(const SealTo& to);
[[nodiscard]] SealedHeader header_for(const SealTo& to, const sgx::ReportBody& own);
[[nodiscard]] SealTo seal_to_of(const SealedHeader& header);

}  // namespace coffer::sdk
