// The exchange: ephemeral X25519 keys, authenticated by reports that each side makes for the other, and a MAC of each
// side under the agreed key (SIGMA's shape, with reports in the place of signatures). docs/design/local-attestation.md.
#include <coffer/local_attestation.h>

#include <cstring>

#include "base/bytes.h"
#include "enclave/sdk/channel_state.h"
#include "enclave/sdk/crypto.h"
#include "enclave/sdk/key_agreement.h"
#include "enclave/sdk/platform.h"

namespace coffer {
namespace sdk {
namespace {

using Magic = std::array<char, 8>;
using Digest = std::array<std::byte, 32>;

constexpr Magic kFirst = {'C', 'O', 'F', 'A', 'T', 'T', '1', 'a'};
constexpr Magic kSecond = {'C', 'O', 'F', 'A', 'T', 'T', '1', 'b'};
constexpr Magic kThird = {'C', 'O', 'F', 'A', 'T', 'T', '1', 'c'};

struct FirstMessage {
  Magic magic = kFirst;
  PublicKey key{};
  sgx::TargetInfo target;
};
struct SecondMessage {
  Magic magic = kSecond;
  PublicKey key{};
  sgx::Report report;
  Digest confirmation{};
};
struct ThirdMessage {
  Magic magic = kThird;
  sgx::Report report;
  Digest confirmation{};
};
static_assert(sizeof(FirstMessage) == 552 && sizeof(SecondMessage) == 504 && sizeof(ThirdMessage) == 472);

template <class Message>
Outcome<Message> parse(std::span<const std::byte> bytes) {
  Message message;
  const Magic expected = message.magic;
  if (bytes.size() != sizeof(message)) return EnclaveError::kMalformed;
  std::memcpy(&message, bytes.data(), sizeof(message));
  if (message.magic != expected) return EnclaveError::kMalformed;
  return message;
}

// A message but for its confirmation, which stands at its end.
template <class Message>
Bytes unconfirmed(const Message& message) {
  return bytes_of(message).first(sizeof(Message) - sizeof(Digest));
}

template <std::size_t Size>
std::array<std::byte, Size> to_bytes(const sgx::Bytes<Size>& from) {
  std::array<std::byte, Size> to{};
  std::memcpy(to.data(), from.data(), Size);
  return to;
}

EnclaveIdentity identity_of(const sgx::ReportBody& body) {
  return {.mrenclave = to_bytes(body.mrenclave.bytes),
          .mrsigner = to_bytes(body.mrsigner.bytes),
          .product_id = body.isv_prod_id,
          .svn = body.isv_svn,
          .debug = (body.attributes.flags & sgx::attribute::kDebug) != 0,
          .cpu_svn = to_bytes(body.cpu_svn),
          .family_id = to_bytes(body.isv_family_id),
          .extended_product_id = to_bytes(body.isv_ext_prod_id),
          .config_id = to_bytes(body.config_id),
          .config_svn = body.config_svn};
}

bool same_target(const sgx::TargetInfo& a, const sgx::TargetInfo& b) { return std::memcmp(&a, &b, sizeof(a)) == 0; }

// The 64 bytes of report data: the digest of all that the report shall answer for, and zeros.
bool data_over(std::string_view role, Pieces pieces, sgx::Bytes<64>& data) {
  Digest inner{};
  Digest digest{};
  if (!sha256(pieces, inner) || !sha256({bytes_of_text(role), inner}, digest)) return false;
  data = {};
  std::memcpy(data.data(), digest.data(), digest.size());
  return true;
}
constexpr std::string_view kResponderRole = "coffer local attestation 1 responder";
constexpr std::string_view kInitiatorRole = "coffer local attestation 1 initiator";

bool responder_data(const FirstMessage& first, const PublicKey& key, sgx::Bytes<64>& data) {
  return data_over(kResponderRole, {bytes_of(first), key}, data);
}
bool initiator_data(const FirstMessage& first, const SecondMessage& second, sgx::Bytes<64>& data) {
  return data_over(kInitiatorRole, {bytes_of(first), bytes_of(second)}, data);
}

// The secret that both sides agree on, bound to both keys and the initiator's identity.
bool session_secret(const EphemeralKey& own, const PublicKey& other, const FirstMessage& first,
                    const PublicKey& responder_key, Key256& secret) {
  Key256 shared;
  Digest salt{};
  return own.agree(other, shared) &&
         sha256({bytes_of_text("coffer local attestation 1"), bytes_of(first), responder_key}, salt) &&
         extract_key(salt, shared.bytes(), secret.bytes());
}

bool confirmation(const Key256& secret, std::string_view role, Pieces transcript, Digest& mac) {
  Key256 key;
  Digest digest{};
  return expand_key(secret.bytes(), role, {}, key.bytes()) && sha256(transcript, digest) &&
         hmac_sha256(key.bytes(), digest, mac);
}
constexpr std::string_view kResponderConfirms = "responder confirms";
constexpr std::string_view kInitiatorConfirms = "initiator confirms";

enum class Side : std::uint8_t { kInitiator, kResponder };

Outcome<SecureChannel> channel_of(const Key256& secret, Side side, Pieces transcript) {
  auto state = std::make_unique<SecureChannel::State>();
  Digest digest{};
  Key256& outward = side == Side::kInitiator ? state->sending : state->receiving;
  Key256& homeward = side == Side::kInitiator ? state->receiving : state->sending;
  if (!sha256(transcript, digest) || !expand_key(secret.bytes(), "initiator to responder", digest, outward.bytes()) ||
      !expand_key(secret.bytes(), "responder to initiator", digest, homeward.bytes()) ||
      !expand_key(secret.bytes(), "exported", digest, state->exporting.bytes())) {
    return EnclaveError::kSystem;
  }
  return SecureChannel(std::move(state));
}

bool same_data(const sgx::Report& report, const sgx::Bytes<64>& data) {
  return equal_in_constant_time(bytes_of(report.body.report_data), bytes_of(data));
}

// The other side's report: genuine, made for us, over this exchange, from somebody who is expected. In this order, so
// that what is said about a stranger's identity is true.
Outcome<EnclaveIdentity> check_peer(const sgx::Report& report, const sgx::Bytes<64>& data,
                                    const IdentityPolicy& expected) {
  if (!platform::check_report(report) || !same_data(report, data)) return EnclaveError::kRefused;
  const EnclaveIdentity identity = identity_of(report.body);
  if (!expected.accepts(identity)) return EnclaveError::kIdentity;
  return identity;
}

// TARGETINFO as EREPORT takes it: anything in its reserved bytes would be a fault.
bool is_target(const sgx::TargetInfo& target) {
  std::uint8_t reserved = target.reserved1;
  for (const std::uint8_t byte : target.reserved2) reserved |= byte;
  for (const std::uint8_t byte : target.reserved3) reserved |= byte;
  return reserved == 0;
}

sgx::Report as_report(const Report& report) {
  sgx::Report result;
  static_assert(sizeof(result) == sizeof(report));
  std::memcpy(&result, report.data(), sizeof(result));
  return result;
}

}  // namespace
}  // namespace sdk

using namespace sdk;  // NOLINT(google-build-using-namespace): the library's own parts, in its own file

Outcome<EnclaveIdentity> own_identity() {
  const auto own = platform::own_identity();
  if (!own) return own.error();
  return identity_of(*own);
}

bool IdentityPolicy::accepts(const EnclaveIdentity& identity) const {
  const auto holds = [](const auto& wanted, const auto& found) { return !wanted || *wanted == found; };
  return (mrenclave || mrsigner) && holds(mrenclave, identity.mrenclave) && holds(mrsigner, identity.mrsigner) &&
         holds(product_id, identity.product_id) && identity.svn >= least_svn && holds(family_id, identity.family_id) &&
         holds(extended_product_id, identity.extended_product_id) && (allow_debug || !identity.debug);
}

Outcome<EnclaveIdentity> check_report(const Report& report, const IdentityPolicy& expected) {
  const sgx::Report given = as_report(report);
  return check_peer(given, given.body.report_data, expected);
}

std::array<std::byte, 64> report_data(const Report& report) { return to_bytes(as_report(report).body.report_data); }

TargetInfo target_of(const Report& report) {
  const sgx::TargetInfo target = platform::target_of(as_report(report).body);
  TargetInfo result{};
  static_assert(sizeof(target) == sizeof(result));
  std::memcpy(result.data(), &target, sizeof(target));
  return result;
}

// --- the initiator

struct AttestationInitiator::State {
  IdentityPolicy expected;
  EphemeralKey key;
  FirstMessage first;
  bool used = false;
};

AttestationInitiator::AttestationInitiator(std::unique_ptr<State> state) : state_(std::move(state)) {}
AttestationInitiator::AttestationInitiator(AttestationInitiator&&) noexcept = default;
AttestationInitiator& AttestationInitiator::operator=(AttestationInitiator&&) noexcept = default;
AttestationInitiator::~AttestationInitiator() = default;

Outcome<AttestationInitiator> AttestationInitiator::start(const IdentityPolicy& expected) {
  const auto own = platform::own_identity();
  if (!own) return own.error();
  auto state = std::make_unique<State>();
  state->expected = expected;
  if (!state->key.generate()) return EnclaveError::kSystem;
  state->first.key = state->key.public_key();
  state->first.target = platform::target_of(*own);
  return AttestationInitiator(std::move(state));
}

std::span<const std::byte> AttestationInitiator::message() const { return bytes_of(state_->first); }

Outcome<AttestedSession> AttestationInitiator::finish(std::span<const std::byte> message) {
  if (std::exchange(state_->used, true)) return EnclaveError::kUsedUp;
  const EphemeralKey own = std::move(state_->key);  // gone after this, whatever comes of it
  const FirstMessage& first = state_->first;
  const auto second = parse<SecondMessage>(message);
  if (!second) return second.error();
  if (second->key == first.key) return EnclaveError::kRefused;  // our own key, sent back
  sgx::Bytes<64> data{};
  if (!responder_data(first, second->key, data)) return EnclaveError::kSystem;
  const auto peer = check_peer(second->report, data, state_->expected);
  if (!peer) return peer.error();
  Key256 secret;
  Digest expected{};
  if (!session_secret(own, second->key, first, second->key, secret)) return EnclaveError::kRefused;
  if (!confirmation(secret, kResponderConfirms, {bytes_of(first), unconfirmed(*second)}, expected)) {
    return EnclaveError::kSystem;
  }
  if (!equal_in_constant_time(expected, second->confirmation)) return EnclaveError::kRefused;

  if (!initiator_data(first, *second, data)) return EnclaveError::kSystem;
  const auto report = platform::make_report(platform::target_of(second->report.body), data);
  if (!report) return report.error();
  ThirdMessage third;
  third.report = *report;
  if (!confirmation(secret, kInitiatorConfirms, {bytes_of(first), bytes_of(*second), unconfirmed(third)},
                    third.confirmation)) {
    return EnclaveError::kSystem;
  }
  auto channel = channel_of(secret, Side::kInitiator, {bytes_of(first), bytes_of(*second), bytes_of(third)});
  if (!channel) return channel.error();
  const auto last = bytes_of(third);
  return AttestedSession{.peer = *peer, .channel = std::move(*channel), .message = {last.begin(), last.end()}};
}

// --- the responder

struct AttestationResponder::State {
  IdentityPolicy expected;
  FirstMessage first;
  SecondMessage second;
  Key256 secret;
  bool used = false;
};

AttestationResponder::AttestationResponder(std::unique_ptr<State> state) : state_(std::move(state)) {}
AttestationResponder::AttestationResponder(AttestationResponder&&) noexcept = default;
AttestationResponder& AttestationResponder::operator=(AttestationResponder&&) noexcept = default;
AttestationResponder::~AttestationResponder() = default;

Outcome<AttestationResponder> AttestationResponder::respond(std::span<const std::byte> message,
                                                            const IdentityPolicy& expected) {
  const auto first = parse<FirstMessage>(message);
  if (!first) return first.error();
  if (!is_target(first->target)) return EnclaveError::kMalformed;
  auto state = std::make_unique<State>();
  state->expected = expected;
  state->first = *first;
  SecondMessage& second = state->second;
  EphemeralKey key;
  if (!key.generate()) return EnclaveError::kSystem;
  second.key = key.public_key();
  sgx::Bytes<64> data{};
  if (!responder_data(*first, second.key, data)) return EnclaveError::kSystem;
  const auto report = platform::make_report(first->target, data);
  if (!report) return report.error();
  second.report = *report;
  if (!session_secret(key, first->key, *first, second.key, state->secret)) return EnclaveError::kMalformed;
  if (!confirmation(state->secret, kResponderConfirms, {bytes_of(*first), unconfirmed(second)}, second.confirmation)) {
    return EnclaveError::kSystem;
  }
  return AttestationResponder(std::move(state));
}

std::span<const std::byte> AttestationResponder::message() const { return bytes_of(state_->second); }

Outcome<AttestedSession> AttestationResponder::finish(std::span<const std::byte> message) {
  if (std::exchange(state_->used, true)) return EnclaveError::kUsedUp;
  const auto third = parse<ThirdMessage>(message);
  if (!third) return third.error();
  sgx::Bytes<64> data{};
  Digest expected{};
  const Bytes first = bytes_of(state_->first);
  const Bytes second = bytes_of(state_->second);
  if (!initiator_data(state_->first, state_->second, data) ||
      !confirmation(state_->secret, kInitiatorConfirms, {first, second, unconfirmed(*third)}, expected)) {
    return EnclaveError::kSystem;
  }
  const auto peer = check_peer(third->report, data, state_->expected);
  if (!peer) return peer.error();
  // Whoever began named itself as the target of our report: it has to be the same enclave.
  if (!same_target(platform::target_of(third->report.body), state_->first.target) ||
      !equal_in_constant_time(expected, third->confirmation)) {
    return EnclaveError::kRefused;
  }
  auto channel = channel_of(state_->secret, Side::kResponder, {first, second, bytes_of(*third)});
  state_->secret.clear();
  if (!channel) return channel.error();
  return AttestedSession{.peer = *peer, .channel = std::move(*channel), .message = {}};
}

}  // namespace coffer
