// Local attestation: who another enclave of this platform is, and a channel to it. Link Coffer::enclave.
//
// Two enclaves exchange three messages, over anything, and each learns from a report of the other's processor who the
// other is; the keys of a SecureChannel come out of the same exchange (docs/design/local-attestation.md has the flow).
// Each side says whom it accepts. Messages that were changed, replayed, mixed up or sent back are refused.
//
//   initiator                                              responder
//   auto start = AttestationInitiator::start(policy);
//   send(start->message());                      ------>   auto answer = AttestationResponder::respond(m1, policy);
//                                                <------   send(answer->message());
//   auto session = start->finish(m2);
//   send(session->message);                      ------>   auto session = answer->finish(m3);
//   send(*session->channel.seal(request));       ------>   auto request = session->channel.open(record);
//
// A report tells enclaves apart, not two instances of one: an enclave whose policy accepts itself may be talking to
// itself. Objects are for one thread at a time; different objects are independent.
#pragma once

#include <coffer/enclave.h>
#include <coffer/outcome.h>
#include <coffer/secret_bytes.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace coffer {

// What a report says of an enclave (SDM volume 3D, REPORT). The ids of key separation are zero without KSS.
struct EnclaveIdentity {
  std::array<std::byte, 32> mrenclave{}, mrsigner{};
  std::uint16_t product_id = 0, svn = 0;
  bool debug = false;
  std::array<std::byte, 16> cpu_svn{}, family_id{}, extended_product_id{};
  std::array<std::byte, 64> config_id{};
  std::uint16_t config_svn = 0;
};

// kOutside.
[[nodiscard]] Outcome<EnclaveIdentity> own_identity();

// Whom to accept. Everything that is set must hold; with neither MRENCLAVE nor MRSIGNER it accepts nobody, since
// anybody can sign enclaves.
//
//   coffer::IdentityPolicy ours{.mrsigner = coffer::own_identity()->mrsigner, .product_id = 3, .least_svn = 2};
struct IdentityPolicy {
  // NOLINTBEGIN(readability-redundant-member-init): GCC's -Wextra warns of members without one that a caller leaves out
  std::optional<std::array<std::byte, 32>> mrenclave{}, mrsigner{};
  std::optional<std::uint16_t> product_id{};
  std::uint16_t least_svn = 0;
  std::optional<std::array<std::byte, 16>> family_id{}, extended_product_id{};
  // NOLINTEND(readability-redundant-member-init)
  bool allow_debug = false;  // a debug enclave keeps no secret from whoever runs it

  [[nodiscard]] bool accepts(const EnclaveIdentity& identity) const;
};

// Who made `report` for this enclave. kRefused: not genuine, or made for another; kIdentity: not whom the policy
// accepts. What the report's 64 bytes of data mean, and that they are fresh, is the caller's to check: report_data().
//
//   const auto peer = coffer::check_report(report, ours);
//   if (peer && coffer::report_data(report) == expected) ...
[[nodiscard]] Outcome<EnclaveIdentity> check_report(const Report& report, const IdentityPolicy& expected);
[[nodiscard]] std::array<std::byte, 64> report_data(const Report& report);
// What to name in report() so that the enclave that made `report` can check the answer.
[[nodiscard]] TargetInfo target_of(const Report& report);

// Messages between two enclaves that share a secret: AES-256-GCM, a key for each direction, numbered. What is opened
// came from the other side, once, in this order, and nothing is missing in between. A record that is refused changes
// nothing: the one that is due can still come.
class SecureChannel {
 public:
  static constexpr std::size_t kOverhead = 32;  // bytes that a record is longer than what is in it

  SecureChannel(SecureChannel&&) noexcept;
  SecureChannel& operator=(SecureChannel&&) noexcept;
  ~SecureChannel();

  // A record for the other side. kUsedUp: closed; kExhausted: 2^48 records.
  [[nodiscard]] Outcome<std::vector<std::byte>> seal(std::span<const std::byte> message);
  // What is in the next record; nothing where the other side has closed the channel. kMalformed, kRefused; kUsedUp:
  // after its end.
  [[nodiscard]] Outcome<std::optional<SecretBytes>> open(std::span<const std::byte> record);
  // The last record: what the other side then knows for the end, so that a cut is no end.
  [[nodiscard]] Outcome<std::vector<std::byte>> close();

  // 32 bytes that both sides have and nobody else, for a use of their own; the same for the same label.
  [[nodiscard]] Outcome<SecretBytes> exported_key(std::string_view label) const;

  struct State;
  explicit SecureChannel(std::unique_ptr<State> state);

 private:
  std::unique_ptr<State> state_;
};

struct AttestedSession {
  EnclaveIdentity peer;
  SecureChannel channel;
  std::vector<std::byte> message;  // the initiator's last, to be sent before anything else; empty for the responder
};

class AttestationInitiator {
 public:
  // kOutside.
  [[nodiscard]] static Outcome<AttestationInitiator> start(const IdentityPolicy& expected);
  AttestationInitiator(AttestationInitiator&&) noexcept;
  AttestationInitiator& operator=(AttestationInitiator&&) noexcept;
  ~AttestationInitiator();

  [[nodiscard]] std::span<const std::byte> message() const;
  // With the responder's message, once, whatever comes of it (then kUsedUp). kMalformed, kRefused, kIdentity.
  [[nodiscard]] Outcome<AttestedSession> finish(std::span<const std::byte> message);

 private:
  struct State;
  explicit AttestationInitiator(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

class AttestationResponder {
 public:
  // Answers an initiator's first message. kOutside, kMalformed.
  [[nodiscard]] static Outcome<AttestationResponder> respond(std::span<const std::byte> message,
                                                             const IdentityPolicy& expected);
  AttestationResponder(AttestationResponder&&) noexcept;
  AttestationResponder& operator=(AttestationResponder&&) noexcept;
  ~AttestationResponder();

  [[nodiscard]] std::span<const std::byte> message() const;
  // With the initiator's second message, once. kMalformed, kRefused, kIdentity.
  [[nodiscard]] Outcome<AttestedSession> finish(std::span<const std::byte> message);

 private:
  struct State;
  explicit AttestationResponder(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace coffer
