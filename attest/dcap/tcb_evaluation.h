// Which TCB status a platform has (Intel QVL, 4.1.2.5.18 to 4.1.2.5.20): the levels by their order, each component, and
// the merger of what the platform's level, the quoting enclave's and the TDX module's say.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "attest/dcap/pck_certificate.h"
#include "attest/dcap/tcb_info.h"

namespace coffer::attest::dcap {

struct TcbEvaluation {
  TcbStatus status = TcbStatus::kNoMatchingTcbLevel;
  UnixTime date;                          // the oldest of the levels that were matched
  std::vector<std::string> advisory_ids;  // sorted, each once
  std::string detail;                     // for a person: which levels, or why none
};

// Of an SGX quote: the PCK certificate's SVNs, the quoting enclave's ISVSVN.
[[nodiscard]] TcbEvaluation evaluate_sgx(const PckExtensions& platform, std::uint16_t qe_svn, const TcbInfo& info,
                                         const EnclaveIdentity& identity);
// Of a TDX quote: `tee_tcb_svn` of 16 bytes too, whose first two say which TDX module runs.
[[nodiscard]] TcbEvaluation evaluate_tdx(const PckExtensions& platform, std::uint16_t qe_svn, ByteView tee_tcb_svn,
                                         const TcbInfo& info, const EnclaveIdentity& identity);
// The status of a TD that was launched with one TCB and runs on another.
[[nodiscard]] TcbStatus relaunch(TcbStatus launched, TcbStatus current);

// The TDX module's identity of a major version: "TDX_" and two hexadecimal digits, in either case. Null where there is
// none.
[[nodiscard]] const TdxModule* find_module(const TcbInfo& info, std::uint8_t version);

}  // namespace coffer::attest::dcap
