#include "attest/testing/snp_machine.h"

#include <algorithm>
#include <cstring>

namespace coffer::attest::testing {

namespace {

using Bytes = std::vector<std::byte>;

Bytes bytes(std::initializer_list<int> values) {
  Bytes made;
  for (const int value : values) made.push_back(static_cast<std::byte>(value));
  return made;
}
Bytes integer(std::uint8_t value) { return value < 128 ? bytes({0x02, 1, value}) : bytes({0x02, 2, 0, value}); }
Bytes ia5(const std::string& text) {
  Bytes made = bytes({0x16, static_cast<int>(text.size())});
  for (const char each : text) made.push_back(static_cast<std::byte>(each));
  return made;
}

}  // namespace

const SnpKeys& snp_keys() {
  static const SnpKeys kKeys;
  return kKeys;
}

Bytes SnpMachine::vek() const {
  const std::string base = "1.3.6.1.4.1.3704.1.";
  const bool turin = (product_name == "Turin");
  CertificateForm form{.name = cloud ? "SEV-VLEK" : "SEV-VCEK",
                       .issuer_name = "SEV-" + line,
                       .key = vek_key,
                       .issuer_key = vek_issuer,
                       .not_after = vek_end,
                       .serial = 0};
  form.extensions = {{base + "2", ia5(product_name)},
                     {base + "3.1", integer(tcb[turin ? 1 : 0])},
                     {base + "3.2", integer(tcb[turin ? 2 : 1])},
                     {base + "3.3", integer(tcb[turin ? 3 : 6])},
                     {base + "3.8", integer(tcb[7])}};
  if (turin) form.extensions.emplace_back(base + "3.9", integer(tcb[0]));
  if (cloud) {
    form.extensions.emplace_back(base + "5", ia5("CN=cloud.test"));
  } else {
    form.extensions.emplace_back(base + "4", chip_id);
  }
  std::erase_if(form.extensions, [&](const auto& each) { return each.first == base + left_out; });
  return make_certificate(form);
}

Bytes SnpMachine::chain() const {
  Bytes both = make_certificate({.name = "SEV-" + line,
                                 .issuer_name = "ARK-" + line,
                                 .key = snp_keys().ask,
                                 .issuer_key = ask_issuer,
                                 .authority = true,
                                 .not_after = ask_end,
                                 .serial = 7});
  const Bytes ark = make_certificate({.name = "ARK-" + line,
                                      .issuer_name = "ARK-" + line,
                                      .key = snp_keys().ark,
                                      .issuer_key = snp_keys().ark,
                                      .authority = true});
  both.insert(both.end(), ark.begin(), ark.end());
  return both;
}

TrustedRoots SnpMachine::roots() const {
  TrustedRoots roots;
  roots.add(public_key_of(snp_keys().ark), RootOfTrust::kGiven, "ARK-" + line);
  return roots;
}

Bytes SnpMachine::unsigned_report() const {
  Bytes report(1184);
  const auto put = [&report](std::size_t offset, const auto& value) {
    std::memcpy(report.data() + offset, &value, sizeof value);
  };
  put(0x00, version);
  put(0x08, std::uint64_t{0x30000});
  put(0x34, std::uint32_t{1});
  put(0x38, tcb);
  put(0x48, std::uint32_t{cloud ? 4U : 0U});
  std::ranges::fill(std::span(report).subspan(0x50, 64), std::byte{0xda});
  put(0x180, tcb);
  if (version >= 3) put(0x188, cpuid);
  if (!cloud) std::ranges::copy(chip_id, report.begin() + 0x1a0);
  return report;
}

void sign_report(Bytes& report, const Key& key) {
  const auto der = sign(key, Signing::kEcdsa, "SHA384", ByteView(report).first(672));
  const auto both = r_and_s(der, 48);
  std::ranges::fill(std::span(report).subspan(672), std::byte{0});
  std::reverse_copy(both.begin(), both.begin() + 48, report.begin() + 672);
  std::reverse_copy(both.begin() + 48, both.end(), report.begin() + 672 + 72);
}

Bytes signed_report(const SnpMachine& machine) {
  Bytes report = machine.unsigned_report();
  sign_report(report, snp_keys().vek);
  return report;
}

}  // namespace coffer::attest::testing
