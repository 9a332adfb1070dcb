// TPM 2.0 quotes: TPMS_ATTEST of type TPM_ST_ATTEST_QUOTE, and the signature over it (TPM 2.0 Library, part 2, 10.12
// and 11.2; big-endian).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "attest/crypto/public_key.h"
#include "attest/tpm/hash.h"
#include "base/bytes.h"
#include "base/result.h"

namespace coffer::attest::tpm {

// TPMS_PCR_SELECTION: PCRs of one bank.
struct Selection {
  std::uint16_t algorithm = 0;
  std::uint32_t mask = 0;  // bit n: PCR n
  [[nodiscard]] bool has(std::uint32_t index) const { return ((mask >> index) & 1) != 0; }
};

// Points into the bytes that it was read from.
struct Quote {
  ByteView signed_bytes;      // TPMS_ATTEST whole: what the signature is over
  ByteView qualified_signer;  // the attestation key's qualified name
  ByteView nonce;             // extraData: what the asker gave as qualifying data
  std::uint64_t clock = 0;    // milliseconds
  std::uint32_t reset_count = 0, restart_count = 0;
  bool clock_safe = false;
  std::uint64_t firmware_version = 0;
  std::vector<Selection> selections;  // at most 16
  ByteView pcr_digest;

  // TPMS_ATTEST, or TPM2B_ATTEST around it. kInput where it is anything else; another type of attestation is named.
  [[nodiscard]] static Result<Quote> parse(ByteView bytes);
};

// Whether `bytes` start as TPMS_ATTEST or TPM2B_ATTEST do: the magic that only a TPM signs after.
[[nodiscard]] bool looks_like_quote(ByteView bytes);

enum class QuoteScheme : std::uint8_t { kRsaPkcs1, kRsaPss, kEcdsa };

// What a signature turned out to be.
struct SignatureOutcome {
  bool fits = false;
  std::string scheme;          // "RSASSA-PKCS1v1_5-SHA256"; of the form "RSA-PSS-SHA384" and "ECDSA-SHA256" else
  std::string why;             // where it does not fit
  std::optional<HashId> hash;  // of the signature; the PCR digest is made with the same
};

// TPMT_SIGNATURE, or the bare signature: of RSA the number, of ECDSA r || s or the DER of X9.62. A bare signature's
// digest is the one that the quote's PCR digest was made with (part 3, 18.4: the scheme's hash makes both). kInput
// where `signature` is of no form that fits the key.
[[nodiscard]] Result<SignatureOutcome> verify_quote_signature(const Quote& quote, ByteView signature,
                                                              const crypto::PublicKey& key);

}  // namespace coffer::attest::tpm
