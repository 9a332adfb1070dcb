#include "enclave/quoting/quoter.h"

#include <coffer/sealing.h>

#include <array>
#include <cstring>
#include <string_view>

#include "enclave/quoting/p256.h"
#include "enclave/quoting/parts.h"
#include "enclave/sdk/crypto.h"
#include "enclave/sdk/platform.h"

namespace coffer::quoting {
namespace {

constexpr std::string_view kSealedFor = "coffer attestation key 1";

// Part of what the certifier signs; no more than a name for the kind of key.
constexpr AuthenticationData authentication_data() {
  AuthenticationData data{};
  constexpr std::string_view kText = "coffer quoting enclave";
  for (std::size_t at = 0; at < kText.size(); ++at) data[at] = static_cast<std::uint8_t>(kText[at]);
  return data;
}

bool data_binding(const Point& key, sgx::Bytes<64>& data) {
  constexpr AuthenticationData kData = authentication_data();
  data = {};
  return sdk::sha256({bytes_of(key), bytes_of(kData)}, std::as_writable_bytes(std::span(data)).first<32>());
}

Outcome<KeyPair> open_key(ByteView sealed) {
  const auto opened = unseal(sealed, sdk::bytes_of_text(kSealedFor));
  if (!opened) return opened.error();
  if (opened->secret.size() != 32) return EnclaveError::kMalformed;
  return KeyPair::from_scalar(opened->secret.bytes().first<32>());
}

void append(std::vector<std::byte>& to, ByteView bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }
template <class T>
void append_value(std::vector<std::byte>& to, const T& value) {
  append(to, bytes_of(value));
}

// The quoting enclave's instance: the same number as long as platform and signer are.
bool instance_id(sgx::Bytes<16>& id) {
  static constexpr std::array<std::byte, 32> kName{std::byte{'q'}, std::byte{'e'}, std::byte{' '}, std::byte{'i'},
                                                   std::byte{'d'}};
  sgx::KeyRequest request;
  const auto own = sdk::platform::own_identity();
  if (!own) return false;
  request.key_name = static_cast<std::uint16_t>(sgx::KeyName::kSeal);
  request.key_policy = sgx::key_policy::kMrSigner;
  request.cpu_svn = own->cpu_svn;
  request.attribute_mask.flags = sgx::attribute::kInit | sgx::attribute::kDebug;
  std::memcpy(request.key_id.data(), kName.data(), kName.size());
  const auto key = sdk::platform::get_key(request);
  std::array<std::byte, 32> digest{};
  // What is published is no key: a digest of one that nothing else is derived from.
  if (!key || !sdk::sha256({key->bytes()}, digest)) return false;
  std::memcpy(id.data(), digest.data(), id.size());
  return true;
}

bool make_header(std::uint16_t format, QuoteHeader& header) {
  header.version = format;
  header.vendor = kVendor;
  if (format == 3) {
    const auto own = sdk::platform::own_identity();
    if (!own) return false;
    header.quoting_svn = own->isv_svn;
    header.certifier_svn = 1;  // as the platform's certificates say of the certifier
  }
  sgx::Bytes<16> id{};
  if (!instance_id(id)) return false;
  std::memcpy(header.user_data.data(), id.data(), id.size());
  return true;
}

// Certification data of a key: the report that binds it, the PCK's signature over it, and the PCK's chain.
void append_key_report(std::vector<std::byte>& quote, const QuoteOrder& order, ByteView chain) {
  constexpr AuthenticationData kData = authentication_data();
  append_value(quote, order.key_report);
  append_value(quote, order.key_certification);
  append_value(quote, static_cast<std::uint16_t>(kData.size()));
  append_value(quote, kData);
  append_value(quote, kPckChainType);
  append_value(quote, static_cast<std::uint32_t>(chain.size()));
  append(quote, chain);
}

// The quote's signature part (A.4 for version 3; version 4 puts the key's report into certification data of its own).
void append_signature_part(std::vector<std::byte>& quote, const QuoteOrder& order, const Signature& signature,
                           const Point& key, ByteView chain) {
  std::vector<std::byte> certified;
  append_key_report(certified, order, chain);
  const bool nested = order.format == 4;
  const std::size_t size = signature.size() + key.size() + (nested ? 6 : 0) + certified.size();
  append_value(quote, static_cast<std::uint32_t>(size));
  append_value(quote, signature);
  append_value(quote, key);
  if (nested) {
    append_value(quote, kKeyReportType);
    append_value(quote, static_cast<std::uint32_t>(certified.size()));
  }
  append(quote, certified);
}

struct Pieces {
  QuoteOrder order;
  ByteView sealed, chain;
};

bool parse(ByteView bytes, Pieces& pieces) {
  ByteReader reader(bytes);
  const auto order = reader.read<QuoteOrder>();
  if (!order || (order->format != 3 && order->format != 4) || order->reserved != 0 || order->reserved2 != 0 ||
      order->sealed_size > kMostSealedKey || order->chain_size > kMostChain) {
    return false;
  }
  const auto sealed = reader.take(order->sealed_size);
  const auto chain = reader.take(order->chain_size);
  if (!sealed || !chain || reader.remaining() != 0) return false;
  pieces = {.order = *order, .sealed = *sealed, .chain = *chain};
  return true;
}

}  // namespace

Status quoting_target(sgx::TargetInfo& target) { return own_target(target); }

Status make_key(const sgx::TargetInfo& certifier, MadeKey& made) {
  const auto pair = KeyPair::generate();
  if (!pair) return Status::kSystem;
  const auto sealed = seal(pair->scalar(), {.policy = SealPolicy::kMrSigner},
                           {.readable = {}, .bound = sdk::bytes_of_text(kSealedFor)});
  sgx::Bytes<64> data{};
  if (!sealed || sealed->size() > made.sealed.size() || !data_binding(pair->public_key(), data)) return Status::kSystem;
  const auto report = sdk::platform::make_report(certifier, data);
  if (!report) return report.error() == EnclaveError::kInvalid ? Status::kMalformed : Status::kSystem;
  made.report = *report;
  made.sealed_size = sealed->size();
  std::memcpy(made.sealed.data(), sealed->data(), sealed->size());
  return Status::kDone;
}

Status make_quote(ByteView bytes, std::vector<std::byte>& quote) {
  Pieces pieces;
  if (!parse(bytes, pieces)) return Status::kMalformed;
  const QuoteOrder& order = pieces.order;
  if (!sdk::platform::check_report(order.report)) return Status::kRefused;
  const auto pair = open_key(pieces.sealed);
  if (!pair) return pair.error() == EnclaveError::kSystem ? Status::kSystem : Status::kKey;
  sgx::Bytes<64> data{};
  if (!data_binding(pair->public_key(), data)) return Status::kSystem;
  if (!equal_in_constant_time(bytes_of(data), bytes_of(order.key_report.report_data))) return Status::kKey;
  QuoteHeader header;
  if (!make_header(order.format, header)) return Status::kSystem;
  quote.clear();
  quote.reserve(kQuoteWithoutChain + pieces.chain.size());
  append_value(quote, header);
  append_value(quote, order.report.body);
  const auto signature = pair->sign(quote);
  if (!signature) return Status::kSystem;
  append_signature_part(quote, order, *signature, pair->public_key(), pieces.chain);
  return Status::kDone;
}

}  // namespace coffer::quoting
