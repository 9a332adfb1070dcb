// TCB info and enclave identities (Intel PCS API v4; v2 and v3 of TCB info, v2 of identities) as typed values. What is
// parsed is what stands in the JSON; whether it is signed is not looked at here.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <coffer/attest/time.h>
#include <coffer/attest/verification.h>

#include "base/bytes.h"
#include "base/result.h"

namespace coffer::attest::dcap {

using Svns = std::array<std::uint8_t, 16>;

// A level of the platform's TCB.
struct TcbLevel {
  Svns sgx{};
  Svns tdx{};  // zero in TCB info of SGX
  std::uint16_t pcesvn = 0;
  UnixTime date;
  TcbStatus status = TcbStatus::kNoMatchingTcbLevel;
  std::vector<std::string> advisory_ids;
};

// A level of one enclave or module: `isvsvn` and above.
struct SvnLevel {
  std::uint32_t isvsvn = 0;
  UnixTime date;
  // One of kUpToDate, kOutOfDate, kRevoked; kNoMatchingTcbLevel for a status of a TDX module that is not known.
  TcbStatus status = TcbStatus::kNoMatchingTcbLevel;
  std::vector<std::string> advisory_ids;
};

struct TdxModule {
  std::string id;  // "TDX_01"; empty of the module of TCB info itself
  std::array<std::byte, 48> mrsigner{};
  std::array<std::byte, 8> attributes{};
  std::array<std::byte, 8> attributes_mask{};
  std::vector<SvnLevel> levels;  // the highest first
};

struct TcbInfo {
  std::uint32_t version = 0;  // 2 or 3
  bool tdx = false;           // version 3 with the id "TDX"
  UnixTime issue_date;
  UnixTime next_update;
  std::array<std::byte, 6> fmspc{};
  std::optional<std::array<std::byte, 2>> pce_id;
  std::uint32_t evaluation_data_number = 0;
  std::optional<TdxModule> tdx_module;  // there where tdx
  std::vector<TdxModule> tdx_module_identities;
  std::vector<TcbLevel> levels;  // the highest first, however they stood
};

struct EnclaveIdentity {
  std::string id;  // "QE", "TD_QE", "QVE"
  std::uint32_t version = 0;
  UnixTime issue_date;
  UnixTime next_update;
  std::uint32_t evaluation_data_number = 0;
  std::uint32_t miscselect = 0;
  std::uint32_t miscselect_mask = 0;
  std::array<std::byte, 16> attributes{};
  std::array<std::byte, 16> attributes_mask{};
  std::array<std::byte, 32> mrsigner{};
  std::uint32_t isv_prod_id = 0;
  std::vector<SvnLevel> levels;  // the highest first
};

// Of the object that is signed: the value of "tcbInfo" or "enclaveIdentity" in the service's answer. kInput with what
// is missing or wrong, and where.
[[nodiscard]] Result<TcbInfo> parse_tcb_info(std::string_view json);
[[nodiscard]] Result<EnclaveIdentity> parse_enclave_identity(std::string_view json);

// The service's whole answer, {"tcbInfo": {...}, "signature": "..."}, taken apart; the texts point into `json`.
struct SignedJson {
  std::string_view body;                  // as it came
  std::array<std::byte, 64> signature{};  // r || s
};
[[nodiscard]] Result<SignedJson> parse_signed_json(std::string_view json, std::string_view member);
[[nodiscard]] std::optional<std::array<std::byte, 64>> parse_signature(std::string_view hex);

}  // namespace coffer::attest::dcap
