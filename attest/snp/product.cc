#include "attest/snp/product.h"

#include <array>

namespace coffer::attest::snp {

std::string_view name_of(Product product) {
  constexpr std::array<std::string_view, 3> kNames{"Milan", "Genoa", "Turin"};
  return kNames[static_cast<std::size_t>(product)];
}

std::optional<Product> product_of_name(std::string_view name) {
  struct Named {
    std::string_view name;
    Product product;
  };
  constexpr std::array kNamed{Named{"Milan", Product::kMilan}, Named{"Genoa", Product::kGenoa},
                              Named{"Bergamo", Product::kGenoa}, Named{"Siena", Product::kGenoa},
                              Named{"Turin", Product::kTurin}};
  // "ARK-Milan", "SEV-VLEK-Milan", "Milan-B0": one of the words between hyphens.
  while (!name.empty()) {
    const std::string_view word = name.substr(0, name.find('-'));
    for (const Named& each : kNamed) {
      if (word == each.name) return each.product;
    }
    name.remove_prefix(word.size() < name.size() ? word.size() + 1 : name.size());
  }
  return std::nullopt;
}

std::optional<Product> product_of_cpuid(std::uint8_t family, std::uint8_t model) {
  if (family == 0x19) {
    if (model <= 0x0f) return Product::kMilan;
    if (model <= 0x1f || (model >= 0xa0 && model <= 0xaf)) return Product::kGenoa;
  }
  if (family == 0x1a && model <= 0x1f) return Product::kTurin;
  return std::nullopt;
}

TcbVersion tcb_of(std::uint64_t value, Product product) {
  const auto byte = [value](unsigned index) { return static_cast<std::uint8_t>(value >> (8 * index)); };
  if (product == Product::kTurin) {
    return {.fmc = byte(0), .boot_loader = byte(1), .tee = byte(2), .snp = byte(3), .microcode = byte(7)};
  }
  return {.fmc = std::nullopt, .boot_loader = byte(0), .tee = byte(1), .snp = byte(6), .microcode = byte(7)};
}

Claims to_claims(const TcbVersion& tcb) {
  Claims claims;
  if (tcb.fmc) claims.set("fmc", std::int64_t{*tcb.fmc});
  claims.set("bootloader", std::int64_t{tcb.boot_loader});
  claims.set("tee", std::int64_t{tcb.tee});
  claims.set("snp", std::int64_t{tcb.snp});
  claims.set("microcode", std::int64_t{tcb.microcode});
  return claims;
}

}  // namespace coffer::attest::snp
