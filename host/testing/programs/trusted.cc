// What a program inside does with Coffer::enclave, one call for each thing. Status 0, or -1000 - EnclaveError.
#include <coffer/local_attestation.h>
#include <coffer/monotonic_counter.h>
#include <coffer/sealing.h>

#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "host/testing/programs/trusted_functions.h"

namespace {

using namespace coffer;
using namespace coffer::host::testing::trusted;
using Bytes = std::span<const std::byte>;

std::optional<AttestationInitiator> initiator;
std::optional<AttestationResponder> responder;
std::optional<AttestedSession> session;

long status_of(EnclaveError error) { return -1000 - static_cast<long>(error); }

// Puts results where the host gets them.
class Result {
 public:
  Result(std::span<std::byte> room, std::size_t& written) : room_(room), written_(written) {}
  long give(Bytes bytes) {
    if (bytes.size() > room_.size()) return -7;
    if (!bytes.empty()) std::memcpy(room_.data(), bytes.data(), bytes.size());
    written_ = bytes.size();
    return 0;
  }
  long give(const Outcome<std::uint64_t>& number) {
    return number ? give(std::as_bytes(std::span(&*number, 1))) : status_of(number.error());
  }

 private:
  std::span<std::byte> room_;
  std::size_t& written_;
};

std::uint64_t number_of(Bytes input) {
  std::uint64_t number = 0;
  std::memcpy(&number, input.data(), std::min(input.size(), sizeof(number)));
  return number;
}

// 32 bytes of MRSIGNER, least SVN, whether debug enclaves are accepted; then the message.
constexpr std::size_t kPolicySize = 34;
IdentityPolicy policy_of(Bytes input) {
  IdentityPolicy policy;
  std::memcpy(policy.mrsigner.emplace().data(), input.data(), 32);
  policy.least_svn = static_cast<std::uint16_t>(input[32]);
  policy.allow_debug = input[33] != std::byte{0};
  return policy;
}

long seal_input(Bytes input, Result result) {
  SealTo to;
  to.policy = static_cast<SealPolicy>(input[0]);
  const auto blob = seal(input.subspan(1), to);
  return blob ? result.give(*blob) : status_of(blob.error());
}

long unseal_input(Bytes input, Result result) {
  const auto opened = unseal(input);
  return opened ? result.give(opened->secret.bytes()) : status_of(opened.error());
}

long create_counter(Bytes input, Result result) {
  const auto made = MonotonicCounter::create(input[0] == std::byte{2} ? CounterOwner::kSigner : CounterOwner::kEnclave);
  return made ? result.give(Outcome<std::uint64_t>(made->id())) : status_of(made.error());
}

long start(Bytes input, Result result) {
  auto begun = AttestationInitiator::start(policy_of(input));
  if (!begun) return status_of(begun.error());
  initiator.emplace(*std::move(begun));
  return result.give(initiator->message());
}

long respond(Bytes input, Result result) {
  auto answered = AttestationResponder::respond(input.subspan(kPolicySize), policy_of(input));
  if (!answered) return status_of(answered.error());
  responder.emplace(*std::move(answered));
  return result.give(responder->message());
}

template <class Side>
long finish(std::optional<Side>& side, Bytes input, Result result) {
  if (!side) return -22;
  auto finished = side->finish(input);
  if (!finished) return status_of(finished.error());
  session.emplace(*std::move(finished));
  return result.give(session->message);
}

long send(Bytes input, Result result) {
  const auto record = session->channel.seal(input);
  return record ? result.give(*record) : status_of(record.error());
}

long receive(Bytes input, Result result) {
  const auto message = session->channel.open(input);
  if (!message) return status_of(message.error());
  return *message ? result.give((*message)->bytes()) : 1;
}

long identity(Result result) {
  const auto own = own_identity();
  if (!own) return status_of(own.error());
  return result.give(own->mrsigner);
}

long handle(const Call& call, std::span<std::byte> output, std::size_t& written) {
  const Result result(output, written);
  const MonotonicCounter counter(number_of(call.input));
  switch (call.index) {
    case kSeal:
      return seal_input(call.input, result);
    case kUnseal:
      return unseal_input(call.input, result);
    case kCreateCounter:
      return create_counter(call.input, result);
    case kReadCounter:
      return Result(result).give(counter.read());
    case kIncrementCounter:
      return Result(result).give(counter.increment());
    case kDestroyCounter:
      return counter.destroy() ? 0 : status_of(EnclaveError::kNotFound);
    case kStart:
      return start(call.input, result);
    case kRespond:
      return respond(call.input, result);
    case kFinishInitiator:
      return finish(initiator, call.input, result);
    case kFinishResponder:
      return finish(responder, call.input, result);
    case kSend:
      return send(call.input, result);
    case kReceive:
      return receive(call.input, result);
    case kIdentity:
      return identity(result);
    default:
      return -38;
  }
}

}  // namespace

int main() {
  std::vector<std::byte> buffer(2 * 65536);
  serve(buffer, handle);
}
