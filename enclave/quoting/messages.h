// What the host and the two enclaves of quoting say to each other: structures of fixed size, little-endian, sent as
// calls
// (<coffer/calls.h>). Both sides include it. The host is hostile to the enclaves and the other way round.
#pragma once

#include <array>
#include <cstdint>

#include "sgx/arch.h"

namespace coffer::quoting {

// Product ids of the platform's own enclaves, as Intel's have them: QE identity names the quoting enclave's.
inline constexpr std::uint16_t kCertifierProduct = 0, kQuotingProduct = 1;

enum class CertifierCall : std::uint64_t {
  kTarget = 1,     // nothing -> TargetInfo
  kPublicKey = 2,  // KeyOrder -> Point: the public half of the PCK
  kCertify = 3,    // CertifyOrder -> Signature over the body of the quoting enclave's report
};

enum class QuotingCall : std::uint64_t {
  kTarget = 1,   // nothing -> TargetInfo
  kMakeKey = 2,  // TargetInfo of the certifier -> MadeKey
  kQuote = 3,    // QuoteOrder, then sealed key and chain -> a quote
};

// The status of a call.
enum class Status : std::int64_t {
  kDone = 0,
  kMalformed = -1,  // the order is not of this form
  kRefused = -2,    // the report is not genuine, or not for this enclave
  kIdentity = -3,   // the report is genuine, and not from the platform's quoting enclave
  kKey = -4,        // the sealed attestation key cannot be opened here, or is not the one that was certified
  kSystem = -5,     // no memory, no random numbers
};

using Point = sgx::Bytes<64>;      // of P-256: x, y, big-endian
using Signature = sgx::Bytes<64>;  // ECDSA: r, s, big-endian
using AuthenticationData = sgx::Bytes<32>;

// Which PCK: each generation of the platform's keys has one of its own.
struct KeyOrder {
  std::uint64_t generation = 0;
};

struct CertifyOrder {
  std::uint64_t generation = 0;
  sgx::Report report;  // of the quoting enclave, for the certifier
};

inline constexpr std::size_t kMostSealedKey = 1024;
struct MadeKey {
  sgx::Report report;  // binds the key: for the certifier
  std::uint64_t sealed_size = 0;
  sgx::Bytes<kMostSealedKey> sealed{};
};

inline constexpr std::size_t kMostChain = 32 * 1024;
struct QuoteOrder {
  sgx::Report report;          // of the program that is quoted, for the quoting enclave
  sgx::ReportBody key_report;  // as it was certified
  Signature key_certification{};
  std::uint16_t format = 3;  // 3 or 4
  std::uint16_t reserved = 0;
  std::uint32_t sealed_size = 0, chain_size = 0;  // bytes that follow: the sealed key, then the PCK chain in PEM
  std::uint32_t reserved2 = 0;
};

static_assert(sizeof(CertifyOrder) == 440 && sizeof(MadeKey) == 1464 && sizeof(QuoteOrder) == 896);

// --- Quotes (Intel SGX DCAP ECDSA Quote Library API, appendix A).

struct QuoteHeader {
  std::uint16_t version = 3;
  std::uint16_t key_type = 2;                        // ECDSA over P-256
  std::uint32_t tee = 0;                             // SGX
  std::uint16_t quoting_svn = 0, certifier_svn = 0;  // reserved, 0, in version 4
  sgx::Bytes<16> vendor{};
  sgx::Bytes<20> user_data{};
};
static_assert(sizeof(QuoteHeader) == 48);
// Names the format of what follows, Intel's; verifiers know no other. Who signed is the chain's to say.
inline constexpr sgx::Bytes<16> kVendor = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                           0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};
inline constexpr std::uint16_t kPckChainType = 5, kKeyReportType = 6;  // of certification data

// A quote but for the chain, its largest part.
inline constexpr std::size_t kQuoteWithoutChain = 48 + 384 + 4 + 64 + 64 + 6 + 384 + 64 + 2 + 32 + 6;
inline constexpr std::size_t kMostQuote = kQuoteWithoutChain + kMostChain;

}  // namespace coffer::quoting
