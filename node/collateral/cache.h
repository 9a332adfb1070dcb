// Collateral on disk, as a service answered it: works offline, and says when each part ends.
//
// A folder for each kind of platform, CACHE/<fmspc>-<ca>/ (of software platforms CACHE/<fmspc>-<ca>-<root>/), with one
// file an answer, headers and body as they came (tcb.http, qe-identity.http, pckcrl.http, rootcacrl.http): a folder
// that `coffer verify --collateral` reads.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "node/collateral/http.h"

namespace coffer::node {

// Whose collateral: read from the PCK certificates of a quote, which nobody has verified.
struct PlatformKind {
  std::string fmspc;  // 12 lower-case digits
  std::string ca;     // "processor" or "platform"
  std::string root;   // of software platforms, which all have one FMSPC: root_name() of its root
  [[nodiscard]] std::string folder_name() const { return fmspc + "-" + ca + (root.empty() ? "" : "-" + root); }
};
// 16 digits that tell roots apart: of the SHA-256 of the certificate. Empty where it is unreadable.
[[nodiscard]] std::string root_name(std::string_view certificate);
// An answer as it is kept: status line, the headers that matter, body.
[[nodiscard]] std::string as_cached_file(const HttpAnswer& answer);

// kInput where the bytes are no SGX or TDX quote with a PCK chain in it.
[[nodiscard]] Result<PlatformKind> kind_of_quote(ByteView quote);

struct CachedPart {
  std::string name;          // "tcb", "qe-identity", "pckcrl", "rootcacrl"
  bool there = false;        // readable, and of that form
  std::int64_t expires = 0;  // seconds since 1970
};

class CollateralCache {
 public:
  CollateralCache(const std::filesystem::path& folder, PlatformKind kind)
      : folder_(folder / kind.folder_name()), kind_(std::move(kind)) {}

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  // Four parts, in a fixed order.
  [[nodiscard]] std::vector<CachedPart> parts() const;
  // The first end of the parts; 0 where one is missing.
  [[nodiscard]] std::int64_t expires() const;

  // Asks the service at `url` (up to and with .../v4) for every part, and replaces each that came; where one does not
  // come, the others stay as they were.
  [[nodiscard]] Result<void> fetch(const std::string& url) const;

 private:
  std::filesystem::path folder_;
  PlatformKind kind_;
};

// Intel's service.
inline constexpr const char* kIntelService = "https://api.trustedservices.intel.com/sgx/certification/v4";

// Every platform's folder below `cache`.
[[nodiscard]] std::vector<PlatformKind> cached_kinds(const std::filesystem::path& cache);

}  // namespace coffer::node
