#include "evidence.h"

#include <openssl/evp.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>

#if __has_include(<coffer/enclave.h>)
#include <coffer/enclave.h>
#define REGISTRY_IN_COFFER 1
#else
#define REGISTRY_IN_COFFER 0
#endif

namespace registry {

Digest sha256(std::string_view text) {
  Digest digest{};
  if (EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr, EVP_sha256(),
                 nullptr) != 1) {
    throw std::runtime_error("SHA-256 failed");
  }
  return digest;
}

std::optional<Digest> digest_from_hex(std::string_view text) {
  Digest digest{};
  if (text.size() != 2 * digest.size()) return std::nullopt;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    unsigned value = 0;
    const char* first = text.data() + 2 * i;
    if (std::from_chars(first, first + 2, value, 16).ptr != first + 2) return std::nullopt;
    digest[i] = static_cast<std::byte>(value);
  }
  return digest;
}

std::string hex(const std::byte* bytes, std::size_t size) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < size; ++i) {
    const auto value = std::to_integer<unsigned>(bytes[i]);
    text += digits[value >> 4];
    text += digits[value & 15];
  }
  return text;
}

#if REGISTRY_IN_COFFER

namespace {

// Where EREPORT puts things in a REPORT (Intel SDM volume 3D, table 34-21).
constexpr std::size_t kMrEnclaveOffset = 64, kReportDataOffset = 320;

}  // namespace

std::optional<std::vector<std::byte>> report_about(const Digest& result) {
  std::array<std::byte, 64> data{};
  std::copy(result.begin(), result.end(), data.begin());
  const auto target = coffer::own_target_info();
  if (!target) return std::nullopt;
  const auto report = coffer::report(data, *target);
  if (!report) return std::nullopt;
  return std::vector<std::byte>(report->begin(), report->end());
}

bool is_report_about(const std::vector<std::byte>& report, const Digest& result) {
  // A report of our own says who we are.
  const auto own = report_about({});
  if (!own) throw std::runtime_error("only an enclave of the same program can check its reports");
  coffer::Report copy{};
  if (report.size() != copy.size()) return false;
  std::copy(report.begin(), report.end(), copy.begin());
  return coffer::verify_report(copy) &&
         std::equal(own->begin() + kMrEnclaveOffset, own->begin() + kMrEnclaveOffset + 32,
                    report.begin() + kMrEnclaveOffset) &&
         std::equal(result.begin(), result.end(), report.begin() + kReportDataOffset);
}

#else

std::optional<std::vector<std::byte>> report_about(const Digest& /*result*/) { return std::nullopt; }

bool is_report_about(const std::vector<std::byte>& /*report*/, const Digest& /*result*/) {
  throw std::runtime_error("built without <coffer/enclave.h>");
}

#endif

}  // namespace registry
