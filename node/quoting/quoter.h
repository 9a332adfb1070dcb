// Quotes of enclaves on this platform. The platform is made at first use (node/quoting/platform.h).
#pragma once

#include <vector>

#include "base/result.h"
#include "node/quoting/enclaves.h"
#include "node/quoting/platform.h"

namespace coffer::node {

// Holds the quoting enclave, running. For one thread at a time.
class Quoter {
 public:
  [[nodiscard]] static Result<Quoter> start();

  // What a program names in EREPORT.
  [[nodiscard]] Result<sgx::TargetInfo> target() { return enclave_.target(); }
  // A quote of that report: `format` 3 or 4. Refused where the report is not genuine, or for another target.
  [[nodiscard]] Result<std::vector<std::byte>> quote(const sgx::Report& report, std::uint16_t format = 3);
  // Bytes of every quote of this platform in that format.
  [[nodiscard]] std::size_t quote_size(std::uint16_t format = 3) const;

  [[nodiscard]] const Platform& platform() const { return platform_; }

 private:
  Quoter(Platform platform, QuotingEnclave enclave) : platform_(std::move(platform)), enclave_(std::move(enclave)) {}
  Platform platform_;
  QuotingEnclave enclave_;
};

}  // namespace coffer::node
