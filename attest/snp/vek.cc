#include "attest/snp/vek.h"

#include <algorithm>

#include "attest/der/reader.h"
#include "attest/snp/report.h"

namespace coffer::attest::snp {

namespace {

// 1.3.6.1.4.1.3704.1 and the rest.
template <class... Rest>
constexpr auto amd(Rest... rest) {
  return x509::oid(0x2b, 0x06, 0x01, 0x04, 0x01, 0x9c, 0x78, 0x01, rest...);
}
constexpr auto kProductName = amd(2), kHardwareId = amd(4), kCloudId = amd(5);
constexpr auto kBootLoader = amd(3, 1), kTee = amd(3, 2), kSnp = amd(3, 3), kMicrocode = amd(3, 8), kFmc = amd(3, 9);

constexpr std::size_t kTurinChipIdSize = 8;
constexpr std::size_t kMostText = 256;

std::optional<ByteView> value_of(const x509::Certificate& certificate, ByteView oid) {
  const x509::Extension* extension = certificate.extension(oid);
  if (extension == nullptr) return std::nullopt;
  return extension->value;
}

// A string of one byte a character.
std::optional<std::string> text_of(std::optional<ByteView> value) {
  if (!value) return std::nullopt;
  for (const std::uint8_t tag : {der::kIa5String, der::kUtf8String, der::kPrintableString}) {
    const auto element = der::only(*value, tag);
    if (!element || element->content.size() > kMostText) continue;
    return std::string(reinterpret_cast<const char*>(element->content.data()), element->content.size());
  }
  return std::nullopt;
}

// A security patch level.
std::optional<std::uint8_t> level_of(std::optional<ByteView> value) {
  if (!value) return std::nullopt;
  const auto element = der::only(*value, der::kInteger);
  const auto number = element ? der::small_integer(element->content) : std::nullopt;
  if (!number || *number > 255) return std::nullopt;
  return static_cast<std::uint8_t>(*number);
}

// AMD writes the bytes as they are, and has also wrapped them in an OCTET STRING.
std::optional<ByteView> chip_id_of(std::optional<ByteView> value) {
  const auto fits = [](ByteView bytes) { return bytes.size() == kChipIdSize || bytes.size() == kTurinChipIdSize; };
  if (!value) return std::nullopt;
  if (fits(*value)) return value;
  const auto element = der::only(*value, der::kOctetString);
  if (element && fits(element->content)) return element->content;
  return std::nullopt;
}

}  // namespace

Result<Vek> read_vek(const x509::Certificate& certificate) {
  Vek vek;
  auto product = text_of(value_of(certificate, kProductName));
  if (!product) return input_error("VEK certificate: no product name (1.3.6.1.4.1.3704.1.2)");
  vek.product_name = std::move(*product);
  vek.product = product_of_name(vek.product_name);

  const auto boot_loader = level_of(value_of(certificate, kBootLoader));
  const auto tee = level_of(value_of(certificate, kTee));
  const auto snp = level_of(value_of(certificate, kSnp));
  const auto microcode = level_of(value_of(certificate, kMicrocode));
  if (!boot_loader || !tee || !snp || !microcode) {
    return input_error("VEK certificate: not all of the patch levels 1.3.6.1.4.1.3704.1.3.1, .2, .3 and .8");
  }
  vek.tcb = {.boot_loader = *boot_loader, .tee = *tee, .snp = *snp, .microcode = *microcode};
  if (const auto fmc = value_of(certificate, kFmc)) {
    vek.tcb.fmc = level_of(fmc);
    if (!vek.tcb.fmc) return input_error("VEK certificate: the patch level 1.3.6.1.4.1.3704.1.3.9 is no number");
  }

  const auto cloud = value_of(certificate, kCloudId);
  const auto chip = chip_id_of(value_of(certificate, kHardwareId));
  vek.of_cloud = cloud.has_value();
  if (cloud) {
    auto text = text_of(cloud);
    if (!text) return input_error("VEK certificate: the cloud's identifier (1.3.6.1.4.1.3704.1.5) is no text");
    vek.cloud = std::move(*text);
  } else if (!chip) {
    return input_error("VEK certificate: neither a chip's identifier (1.3.6.1.4.1.3704.1.4) nor a cloud's (.5)");
  }
  if (chip) vek.chip_id = *chip;
  return vek;
}

}  // namespace coffer::attest::snp
