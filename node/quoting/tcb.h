// TCB info version 3 and QE identity version 2 as Intel's provisioning service hands them out (PCS API, version 4), and
// what a platform's owner may say in them. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "node/quoting/certificates.h"
#include "sgx/arch.h"

namespace coffer::node {

// One level of TCB info: a platform is of the first level whose every number it reaches.
struct TcbLevel {
  std::array<std::uint8_t, 16> components{};
  std::uint16_t pce_svn = 0;
  std::string date;    // ISO 8601
  std::string status;  // as Intel spells them: "UpToDate"
  std::vector<std::string> advisories;
  bool operator==(const TcbLevel&) const = default;
};

// What the platform says about TCB levels.
struct TcbSettings {
  std::vector<TcbLevel> levels;
  std::string quoting_status = "UpToDate";  // of the quoting enclave
  std::vector<std::string> quoting_advisories;
  std::uint32_t evaluation_number = 1;
  // Both 0: always fresh. Else TCB info and QE identity have these dates, and are not issued again by themselves.
  Seconds issued = 0, next_update = 0;
  bool operator==(const TcbSettings&) const = default;
};

// The statuses that a level can have.
[[nodiscard]] bool is_tcb_status(std::string_view text);
[[nodiscard]] std::string tcb_statuses();  // for messages

// One level for a platform with these numbers; where it is out of date (by its status' name), a newer one above it that
// would not be.
[[nodiscard]] std::vector<TcbLevel> levels_for(const sgx::Bytes<16>& components, std::uint16_t pce_svn,
                                               const std::string& status, const std::vector<std::string>& advisories,
                                               const std::string& date);

struct Issue {
  Seconds issued = 0, next_update = 0;
};
// The answers' bodies: {"tcbInfo":{...},"signature":"..."} and {"enclaveIdentity":{...},"signature":"..."}.
[[nodiscard]] Result<std::string> make_tcb_info(const TcbSettings& settings, const sgx::Bytes<6>& fmspc,
                                                const sgx::Bytes<2>& pce_id, const Issue& issue,
                                                const AuthorityKey& signer);
[[nodiscard]] Result<std::string> make_qe_identity(const TcbSettings& settings, const sgx::MrSigner& signer_of_enclave,
                                                   std::uint16_t svn, const Issue& issue, const AuthorityKey& signer);

// Settings as the platform keeps them, and as `--file` gives levels.
[[nodiscard]] nlohmann::ordered_json to_json(const TcbSettings& settings);
[[nodiscard]] Result<TcbSettings> settings_from_json(const nlohmann::ordered_json& json);
// A list of levels as in TCB info: [{"tcb":{"sgxtcbcomponents":[{"svn":1},...],"pcesvn":1},"tcbDate","tcbStatus",
// "advisoryIDs"}]. `name` starts messages.
[[nodiscard]] Result<std::vector<TcbLevel>> parse_levels(std::string_view text, const std::string& name);

[[nodiscard]] std::string iso8601(Seconds time);
// Nothing but "2026-11-23T12:00:00Z" and "2026-11-23".
[[nodiscard]] Result<Seconds> parse_time(const std::string& text);

}  // namespace coffer::node
