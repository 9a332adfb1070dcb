#include "attest/tpm/quote.h"

#include <algorithm>

#include "attest/der/reader.h"

namespace coffer::attest::tpm {

namespace {

constexpr std::uint32_t kMagic = 0xff544347;  // TPM_GENERATED_VALUE
constexpr std::uint16_t kAttestQuote = 0x8018;
constexpr std::size_t kMostBanks = 16;
constexpr std::size_t kMostSelectBytes = 4;

template <class T>
std::optional<T> read_big(ByteReader& reader) {
  const auto taken = reader.take(sizeof(T));
  if (!taken) return std::nullopt;
  T value = 0;
  for (const std::byte each : *taken) value = static_cast<T>(value << 8 | std::to_integer<T>(each));
  return value;
}

// TPM2B_*: a length of two bytes, and the bytes.
std::optional<ByteView> read_sized(ByteReader& reader) {
  const auto length = read_big<std::uint16_t>(reader);
  if (!length) return std::nullopt;
  return reader.take(*length);
}

std::unexpected<Error> cut_short() { return input_error("TPM quote: it is cut short"); }

Result<std::vector<Selection>> read_selections(ByteReader& reader) {
  const auto count = read_big<std::uint32_t>(reader);
  if (!count) return cut_short();
  if (*count > kMostBanks) return input_error("TPM quote: it selects PCRs of " + std::to_string(*count) + " banks");
  std::vector<Selection> selections;
  for (std::uint32_t index = 0; index < *count; ++index) {
    Selection selection;
    const auto algorithm = read_big<std::uint16_t>(reader);
    const auto size = read_big<std::uint8_t>(reader);
    const auto mask = size ? reader.take(*size) : std::nullopt;
    if (!algorithm || !mask) return cut_short();
    if (mask->size() > kMostSelectBytes) return input_error("TPM quote: it selects PCRs beyond 31");
    selection.algorithm = *algorithm;
    for (std::size_t byte = 0; byte < mask->size(); ++byte) {
      selection.mask |= std::to_integer<std::uint32_t>((*mask)[byte]) << (8 * byte);
    }
    selections.push_back(selection);
  }
  return selections;
}

}  // namespace

bool looks_like_quote(ByteView bytes) {
  const auto has_magic = [](ByteView at) {
    ByteReader reader(at);
    return read_big<std::uint32_t>(reader) == kMagic;
  };
  ByteReader reader(bytes);
  return has_magic(bytes) || (read_big<std::uint16_t>(reader) == bytes.size() - 2 && has_magic(bytes.subspan(2)));
}

Result<Quote> Quote::parse(ByteView bytes) {
  if (!looks_like_quote(bytes)) return input_error("TPM quote: it does not start with TPM_GENERATED (ff544347)");
  Quote quote;
  quote.signed_bytes = bytes[0] == std::byte{0xff} && bytes[1] == std::byte{0x54} ? bytes : bytes.subspan(2);
  ByteReader reader(quote.signed_bytes);
  (void)reader.take(sizeof kMagic);
  const auto type = read_big<std::uint16_t>(reader);
  if (!type) return cut_short();
  if (*type != kAttestQuote) {
    return input_error("TPM quote: an attestation of type " + std::to_string(*type) +
                       ", and a quote has 32792 (0x8018)");
  }
  const auto signer = read_sized(reader);
  const auto nonce = signer ? read_sized(reader) : std::nullopt;
  const auto clock = read_big<std::uint64_t>(reader);
  const auto resets = read_big<std::uint32_t>(reader);
  const auto restarts = read_big<std::uint32_t>(reader);
  const auto safe = read_big<std::uint8_t>(reader);
  const auto firmware = read_big<std::uint64_t>(reader);
  if (!signer || !nonce || !clock || !resets || !restarts || !safe || !firmware) return cut_short();
  if (*safe > 1) return input_error("TPM quote: clockInfo.safe is neither yes nor no");
  auto selections = read_selections(reader);
  if (!selections) return std::unexpected(selections.error());
  const auto digest = read_sized(reader);
  if (!digest) return cut_short();
  if (reader.remaining() != 0) {
    return input_error("TPM quote: " + std::to_string(reader.remaining()) + " bytes after its end");
  }
  quote.qualified_signer = *signer;
  quote.nonce = *nonce;
  quote.clock = *clock;
  quote.reset_count = *resets;
  quote.restart_count = *restarts;
  quote.clock_safe = *safe == 1;
  quote.firmware_version = *firmware;
  quote.selections = std::move(*selections);
  quote.pcr_digest = *digest;
  return quote;
}

namespace {

constexpr std::uint16_t kRsassa = 0x0014, kRsapss = 0x0016, kEcdsa = 0x0018;

std::optional<crypto::Hash> crypto_hash(HashId hash) {
  switch (hash) {
    case HashId::kSha1:
      return crypto::Hash::kSha1;
    case HashId::kSha256:
      return crypto::Hash::kSha256;
    case HashId::kSha384:
      return crypto::Hash::kSha384;
    case HashId::kSha512:
      return crypto::Hash::kSha512;
    default:
      return std::nullopt;
  }
}

std::string name_of(QuoteScheme scheme, HashId hash) {
  std::string name = scheme == QuoteScheme::kRsaPkcs1 ? "RSASSA-PKCS1v1_5-"
                     : scheme == QuoteScheme::kRsaPss ? "RSA-PSS-"
                                                      : "ECDSA-";
  for (const char each : tpm::name_of(hash)) name += static_cast<char>(each >= 'a' && each <= 'z' ? each - 32 : each);
  return name;
}

// The hash that makes digests of this size, of those that TPMs sign with.
std::optional<HashId> hash_of_size(std::size_t size) {
  for (const HashId hash : {HashId::kSha1, HashId::kSha256, HashId::kSha384, HashId::kSha512}) {
    if (digest_size(hash) == size) return hash;
  }
  return std::nullopt;
}

// r and s as numbers of the field's size.
std::optional<std::vector<std::byte>> joined(ByteView r, ByteView s, std::size_t field) {
  std::vector<std::byte> both(2 * field);
  for (std::size_t part = 0; part < 2; ++part) {
    ByteView number = part == 0 ? r : s;
    while (number.size() > field && number[0] == std::byte{0}) number = number.subspan(1);
    if (number.size() > field) return std::nullopt;
    std::ranges::copy(number, both.begin() + static_cast<std::ptrdiff_t>((part + 1) * field - number.size()));
  }
  return both;
}

struct Parsed {
  std::optional<QuoteScheme> scheme;  // absent: of RSA, bare
  std::optional<HashId> hash;         // absent: bare
  std::vector<std::byte> bytes;       // the RSA number, or r || s
};

std::unexpected<Error> not_a_signature() {
  return input_error("TPM quote: the signature is of no form that fits the attestation key");
}

// TPMT_SIGNATURE; nothing where it is not one, whole.
std::optional<Parsed> read_tpmt(ByteView signature, const crypto::PublicKey& key) {
  ByteReader reader(signature);
  const auto algorithm = read_big<std::uint16_t>(reader);
  const auto number = read_big<std::uint16_t>(reader);
  const auto first = read_sized(reader);
  if (!algorithm || !number || !first) return std::nullopt;
  const auto hash = hash_of_number(*number);
  if (!hash) return std::nullopt;
  const bool rsa = key.kind() == crypto::KeyKind::kRsa;
  if (rsa && (*algorithm == kRsassa || *algorithm == kRsapss) && reader.remaining() == 0) {
    return Parsed{.scheme = *algorithm == kRsassa ? QuoteScheme::kRsaPkcs1 : QuoteScheme::kRsaPss,
                  .hash = *hash,
                  .bytes = {first->begin(), first->end()}};
  }
  const auto second = read_sized(reader);
  if (rsa || *algorithm != kEcdsa || !second || reader.remaining() != 0) return std::nullopt;
  auto both = joined(*first, *second, key.bits() / 8);
  if (!both) return std::nullopt;
  return Parsed{.scheme = QuoteScheme::kEcdsa, .hash = *hash, .bytes = std::move(*both)};
}

// ECDSA-Sig-Value (RFC 3279, 2.2.3).
std::optional<std::vector<std::byte>> read_der(ByteView signature, std::size_t field) {
  const auto sequence = der::only(signature, der::kSequence);
  if (!sequence) return std::nullopt;
  der::Reader reader(sequence->content);
  const auto r = reader.read(der::kInteger), s = reader.read(der::kInteger);
  if (!r || !s || !reader.empty()) return std::nullopt;
  const auto r_number = der::magnitude(r->content), s_number = der::magnitude(s->content);
  if (!r_number || !s_number) return std::nullopt;
  return joined(*r_number, *s_number, field);
}

Result<Parsed> read_signature(ByteView signature, const crypto::PublicKey& key) {
  if (auto tpmt = read_tpmt(signature, key)) return std::move(*tpmt);
  const std::size_t size = key.bits() / 8;
  if (key.kind() == crypto::KeyKind::kRsa) {
    if (signature.size() != size) return not_a_signature();
    return Parsed{.bytes = {signature.begin(), signature.end()}};
  }
  if (auto both = read_der(signature, size)) return Parsed{.scheme = QuoteScheme::kEcdsa, .bytes = std::move(*both)};
  if (signature.size() != 2 * size) return not_a_signature();
  return Parsed{.scheme = QuoteScheme::kEcdsa, .bytes = {signature.begin(), signature.end()}};
}

bool fits(const Quote& quote, const Parsed& parsed, QuoteScheme scheme, crypto::Hash hash,
          const crypto::PublicKey& key) {
  if (scheme == QuoteScheme::kEcdsa) return key.verify_ecdsa(hash, quote.signed_bytes, parsed.bytes);
  const auto padding = scheme == QuoteScheme::kRsaPkcs1 ? crypto::RsaPadding::kPkcs1 : crypto::RsaPadding::kPss;
  return key.verify_rsa(hash, padding, quote.signed_bytes, parsed.bytes);
}

}  // namespace

Result<SignatureOutcome> verify_quote_signature(const Quote& quote, ByteView signature, const crypto::PublicKey& key) {
  const auto parsed = read_signature(signature, key);
  if (!parsed) return std::unexpected(parsed.error());
  SignatureOutcome outcome;
  outcome.hash = parsed->hash ? parsed->hash : hash_of_size(quote.pcr_digest.size());
  const auto hash = outcome.hash ? crypto_hash(*outcome.hash) : std::nullopt;
  if (!hash) {
    outcome.why = outcome.hash ? "signatures with " + std::string(tpm::name_of(*outcome.hash)) + " are not known here"
                               : "the PCR digest is of no hash that TPMs sign with";
    return outcome;
  }
  for (const QuoteScheme scheme : {QuoteScheme::kRsaPkcs1, QuoteScheme::kRsaPss, QuoteScheme::kEcdsa}) {
    if (parsed->scheme ? *parsed->scheme != scheme : scheme == QuoteScheme::kEcdsa) continue;
    outcome.fits = fits(quote, *parsed, scheme, *hash, key);
    outcome.scheme = name_of(scheme, *outcome.hash);
    if (outcome.fits) return outcome;
  }
  outcome.why = "does not fit";
  return outcome;
}

}  // namespace coffer::attest::tpm
