// The keys of sealed blobs and streams: EGETKEY for a header, and the AES key below it.
#pragma once

#include <coffer/outcome.h>

#include <string_view>

#include "base/secret.h"
#include "enclave/sdk/sealing_format.h"

namespace coffer::sdk {

inline constexpr std::string_view kBlobLabel = "coffer sealed blob 1";
inline constexpr std::string_view kStreamLabel = "coffer sealed stream 1";

// A header for sealing to `to`, but for its salt and sizes, with a random key id. kInvalid where `to` asks for what
// this enclave does not have.
[[nodiscard]] Outcome<SealedHeader> new_header(const SealTo& to);
// EGETKEY for unsealing. An enclave without KSS cannot have been meant by a header that asks for it: kRefused.
[[nodiscard]] Outcome<Key128> unsealing_key(const SealedHeader& header);
// The AES key of one blob or stream.
[[nodiscard]] bool text_key(const Key128& key, std::string_view label, const SealedHeader& header, Key256& result);

}  // namespace coffer::sdk
