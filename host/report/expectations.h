// What somebody wants a report to say, compared with what it says. Pure but for identity_of_image() and
// digest_of_file().
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "sgx/arch.h"

namespace coffer::host {

// Who an enclave of an image is: its pages measured, not the measurement that stands in its signature.
struct ImageIdentity {
  sgx::MrEnclave mrenclave;
  sgx::MrSigner mrsigner;
  std::uint16_t product_id = 0, svn = 0;
  bool debug = false;
};
// Refused where the image's signature or measurement is wrong: an image that no processor starts has no identity.
[[nodiscard]] Result<ImageIdentity> identity_of_image(const std::filesystem::path& path);

[[nodiscard]] Result<sgx::Bytes<32>> digest_of_file(const std::filesystem::path& path);  // SHA-256

struct Expectations {
  std::optional<ImageIdentity> image;
  std::string image_name;  // for the messages
  std::optional<sgx::MrEnclave> mrenclave;
  std::optional<sgx::MrSigner> mrsigner;
  std::optional<sgx::Bytes<32>> data_digest;  // the first half of the report data
  std::string data_name;                      // for the messages
  std::vector<std::uint8_t> data;             // what the report data starts with; at most 64 bytes; empty: anything
  std::optional<sgx::Bytes<64>> config_id;
  bool production = false;  // not a debug enclave
};

struct Check {
  std::string name;      // "image mrenclave", "data"
  std::string expected;  // hexadecimal or a number, as in `found`
  std::string found;
  std::string complaint;  // for people, where it does not hold

  [[nodiscard]] bool holds() const { return expected == found; }
};

// One check for everything that is expected, in a fixed order. Says nothing about whether the report is genuine.
[[nodiscard]] std::vector<Check> compare(const sgx::ReportBody& body, const Expectations& expectations);

}  // namespace coffer::host
