#include "attest/snp/report.h"

#include <algorithm>
#include <array>

namespace coffer::attest::snp {

namespace {

constexpr std::uint32_t kFirstVersion = 2, kWithCpuid = 3, kWithMitigations = 5, kLastKnown = 5;
constexpr std::size_t kSignature = 0x2a0, kComponentSize = 72, kNumberSize = 48;

struct Span {
  std::size_t start, end;
  std::uint32_t until;  // the version in which it got a meaning
};
constexpr std::uint32_t kNever = kLastKnown + 1;  // of versions known here
constexpr std::array kReserved{
    Span{0x4c, 0x50, kNever},   Span{0x188, 0x18b, kWithCpuid}, Span{0x18b, 0x1a0, kNever},
    Span{0x1eb, 0x1ec, kNever}, Span{0x1ef, 0x1f0, kNever},     Span{0x1f8, 0x208, kWithMitigations},
    Span{0x208, 0x2a0, kNever},
};

std::string hexadecimal(std::uint64_t value) {
  std::string text;
  do {
    text.insert(text.begin(), "0123456789abcdef"[value & 15]);
    value >>= 4;
  } while (value != 0);
  return "0x" + text;
}

std::string_view name_of_key(std::uint8_t key) {
  if (key == static_cast<std::uint8_t>(SigningKey::kVcek)) return "VCEK";
  if (key == static_cast<std::uint8_t>(SigningKey::kVlek)) return "VLEK";
  if (key == static_cast<std::uint8_t>(SigningKey::kNone)) return "none";
  return "unknown";
}

// GUEST_POLICY (firmware ABI, 4.3).
void claim_policy(std::uint64_t policy, Claims& claims) {
  const auto bit = [policy](unsigned index) { return (policy >> index & 1) != 0; };
  claims.set("policy", hexadecimal(policy));
  claims.set("debug_allowed", bit(19));
  claims.set("migrate_ma", bit(18));
  claims.set("smt", bit(16));
  claims.set("single_socket", bit(20));
  claims.set("cxl_allowed", bit(21));
  claims.set("mem_aes_256_xts", bit(22));
  claims.set("rapl_disabled", bit(23));
  claims.set("ciphertext_hiding", bit(24));
  claims.set("page_swap_disabled", bit(25));
  claims.set("abi_minimum", std::to_string(policy >> 8 & 0xff) + "." + std::to_string(policy & 0xff));
}

// PLATFORM_INFO.
Claims platform_claims(std::uint64_t platform) {
  const auto bit = [platform](unsigned index) { return (platform >> index & 1) != 0; };
  Claims claims;
  claims.set("smt_enabled", bit(0));
  claims.set("tsme_enabled", bit(1));
  claims.set("ecc_enabled", bit(2));
  claims.set("rapl_disabled", bit(3));
  claims.set("ciphertext_hiding_dram", bit(4));
  claims.set("alias_check_complete", bit(5));
  claims.set("tio_enabled", bit(7));
  return claims;
}

}  // namespace

Result<Report> Report::parse(ByteView bytes) {
  if (bytes.size() != kReportSize) {
    return input_error("SNP report: " + std::to_string(bytes.size()) + " bytes instead of " +
                       std::to_string(kReportSize));
  }
  const Report report(bytes);
  if (report.version() < kFirstVersion) {
    return input_error("SNP report: version " + std::to_string(report.version()) + ", and versions start at 2");
  }
  return report;
}

std::optional<Product> Report::product() const {
  if (version() < kWithCpuid) return std::nullopt;
  return product_of_cpuid(number<std::uint8_t>(0x188), number<std::uint8_t>(0x189));
}

std::optional<std::array<std::byte, 96>> Report::signature() const {
  const auto is_zero = [](std::byte each) { return each == std::byte{0}; };
  const ByteView r = bytes_.subspan(kSignature, kComponentSize);
  const ByteView s = bytes_.subspan(kSignature + kComponentSize, kComponentSize);
  const ByteView rest = bytes_.subspan(kSignature + 2 * kComponentSize);
  if (!std::ranges::all_of(r.subspan(kNumberSize), is_zero) || !std::ranges::all_of(s.subspan(kNumberSize), is_zero) ||
      !std::ranges::all_of(rest, is_zero)) {
    return std::nullopt;
  }
  std::array<std::byte, 2 * kNumberSize> both{};
  std::ranges::reverse_copy(r.first(kNumberSize), both.begin());
  std::ranges::reverse_copy(s.first(kNumberSize), both.begin() + kNumberSize);
  return both;
}

std::string Report::first_reserved_set() const {
  for (const Span& span : kReserved) {
    // Of a version after the known ones only what no version could use is reserved still: nothing.
    if (version() >= span.until) continue;
    for (std::size_t offset = span.start; offset < span.end; ++offset) {
      if (bytes_[offset] != std::byte{0}) return hexadecimal(offset);
    }
  }
  return {};
}

Claims Report::claims(Product product) const {
  Claims claims;
  const auto hex = [&](std::string_view name, std::size_t offset, std::size_t size) {
    claims.set_hex(name, bytes_.subspan(offset, size));
  };
  const auto tcb = [&](std::string_view name, std::size_t offset) {
    claims.set(name, to_claims(tcb_of(number<std::uint64_t>(offset), product)));
  };
  const auto firmware = [&](std::string_view name, std::size_t offset) {
    claims.set(name, std::to_string(number<std::uint8_t>(offset + 2)) + "." +
                         std::to_string(number<std::uint8_t>(offset + 1)) + "." +
                         std::to_string(number<std::uint8_t>(offset)));
  };
  claims.set("version", version());
  claims.set("guest_svn", number<std::uint32_t>(0x04));
  claim_policy(policy(), claims);
  claims.set("vmpl", number<std::uint32_t>(0x30));
  claims.set("signing_key", name_of_key(signing_key()));
  claims.set("author_key_en", std::int64_t{key_information() & 1});
  claims.set("chip_id_masked", chip_id_masked());
  hex("report_data", 0x50, 64);
  hex("measurement", 0x90, 48);
  hex("host_data", 0xc0, 32);
  hex("id_key_digest", 0xe0, 48);
  hex("author_key_digest", 0x110, 48);
  hex("report_id", 0x140, 32);
  hex("report_id_ma", 0x160, 32);
  hex("family_id", 0x10, 16);
  hex("image_id", 0x20, 16);
  tcb("reported_tcb", 0x180);
  tcb("current_tcb", 0x38);
  tcb("committed_tcb", 0x1e0);
  tcb("launch_tcb", 0x1f0);
  hex("chip_id", 0x1a0, kChipIdSize);
  hex("cpuid_fms", 0x188, 3);
  claims.set("platform_info", platform_claims(number<std::uint64_t>(0x40)));
  firmware("current_firmware", 0x1e8);
  firmware("committed_firmware", 0x1ec);
  if (version() >= kWithMitigations) {
    claims.set("launch_mitigations", hexadecimal(number<std::uint64_t>(0x1f8)));
    claims.set("current_mitigations", hexadecimal(number<std::uint64_t>(0x200)));
  }
  return claims;
}

}  // namespace coffer::attest::snp
