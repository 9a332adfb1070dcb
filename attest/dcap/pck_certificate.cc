#include "attest/dcap/pck_certificate.h"

#include <algorithm>
#include <string>
#include <utility>

#include "attest/der/reader.h"

namespace coffer::attest::dcap {

namespace {

constexpr auto kSgx = x509::oid(0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01);  // 1.2.840.113741.1.13.1

// Members of the extension: its identifier with one more number.
enum Member : std::uint8_t {
  kPpid = 1,
  kTcb = 2,
  kPceId = 3,
  kFmspc = 4,
  kSgxType = 5,
  kPlatformInstanceId = 6,
  kConfiguration = 7,
};
constexpr unsigned kPcesvn = 17;  // of the TCB; 1 to 16 are the components
constexpr unsigned kCpusvn = 18;

std::unexpected<Error> malformed(std::string_view what) {
  return input_error("PCK certificate: its SGX extensions: " + std::string(what));
}

struct Entry {
  unsigned number = 0;  // the last of its identifier
  der::Element value;
};

// SEQUENCE OF SEQUENCE { identifier, value }, each identifier being `prefix` with one more number below 128.
std::optional<std::vector<Entry>> read_entries(ByteView contents, ByteView prefix) {
  std::vector<Entry> entries;
  der::Reader reader(contents);
  while (!reader.empty()) {
    auto pair = reader.enter(der::kSequence);
    const auto name = pair ? pair->read(der::kObjectIdentifier) : std::nullopt;
    const auto value = name ? pair->read() : std::nullopt;
    if (!value || !pair->empty() || entries.size() == 32) return std::nullopt;
    const bool ours = name->content.size() == prefix.size() + 1 &&
                      der::equal(name->content.first(prefix.size()), prefix) &&
                      der::is_object_identifier(name->content);
    if (!ours) continue;
    const auto number = std::to_integer<unsigned>(name->content.back());
    if (std::ranges::find(entries, number, &Entry::number) != entries.end()) return std::nullopt;
    entries.push_back({.number = number, .value = *value});
  }
  return entries;
}

const der::Element* find(const std::vector<Entry>& entries, unsigned number) {
  const auto found = std::ranges::find(entries, number, &Entry::number);
  return found != entries.end() ? &found->value : nullptr;
}

template <std::size_t N>
bool read_octets(const der::Element* element, std::array<std::byte, N>& out) {
  if (element == nullptr || element->tag != der::kOctetString || element->content.size() != N) return false;
  std::ranges::copy(element->content, out.begin());
  return true;
}

std::optional<std::uint64_t> read_number(const der::Element* element, std::uint8_t tag, std::uint64_t most) {
  if (element == nullptr || element->tag != tag) return std::nullopt;
  const auto value = der::small_integer(element->content);
  if (!value || *value > most) return std::nullopt;
  return value;
}

bool read_tcb(const der::Element* element, PckExtensions& out) {
  if (element == nullptr || element->tag != der::kSequence) return false;
  constexpr auto kPrefix = x509::oid(0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01, kTcb);
  const auto entries = read_entries(element->content, kPrefix);
  if (!entries || entries->size() != 18) return false;
  for (unsigned i = 0; i < out.components.size(); ++i) {
    const auto svn = read_number(find(*entries, i + 1), der::kInteger, 255);
    if (!svn) return false;
    out.components.at(i) = static_cast<std::uint8_t>(*svn);
  }
  const auto pcesvn = read_number(find(*entries, kPcesvn), der::kInteger, 0xffff);
  if (!pcesvn) return false;
  out.pcesvn = static_cast<std::uint16_t>(*pcesvn);
  return read_octets(find(*entries, kCpusvn), out.cpusvn);
}

std::optional<PckConfiguration> read_configuration(const der::Element& element) {
  constexpr auto kPrefix = x509::oid(0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01, kConfiguration);
  if (element.tag != der::kSequence) return std::nullopt;
  const auto entries = read_entries(element.content, kPrefix);
  if (!entries) return std::nullopt;
  PckConfiguration configuration;
  const std::array<std::pair<unsigned, bool*>, 3> flags{
      {{1, &configuration.dynamic_platform}, {2, &configuration.cached_keys}, {3, &configuration.smt_enabled}}};
  for (const auto& [number, flag] : flags) {
    const der::Element* value = find(*entries, number);
    if (value == nullptr) continue;
    const auto set = value->tag == der::kBoolean ? der::boolean(value->content) : std::nullopt;
    if (!set) return std::nullopt;
    *flag = *set;
  }
  return configuration;
}

}  // namespace

std::optional<std::string_view> missing_extension(const x509::Certificate& certificate) {
  static const std::array<std::pair<ByteView, std::string_view>, 5> kNeeded{{
      {x509::kAuthorityKeyId, "authorityKeyIdentifier"},
      {x509::kCrlDistributionPoints, "cRLDistributionPoints"},
      {x509::kSubjectKeyId, "subjectKeyIdentifier"},
      {x509::kKeyUsage, "keyUsage"},
      {x509::kBasicConstraints, "basicConstraints"},
  }};
  for (const auto& [oid, name] : kNeeded) {
    if (certificate.extension(oid) == nullptr) return name;
  }
  return std::nullopt;
}

Result<PckExtensions> parse_pck_extensions(const x509::Certificate& certificate) {
  const x509::Extension* extension = certificate.extension(kSgx);
  if (extension == nullptr) return malformed("there are none (1.2.840.113741.1.13.1)");
  const auto sequence = der::only(extension->value, der::kSequence);
  const auto entries = sequence ? read_entries(sequence->content, kSgx) : std::nullopt;
  if (!entries) return malformed("not a sequence of identifiers with values");
  if (entries->size() != 5 && entries->size() != 7) return malformed("neither 5 (processor CA) nor 7 (platform CA)");
  PckExtensions out;
  if (!read_octets(find(*entries, kPpid), out.ppid)) return malformed("the PPID is not 16 bytes");
  if (!read_tcb(find(*entries, kTcb), out)) return malformed("the TCB is not 16 components, PCESVN and CPUSVN");
  if (!read_octets(find(*entries, kPceId), out.pce_id)) return malformed("the PCE id is not 2 bytes");
  if (!read_octets(find(*entries, kFmspc), out.fmspc)) return malformed("the FMSPC is not 6 bytes");
  const auto type = read_number(find(*entries, kSgxType), der::kEnumerated, 0x7fff'ffff);
  if (!type) return malformed("the type of SGX is not a number");
  out.sgx_type = *type;
  if (const der::Element* id = find(*entries, kPlatformInstanceId); id != nullptr) {
    if (!read_octets(id, out.platform_instance_id.emplace())) return malformed("the platform's id is not 16 bytes");
  }
  if (const der::Element* value = find(*entries, kConfiguration); value != nullptr) {
    out.configuration = read_configuration(*value);
    if (!out.configuration) return malformed("the configuration is not a list of flags");
  }
  return out;
}

}  // namespace coffer::attest::dcap
