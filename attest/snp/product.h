// AMD's product lines and what differs between them: the layout of TCB_VERSION and the length of chip identifiers.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <coffer/attest/claims.h>

namespace coffer::attest::snp {

enum class Product : std::uint8_t { kMilan, kGenoa, kTurin };
[[nodiscard]] std::string_view name_of(Product product);  // "Milan", "Genoa", "Turin"
// Of the product name in a VEK ("Milan-B0", "Genoa") or of a root ("ARK-Turin"): what stands before and after a hyphen
// is left out. Bergamo and Siena belong to Genoa's line. Nothing where it is none of them.
[[nodiscard]] std::optional<Product> product_of_name(std::string_view name);
// Of the combined family and the combined model, as CPUID leaf 1 has them and reports since version 3.
[[nodiscard]] std::optional<Product> product_of_cpuid(std::uint8_t family, std::uint8_t model);

// SEV Secure Nested Paging Firmware ABI, TCB_VERSION; on Milan and Genoa there is no FMC.
struct TcbVersion {
  std::optional<std::uint8_t> fmc;
  std::uint8_t boot_loader = 0;
  std::uint8_t tee = 0;
  std::uint8_t snp = 0;
  std::uint8_t microcode = 0;
  bool operator==(const TcbVersion&) const = default;
};
[[nodiscard]] TcbVersion tcb_of(std::uint64_t value, Product product);
// {"bootloader":4,"tee":0,"snp":24,"microcode":219}, with "fmc" before them where there is one.
[[nodiscard]] Claims to_claims(const TcbVersion& tcb);

}  // namespace coffer::attest::snp
