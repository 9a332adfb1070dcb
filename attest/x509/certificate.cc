#include "attest/x509/certificate.h"

#include "attest/x509/pem.h"

namespace coffer::attest::x509 {

struct Certificate::State {
  std::vector<std::byte> der;
  Signed outer;
  std::optional<crypto::SignatureScheme> scheme;
  unsigned version = 1;
  ByteView serial;
  der::Element issuer;
  der::Element subject;
  UnixTime not_before;
  UnixTime not_after;
  Result<crypto::PublicKey> key = input_error("no key");
  std::vector<Extension> extensions;
  bool authority = false;
  std::optional<std::uint64_t> path_length;
  std::optional<std::uint16_t> key_usage;
};

namespace {

// The version field, which is there only where it is not 1.
std::optional<unsigned> read_version(der::Reader& body) {
  if (body.next_tag() != der::context(0)) return 1;
  auto field = body.enter(der::context(0));
  const auto number = field ? field->read(der::kInteger) : std::nullopt;
  const auto value = number ? der::small_integer(number->content) : std::nullopt;
  if (!value || *value > 2 || !field->empty()) return std::nullopt;
  return static_cast<unsigned>(*value) + 1;
}

// Whether it is a SubjectPublicKeyInfo, of whatever algorithm. Its parameters are those of keys that certificates have:
// none, NULL, or the name of a curve.
bool is_key(ByteView contents) {
  der::Reader reader(contents);
  auto algorithm = reader.enter(der::kSequence);
  const auto type = algorithm ? algorithm->read(der::kObjectIdentifier) : std::nullopt;
  if (!type || !der::is_object_identifier(type->content)) return false;
  if (!algorithm->empty()) {
    const auto parameter = algorithm->read();
    const bool null = parameter && parameter->tag == der::kNull && parameter->content.empty();
    const bool name =
        parameter && parameter->tag == der::kObjectIdentifier && der::is_object_identifier(parameter->content);
    if ((!null && !name) || !algorithm->empty()) return false;
  }
  const auto bits = reader.read(der::kBitString);
  return bits && der::whole_bits(bits->content) && reader.empty();
}

bool skip_unique_ids(der::Reader& body) {
  for (const unsigned number : {1U, 2U}) {
    if (body.next_tag() != der::context_primitive(number)) continue;
    const auto id = body.read();
    if (!id || id->content.empty()) return false;
  }
  return true;
}

}  // namespace

// What is wrong, or nothing.
std::optional<std::string_view> Certificate::read(State& state) {
  const auto outer = read_signed(state.der);
  if (!outer) return "not a SEQUENCE of contents, algorithm and signature";
  state.outer = *outer;
  der::Reader body(outer->body.content);
  const auto version = read_version(body);
  if (!version) return "the version is none of 1, 2, 3";
  state.version = *version;
  const auto serial = body.read(der::kInteger);
  if (!serial || !der::is_integer(serial->content)) return "the serial number is not an INTEGER";
  state.serial = serial->content;
  const auto algorithm = body.read(der::kSequence);
  if (!algorithm) return "the signature's algorithm is missing";
  if (!der::equal(algorithm->content, outer->algorithm)) return "the two names of the signature's algorithm differ";
  state.scheme = scheme_of(algorithm->content);
  const auto issuer = body.read(der::kSequence);
  if (!issuer || !is_name(issuer->content)) return "the issuer is not a name";
  auto validity = body.enter(der::kSequence);
  const auto first = validity ? validity->read() : std::nullopt;
  const auto last = first ? validity->read() : std::nullopt;
  const auto not_before = first ? der::time(*first) : std::nullopt;
  const auto not_after = last ? der::time(*last) : std::nullopt;
  if (!not_before || !not_after || !validity->empty()) return "the validity is not two times";
  const auto subject = body.read(der::kSequence);
  if (!subject || !is_name(subject->content)) return "the subject is not a name";
  const auto key = body.read(der::kSequence);
  if (!key || !is_key(key->content)) return "the public key is not of its form";
  state.issuer = *issuer;
  state.subject = *subject;
  state.not_before = *not_before;
  state.not_after = *not_after;
  state.key = crypto::PublicKey::from_spki(key->whole);
  if (!skip_unique_ids(body)) return "a unique id is empty";
  if (body.next_tag() == der::context(3)) {
    auto wrapped = body.enter(der::context(3));
    const auto list = wrapped ? wrapped->read(der::kSequence) : std::nullopt;
    auto extensions = list ? read_extensions(list->content) : std::nullopt;
    if (!extensions || !wrapped->empty() || state.version != 3) return "the extensions are not of their form";
    state.extensions = std::move(*extensions);
  }
  if (!body.empty()) return "something follows the extensions";
  return read_constraints(state);
}

std::optional<std::string_view> Certificate::read_constraints(State& state) {
  if (const Extension* constraints = find_extension(state.extensions, kBasicConstraints); constraints != nullptr) {
    const auto sequence = der::only(constraints->value, der::kSequence);
    if (!sequence) return "the basic constraints are not of their form";
    der::Reader reader(sequence->content);
    if (reader.next_tag() == der::kBoolean) {
      const auto flag = reader.read(der::kBoolean);
      const auto value = flag ? der::boolean(flag->content) : std::nullopt;
      if (!value) return "the basic constraints are not of their form";
      state.authority = *value;
    }
    if (reader.next_tag() == der::kInteger) {
      const auto length = reader.read(der::kInteger);
      state.path_length = length ? der::small_integer(length->content) : std::nullopt;
      if (!state.path_length) return "the basic constraints' path length is not a number";
    }
    if (!reader.empty()) return "the basic constraints are not of their form";
  }
  if (const Extension* usage = find_extension(state.extensions, kKeyUsage); usage != nullptr) {
    const auto bits = der::only(usage->value, der::kBitString);
    state.key_usage = bits ? der::named_bits(bits->content) : std::nullopt;
    if (!state.key_usage) return "the key usage is not a string of bits";
  }
  return std::nullopt;
}

Result<Certificate> Certificate::parse(ByteView der) {
  auto state = std::make_shared<State>();
  state->der.assign(der.begin(), der.end());
  if (const auto wrong = read(*state)) return input_error("certificate: " + std::string(*wrong));
  return Certificate(std::move(state));
}

ByteView Certificate::der() const { return state_->der; }
ByteView Certificate::signed_part() const { return state_->outer.body.whole; }
ByteView Certificate::signature() const { return state_->outer.signature; }
std::optional<crypto::SignatureScheme> Certificate::scheme() const { return state_->scheme; }
unsigned Certificate::version() const { return state_->version; }
ByteView Certificate::serial() const { return state_->serial; }
ByteView Certificate::issuer() const { return state_->issuer.whole; }
ByteView Certificate::subject() const { return state_->subject.whole; }
std::string Certificate::issuer_name() const { return attribute_of(state_->issuer.content, kCommonName); }
std::string Certificate::subject_name() const { return attribute_of(state_->subject.content, kCommonName); }
UnixTime Certificate::not_before() const { return state_->not_before; }
UnixTime Certificate::not_after() const { return state_->not_after; }
const Result<crypto::PublicKey>& Certificate::public_key() const { return state_->key; }
const std::vector<Extension>& Certificate::extensions() const { return state_->extensions; }
const Extension* Certificate::extension(ByteView oid) const { return find_extension(state_->extensions, oid); }
bool Certificate::is_authority() const { return state_->authority; }
std::optional<std::uint64_t> Certificate::path_length() const { return state_->path_length; }
std::optional<std::uint16_t> Certificate::key_usage() const { return state_->key_usage; }

bool Certificate::signed_by(const crypto::PublicKey& issuer) const {
  return state_->scheme && issuer.verify(*state_->scheme, signed_part(), signature());
}

bool Certificate::operator==(const Certificate& other) const { return der::equal(der(), other.der()); }

Result<std::vector<Certificate>> parse_certificates(std::string_view pem, std::size_t most) {
  while (!pem.empty() && pem.back() == '\0') pem.remove_suffix(1);
  auto blocks = parse_pem(pem, most);
  if (!blocks) return std::unexpected(std::move(blocks.error()));
  std::vector<Certificate> certificates;
  for (const PemBlock& block : *blocks) {
    if (block.label != "CERTIFICATE") {
      return input_error("PEM: block " + std::to_string(certificates.size() + 1) + " is not a CERTIFICATE");
    }
    auto certificate = Certificate::parse(block.bytes);
    if (!certificate) {
      return input_error("certificate " + std::to_string(certificates.size() + 1) +
                         " of the chain: " + certificate.error().message);
    }
    certificates.push_back(std::move(*certificate));
  }
  if (certificates.empty()) return input_error("PEM: there is no certificate in it");
  return certificates;
}

}  // namespace coffer::attest::x509
