#include "attest/x509/revocation_list.h"

#include <algorithm>

#include "attest/x509/pem.h"
#include "base/hex.h"

namespace coffer::attest::x509 {

struct RevocationList::State {
  std::vector<std::byte> der;
  Signed outer;
  std::optional<crypto::SignatureScheme> scheme;
  der::Element issuer;
  UnixTime this_update;
  std::optional<UnixTime> next_update;
  std::vector<ByteView> serials;  // sorted
  std::optional<ByteView> number;
  bool issuer_key_named = false;
};

namespace {

bool is_time(std::uint8_t tag) { return tag == der::kUtcTime || tag == der::kGeneralizedTime; }

bool before(ByteView a, ByteView b) { return std::ranges::lexicographical_compare(a, b); }

// The serial numbers of revokedCertificates.
std::optional<std::vector<ByteView>> read_entries(ByteView contents) {
  std::vector<ByteView> serials;
  der::Reader reader(contents);
  while (!reader.empty()) {
    auto entry = reader.enter(der::kSequence);
    const auto serial = entry ? entry->read(der::kInteger) : std::nullopt;
    const auto date = serial ? entry->read() : std::nullopt;
    if (!date || !der::is_integer(serial->content) || !der::time(*date)) return std::nullopt;
    if (!entry->empty()) {
      const auto list = entry->read(der::kSequence);
      if (!list || !read_extensions(list->content) || !entry->empty()) return std::nullopt;
    }
    serials.push_back(serial->content);
  }
  std::ranges::sort(serials, before);
  return serials;
}

std::string_view text_of(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank(" \t\r\n\0", 5);
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

}  // namespace

std::optional<std::string_view> RevocationList::read(State& state) {
  const auto outer = read_signed(state.der);
  if (!outer) return "not a SEQUENCE of contents, algorithm and signature";
  state.outer = *outer;
  der::Reader body(outer->body.content);
  bool second = false;  // version 2, the one with extensions
  if (body.next_tag() == der::kInteger) {
    const auto version = body.read(der::kInteger);
    if (!version || der::small_integer(version->content) != 1U) return "the version is not 2";
    second = true;
  }
  const auto algorithm = body.read(der::kSequence);
  if (!algorithm) return "the signature's algorithm is missing";
  if (!der::equal(algorithm->content, outer->algorithm)) return "the two names of the signature's algorithm differ";
  state.scheme = scheme_of(algorithm->content);
  const auto issuer = body.read(der::kSequence);
  if (!issuer || !is_name(issuer->content)) return "the issuer is not a name";
  state.issuer = *issuer;
  const auto updated = body.read();
  const auto this_update = updated ? der::time(*updated) : std::nullopt;
  if (!this_update) return "the time of its update is missing";
  state.this_update = *this_update;
  if (is_time(body.next_tag())) {
    const auto next = body.read();
    state.next_update = next ? der::time(*next) : std::nullopt;
    if (!state.next_update) return "the time of its next update is not a time";
  }
  if (body.next_tag() == der::kSequence) {
    const auto list = body.read(der::kSequence);
    auto serials = list ? read_entries(list->content) : std::nullopt;
    if (!serials) return "an entry is not of its form";
    state.serials = std::move(*serials);
  }
  if (body.next_tag() != der::context(0))
    return body.empty() ? std::nullopt : std::optional("something follows the list");
  auto wrapped = body.enter(der::context(0));
  const auto list = wrapped ? wrapped->read(der::kSequence) : std::nullopt;
  const auto extensions = list ? read_extensions(list->content) : std::nullopt;
  if (!extensions || !wrapped->empty() || !body.empty() || !second) return "the extensions are not of their form";
  // Lists that do not speak of all certificates of their issuer.
  if (find_extension(*extensions, kDeltaCrlIndicator) != nullptr) return "it is a delta list";
  if (const Extension* point = find_extension(*extensions, kIssuingDistributionPoint);
      point != nullptr && point->critical) {
    return "it is restricted to a distribution point";
  }
  state.issuer_key_named = find_extension(*extensions, kAuthorityKeyId) != nullptr;
  if (const Extension* number = find_extension(*extensions, kCrlNumber); number != nullptr) {
    const auto integer = der::only(number->value, der::kInteger);
    state.number = integer ? der::magnitude(integer->content) : std::nullopt;
    if (!state.number) return "its number is not a number";
  }
  return std::nullopt;
}

Result<RevocationList> RevocationList::parse(ByteView der) {
  auto state = std::make_shared<State>();
  state->der.assign(der.begin(), der.end());
  if (const auto wrong = read(*state)) return input_error("revocation list: " + std::string(*wrong));
  return RevocationList(std::move(state));
}

Result<RevocationList> RevocationList::parse_any(ByteView bytes) {
  if (bytes.empty()) return input_error("revocation list: it is empty");
  if (bytes.front() == std::byte{der::kSequence} && bytes.size() > 1 && bytes[1] >= std::byte{0x80})
    return parse(bytes);
  const std::string_view text = trimmed(text_of(bytes));
  if (text.starts_with("-----BEGIN ")) {
    const auto blocks = parse_pem(text, 1);
    if (!blocks) return std::unexpected(blocks.error());
    if (blocks->front().label != "X509 CRL") return input_error("revocation list: the PEM block is not an X509 CRL");
    return parse(blocks->front().bytes);
  }
  if (const auto decoded = from_hex(text); decoded && !decoded->empty()) return parse(*decoded);
  if (const auto decoded = from_base64(text); decoded && !decoded->empty()) return parse(*decoded);
  return parse(bytes);
}

ByteView RevocationList::der() const { return state_->der; }
ByteView RevocationList::issuer() const { return state_->issuer.whole; }
std::string RevocationList::issuer_name() const { return attribute_of(state_->issuer.content, kCommonName); }
UnixTime RevocationList::this_update() const { return state_->this_update; }
std::optional<UnixTime> RevocationList::next_update() const { return state_->next_update; }
std::optional<ByteView> RevocationList::number() const { return state_->number; }
bool RevocationList::complete() const { return state_->number && state_->issuer_key_named; }
std::size_t RevocationList::size() const { return state_->serials.size(); }

bool RevocationList::revokes(ByteView serial) const {
  return std::ranges::binary_search(state_->serials, serial, before);
}

bool RevocationList::signed_by(const crypto::PublicKey& issuer) const {
  return state_->scheme && issuer.verify(*state_->scheme, state_->outer.body.whole, state_->outer.signature);
}

}  // namespace coffer::attest::x509
