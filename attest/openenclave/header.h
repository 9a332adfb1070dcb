// Open Enclave's attestation header (version 3), which stands before evidence and endorsements alike.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

namespace coffer::attest::openenclave {

inline constexpr std::uint32_t kHeaderVersion = 3;

struct Header {
  ByteView format;  // the UUID, 16 bytes
  ByteView data;
};
// kInput where it is of another version or its size is not that of what follows.
[[nodiscard]] Result<Header> read_header(ByteView bytes);

// Without the lines at its begin that begin with '#'.
[[nodiscard]] ByteView without_comments(ByteView bytes);

}  // namespace coffer::attest::openenclave
