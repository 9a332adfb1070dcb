// SEV-SNP attestation reports (SEV Secure Nested Paging Firmware ABI, ATTESTATION_REPORT), versions 2, 3, 5 and, by the
// rule that later versions only give meaning to reserved bytes, those after them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <coffer/attest/claims.h>

#include "attest/snp/product.h"
#include "base/bytes.h"
#include "base/result.h"

namespace coffer::attest::snp {

inline constexpr std::size_t kReportSize = 1184;
inline constexpr std::size_t kSignedSize = 672;  // what the signature is over: all before it
inline constexpr std::size_t kChipIdSize = 64;

enum class SigningKey : std::uint8_t { kVcek = 0, kVlek = 1, kNone = 7 };

// Points into the bytes of the report, which must outlive it.
class Report {
 public:
  // kInput where the size is not a report's, or the version is before 2.
  [[nodiscard]] static Result<Report> parse(ByteView bytes);

  [[nodiscard]] std::uint32_t version() const { return number<std::uint32_t>(0x00); }
  [[nodiscard]] std::uint64_t policy() const { return number<std::uint64_t>(0x08); }
  [[nodiscard]] std::uint32_t signature_algorithm() const { return number<std::uint32_t>(0x34); }
  [[nodiscard]] std::uint32_t key_information() const { return number<std::uint32_t>(0x48); }
  [[nodiscard]] std::uint8_t signing_key() const { return static_cast<std::uint8_t>(key_information() >> 2 & 7); }
  // The chip's identifier is zeros because the platform's owner masked it.
  [[nodiscard]] bool chip_id_masked() const { return (key_information() >> 1 & 1) != 0; }
  [[nodiscard]] std::uint64_t reported_tcb() const { return number<std::uint64_t>(0x180); }
  [[nodiscard]] ByteView report_data() const { return bytes_.subspan(0x50, 64); }
  [[nodiscard]] ByteView chip_id() const { return bytes_.subspan(0x1a0, kChipIdSize); }
  [[nodiscard]] ByteView signed_part() const { return bytes_.first(kSignedSize); }
  // By the processor's family and model, which reports have since version 3.
  [[nodiscard]] std::optional<Product> product() const;

  // r and s of 48 bytes each, big-endian, one after the other; nothing where a byte is set that must be zero.
  [[nodiscard]] std::optional<std::array<std::byte, 96>> signature() const;
  // What stands in bytes that must be zero: "0x1eb" for the first of them; empty where all are zero. In versions that
  // are not known here, bytes that a new field may have taken are not looked at.
  [[nodiscard]] std::string first_reserved_set() const;

  // All fields; the layout of TCB versions is `product`'s.
  [[nodiscard]] Claims claims(Product product) const;

 private:
  explicit Report(ByteView bytes) : bytes_(bytes) {}
  template <class T>
  [[nodiscard]] T number(std::size_t offset) const {
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof(T));
    return value;
  }
  ByteView bytes_;
};

}  // namespace coffer::attest::snp
