// SGX and TDX quotes as bytes: versions 3 (Intel SGX ECDSA Quote Library API, A.4), 4 and 5 (Intel TDX DCAP Quoting
// Library API, A.3). Every span points into the bytes that were parsed, which stay the caller's.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include <coffer/attest/claims.h>
#include <coffer/attest/verification.h>

#include "base/bytes.h"
#include "base/result.h"

namespace coffer::attest::dcap {

inline constexpr std::uint32_t kTeeSgx = 0x00;
inline constexpr std::uint32_t kTeeTdx = 0x81;
inline constexpr std::uint16_t kEcdsaP256 = 2;  // attestation key type
inline constexpr std::size_t kHeaderSize = 48;
inline constexpr std::size_t kSgxReportSize = 384;
inline constexpr std::size_t kTdReport10Size = 584;
inline constexpr std::size_t kTdReport15Size = 648;
inline constexpr std::size_t kTdReport15ExtendedSize = 885;
// Who made the quoting enclave: the only vendor there is (Intel's, 939a7233f79c4ca9940a0db3957f0607).
[[nodiscard]] ByteView intel_vendor_id();

// Body types of version 5.
enum class BodyType : std::uint16_t { kSgx = 1, kTd10 = 2, kTd15 = 3, kTd15Extended = 4 };

// The body of an SGX report (SDM 3D, 38.15).
struct SgxReport {
  ByteView whole;
  ByteView cpusvn;
  std::uint32_t miscselect = 0;
  ByteView attributes;
  ByteView mrenclave;
  ByteView mrsigner;
  std::uint16_t isv_prod_id = 0;
  std::uint16_t isv_svn = 0;
  ByteView report_data;
  [[nodiscard]] bool debug() const { return (attributes[0] & std::byte{2}) != std::byte{0}; }
};

// The body of a TD report, 1.0, 1.5 or 1.5 with more.
struct TdReport {
  ByteView tee_tcb_svn, mrseam, mrsignerseam, seam_attributes, td_attributes, xfam, mrtd, mrconfigid, mrowner,
      mrownerconfig;
  std::array<ByteView, 4> rtmr;
  ByteView report_data;
  ByteView tee_tcb_svn2, mr_service_td;  // of 1.5; empty before
  ByteView extension;                    // what the extended body has after that, as it stands
  [[nodiscard]] bool debug() const { return (td_attributes[0] & std::byte{1}) != std::byte{0}; }
  [[nodiscard]] bool sept_ve_disable() const { return (td_attributes[3] & std::byte{0x10}) != std::byte{0}; }
};

struct Quote {
  std::uint16_t version = 0;
  std::uint16_t attestation_key_type = 0;
  std::uint32_t tee = kTeeSgx;
  ByteView vendor_id;
  ByteView user_data;
  BodyType body_type = BodyType::kSgx;
  SgxReport sgx;  // where tee is kTeeSgx
  TdReport td;    // where tee is kTeeTdx

  ByteView signed_part;  // header and body, and the body's type and size of version 5
  ByteView signature;    // r || s
  ByteView attestation_key;
  SgxReport qe_report;
  ByteView qe_report_signature;
  ByteView qe_authentication_data;
  std::uint16_t certification_type = 0;  // 5: a PCK certificate chain; the only one that verify() goes on with
  ByteView certification_data;
};

// kInput, with what is wrong and at which byte, where the bytes are not a quote. Zero bytes after it are padding.
[[nodiscard]] Result<Quote> parse_quote(ByteView bytes);

// The bytes of the quote that begins here, without what may follow it; only the lengths that lead to its end are read.
[[nodiscard]] Result<std::size_t> quote_size(ByteView bytes);

// What the quote says, unverified.
[[nodiscard]] Claims claims_of(const Quote& quote);
[[nodiscard]] Tee tee_of(const Quote& quote);
// A report's body of 384 bytes; the span must have that size.
[[nodiscard]] SgxReport parse_sgx_report(ByteView body);
// What the numbers of certification data mean: "a PCK certificate chain".
[[nodiscard]] std::string_view certification_name(std::uint16_t type);

}  // namespace coffer::attest::dcap
