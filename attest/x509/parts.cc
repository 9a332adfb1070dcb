#include "attest/x509/parts.h"

#include <algorithm>

namespace coffer::attest::x509 {

namespace {

using crypto::Hash;
using crypto::SignatureScheme;

constexpr auto kEcdsaSha256 = oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02);  // 1.2.840.10045.4.3.2
constexpr auto kEcdsaSha384 = oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03);
constexpr auto kEcdsaSha512 = oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04);
constexpr auto kRsaPss = oid(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a);  // 1.2.840.113549.1.1.10
constexpr auto kMgf1 = oid(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08);
constexpr auto kRsaSha256 = oid(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b);
constexpr auto kRsaSha384 = oid(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c);
constexpr auto kRsaSha512 = oid(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d);
constexpr auto kSha256 = oid(0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01);  // 2.16.840.1.101.3.4.2.1
constexpr auto kSha384 = oid(0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02);
constexpr auto kSha512 = oid(0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03);

bool is_utf8(ByteView text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const auto lead = std::to_integer<unsigned>(text[i]);
    const unsigned extra = lead < 0x80 ? 0 : lead < 0xc2 ? 9 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : lead < 0xf5 ? 3 : 9;
    if (extra == 9 || extra > text.size() - i - 1) return false;
    unsigned point = extra == 0 ? lead : lead & (0x3fU >> extra);
    for (unsigned k = 1; k <= extra; ++k) {
      const auto next = std::to_integer<unsigned>(text[i + k]);
      if ((next & 0xc0U) != 0x80) return false;
      point = point << 6U | (next & 0x3fU);
    }
    const bool shortest = extra < 2 || point >= (extra == 2 ? 0x800U : 0x10000U);
    if (!shortest || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return false;
    i += extra + 1;
  }
  return true;
}

// The strings that a DirectoryString or an old name is made of.
bool is_text(const der::Element& value) {
  switch (value.tag) {
    case der::kUtf8String:
      return is_utf8(value.content);
    case der::kPrintableString:
    case der::kIa5String:
    case 0x14:  // TeletexString
      return std::ranges::find(value.content, std::byte{0}) == value.content.end();
    default:
      return false;
  }
}

// An AlgorithmIdentifier of a digest: the digest alone, or with NULL (RFC 4055, 2.1).
std::optional<Hash> hash_of(der::Reader& reader) {
  auto algorithm = reader.enter(der::kSequence);
  const auto type = algorithm ? algorithm->read(der::kObjectIdentifier) : std::nullopt;
  if (!type) return std::nullopt;
  if (!algorithm->empty()) {
    const auto null = algorithm->read(der::kNull);
    if (!null || !null->content.empty() || !algorithm->empty()) return std::nullopt;
  }
  if (der::equal(type->content, kSha256)) return Hash::kSha256;
  if (der::equal(type->content, kSha384)) return Hash::kSha384;
  if (der::equal(type->content, kSha512)) return Hash::kSha512;
  return std::nullopt;
}

// RSASSA-PSS-params (RFC 4055, 3.1), in the form that everybody uses: one digest for both, a salt of its length. The
// default of each is SHA-1, which is not taken.
std::optional<SignatureScheme> pss_scheme(der::Reader& algorithm) {
  auto parameters = algorithm.enter(der::kSequence);
  auto hash_part = parameters ? parameters->enter(der::context(0)) : std::nullopt;
  auto mask_part = hash_part ? parameters->enter(der::context(1)) : std::nullopt;
  auto salt_part = mask_part ? parameters->enter(der::context(2)) : std::nullopt;
  if (!salt_part || !algorithm.empty()) return std::nullopt;
  if (!parameters->empty()) {  // the trailer field, of which only its default exists
    auto trailer = parameters->enter(der::context(3));
    const auto value = trailer ? trailer->read(der::kInteger) : std::nullopt;
    if (!value || der::small_integer(value->content) != 1U || !trailer->empty() || !parameters->empty()) {
      return std::nullopt;
    }
  }
  const auto hash = hash_of(*hash_part);
  auto mask = mask_part->enter(der::kSequence);
  const auto mask_type = mask ? mask->read(der::kObjectIdentifier) : std::nullopt;
  if (!hash || !mask_type || !der::equal(mask_type->content, kMgf1) || hash_of(*mask) != hash || !mask->empty()) {
    return std::nullopt;
  }
  const auto salt = salt_part->read(der::kInteger);
  if (!salt || der::small_integer(salt->content) != crypto::size_of(*hash)) return std::nullopt;
  if (!hash_part->empty() || !mask_part->empty() || !salt_part->empty()) return std::nullopt;
  return *hash == Hash::kSha256   ? SignatureScheme::kRsaPssSha256
         : *hash == Hash::kSha384 ? SignatureScheme::kRsaPssSha384
                                  : SignatureScheme::kRsaPssSha512;
}

struct NamedScheme {
  ByteView oid;
  SignatureScheme scheme;
  bool null;  // whether NULL stands as its parameter (RSA) or nothing (ECDSA)
};

}  // namespace

bool is_name(ByteView contents) {
  der::Reader sets(contents);
  while (!sets.empty()) {
    auto set = sets.enter(der::kSet);
    if (!set || set->empty()) return false;
    while (!set->empty()) {
      auto attribute = set->enter(der::kSequence);
      const auto type = attribute ? attribute->read(der::kObjectIdentifier) : std::nullopt;
      const auto value = type ? attribute->read() : std::nullopt;
      if (!value || !attribute->empty() || !der::is_object_identifier(type->content) || !is_text(*value)) return false;
    }
  }
  return true;
}

std::string attribute_of(ByteView name_contents, ByteView type) {
  std::string found;
  der::Reader sets(name_contents);
  while (auto set = sets.enter(der::kSet)) {
    while (auto attribute = set->enter(der::kSequence)) {
      const auto name = attribute->read(der::kObjectIdentifier);
      const auto value = name ? attribute->read() : std::nullopt;
      if (value && der::equal(name->content, type)) {
        found.assign(reinterpret_cast<const char*>(value->content.data()), value->content.size());
      }
    }
  }
  return found;
}

std::optional<SignatureScheme> scheme_of(ByteView algorithm_contents) {
  static const std::array<NamedScheme, 6> kSchemes{
      NamedScheme{kEcdsaSha256, SignatureScheme::kEcdsaSha256, false},
      NamedScheme{kEcdsaSha384, SignatureScheme::kEcdsaSha384, false},
      NamedScheme{kEcdsaSha512, SignatureScheme::kEcdsaSha512, false},
      NamedScheme{kRsaSha256, SignatureScheme::kRsaPkcs1Sha256, true},
      NamedScheme{kRsaSha384, SignatureScheme::kRsaPkcs1Sha384, true},
      NamedScheme{kRsaSha512, SignatureScheme::kRsaPkcs1Sha512, true},
  };
  der::Reader reader(algorithm_contents);
  const auto type = reader.read(der::kObjectIdentifier);
  if (!type) return std::nullopt;
  if (der::equal(type->content, kRsaPss)) return pss_scheme(reader);
  for (const NamedScheme& named : kSchemes) {
    if (!der::equal(type->content, named.oid)) continue;
    const auto null = named.null ? reader.read(der::kNull) : std::nullopt;
    if ((named.null && (!null || !null->content.empty())) || !reader.empty()) return std::nullopt;
    return named.scheme;
  }
  return std::nullopt;
}

std::optional<std::vector<Extension>> read_extensions(ByteView contents) {
  std::vector<Extension> extensions;
  der::Reader reader(contents);
  while (!reader.empty()) {
    auto one = reader.enter(der::kSequence);
    const auto type = one ? one->read(der::kObjectIdentifier) : std::nullopt;
    if (!type || !der::is_object_identifier(type->content)) return std::nullopt;
    bool critical = false;
    if (one->next_tag() == der::kBoolean) {
      const auto flag = one->read(der::kBoolean);
      const auto set = flag ? der::boolean(flag->content) : std::nullopt;
      if (!set) return std::nullopt;
      critical = *set;
    }
    const auto value = one->read(der::kOctetString);
    if (!value || !one->empty() || find_extension(extensions, type->content) != nullptr) {
      return std::nullopt;
    }
    extensions.push_back({.oid = type->content, .critical = critical, .value = value->content});
  }
  return extensions;
}

const Extension* find_extension(const std::vector<Extension>& extensions, ByteView oid) {
  const auto found =
      std::ranges::find_if(extensions, [&](const Extension& extension) { return der::equal(extension.oid, oid); });
  return found != extensions.end() ? &*found : nullptr;
}

std::optional<Signed> read_signed(ByteView bytes) {
  const auto outer = der::only(bytes, der::kSequence);
  if (!outer) return std::nullopt;
  der::Reader reader(outer->content);
  const auto body = reader.read(der::kSequence);
  const auto algorithm = reader.read(der::kSequence);
  const auto bit_string = reader.read(der::kBitString);
  const auto signature = bit_string ? der::whole_bits(bit_string->content) : std::nullopt;
  if (!body || !algorithm || !signature || !reader.empty()) return std::nullopt;
  return Signed{.body = *body, .algorithm = algorithm->content, .signature = *signature};
}

}  // namespace coffer::attest::x509
