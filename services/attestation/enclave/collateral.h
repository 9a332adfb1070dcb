// Intel's collateral as the host has it in files: verified here, kept, and looked at again from time to time.
// Thread-safe.
#pragma once

#include <coffer/attest/dcap.h>

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace coffer::attestation_service {

class CollateralFiles {
 public:
  using Read = std::function<std::optional<std::vector<std::byte>>(const std::string& name)>;
  // `read` gives the host's files; the file "index" lists the names of the others, one a line.
  CollateralFiles(Read read, attest::TrustedRoots roots) : read_(std::move(read)), roots_(std::move(roots)) {}

  // The answer with the collateral that is of the quote's platform, where there is one; else with one that is not, so
  // that the checks say what is missing. kInput: the bytes are no quote; kSystem: there is no collateral at all.
  [[nodiscard]] Result<attest::Verification> verify(std::span<const std::byte> evidence, bool open_enclave,
                                                    attest::UnixTime at, std::int64_t now);

 private:
  static constexpr std::int64_t kLookAgain = 60;  // seconds
  static constexpr std::size_t kMostFiles = 256;
  struct Entry {
    bool tdx = false;
    std::string fmspc;
    attest::dcap::Collateral collateral;
  };
  std::vector<Entry> entries(std::int64_t now);

  const Read read_;
  const attest::TrustedRoots roots_;
  attest::dcap::ChainCache chains_;
  std::mutex mutex_;
  std::vector<Entry> entries_;
  std::optional<std::int64_t> looked_;
};

}  // namespace coffer::attestation_service
