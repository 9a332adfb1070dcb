// `coffer seal` and `coffer unseal`: files through the file sealer, an enclave of Coffer's own.
//
// The sealer is signed again before each use: with the signing key that the caller names, so that enclaves of that
// signer can unseal the file (coffer::unseal_stream) and the reverse, or with a key of the platform's own, made at
// first use and kept in the state directory. Not thread-safe.
#pragma once

#include <coffer/sealing.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

namespace coffer::host {

// Who the sealer is. Key policy kMrEnclave: sealed for the sealer of this build of Coffer alone.
struct SealerIdentity {
  std::filesystem::path signer;  // a private key, PEM; empty: the platform's own
  std::uint16_t product_id = 0, svn = 0;
};

inline constexpr std::size_t kMostData = 16384;  // bytes of readable or bound data

struct SealFile {
  std::filesystem::path input;   // "-": standard input
  std::filesystem::path output;  // replaced as a whole, or not at all
  SealerIdentity identity;
  SealPolicy policy = SealPolicy::kMrSigner;
  std::string readable, bound;
};
[[nodiscard]] Result<void> seal_file(const SealFile& order);

struct UnsealFile {
  std::filesystem::path input, output;
  SealerIdentity identity;
  std::string bound;
};
// Refused where the file is not authentic for that sealer on this platform. The output then stays as it was.
[[nodiscard]] Result<void> unseal_file(const UnsealFile& order);

// What a sealed file says about itself, unauthenticated.
struct SealedFileInfo {
  SealedInfo info;  // but for its `readable`
  std::string readable;
  std::uint64_t file_size = 0;
};
[[nodiscard]] Result<SealedFileInfo> inspect_sealed_file(const std::filesystem::path& path);

}  // namespace coffer::host
