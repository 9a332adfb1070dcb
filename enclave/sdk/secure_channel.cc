// A record: its number (8 bytes) and kind (1), seven zeros, ciphertext, tag. The front is authenticated; the number is
// the nonce. Each direction has a key of its own, so a record that is sent back opens nowhere.
#include <array>
#include <cstring>

#include "base/bytes.h"
#include "enclave/sdk/channel_state.h"
#include "enclave/sdk/crypto.h"

namespace coffer {
namespace {

constexpr std::uint64_t kMostRecords = std::uint64_t{1} << 48;
constexpr std::uint8_t kData = 0, kEnd = 1;

struct RecordFront {
  std::uint64_t number = 0;
  std::uint8_t kind = kData;
  std::array<std::uint8_t, 7> zeros{};
};
static_assert(sizeof(RecordFront) + sdk::kGcmTag == SecureChannel::kOverhead);

std::array<std::byte, sdk::kGcmNonce> nonce_of(std::uint64_t number) {
  std::array<std::byte, sdk::kGcmNonce> nonce{};
  std::memcpy(nonce.data(), &number, sizeof(number));
  return nonce;
}

Outcome<std::vector<std::byte>> make_record(SecureChannel::State& state, std::uint8_t kind,
                                            std::span<const std::byte> message) {
  if (state.closed) return EnclaveError::kUsedUp;
  if (state.sent >= kMostRecords) return EnclaveError::kExhausted;
  const RecordFront front{.number = state.sent, .kind = kind, .zeros = {}};
  std::vector<std::byte> record(SecureChannel::kOverhead + message.size());
  std::memcpy(record.data(), &front, sizeof(front));
  const std::span<std::byte> whole(record);
  if (!sdk::gcm_seal(state.sending.bytes(), nonce_of(front.number), {whole.first<sizeof(front)>()}, message,
                     whole.subspan(sizeof(front), message.size()), whole.last<sdk::kGcmTag>())) {
    return EnclaveError::kSystem;
  }
  ++state.sent;
  state.closed = kind == kEnd;
  return record;
}

}  // namespace

SecureChannel::SecureChannel(std::unique_ptr<State> state) : state_(std::move(state)) {}
SecureChannel::SecureChannel(SecureChannel&&) noexcept = default;
SecureChannel& SecureChannel::operator=(SecureChannel&&) noexcept = default;
SecureChannel::~SecureChannel() = default;

Outcome<std::vector<std::byte>> SecureChannel::seal(std::span<const std::byte> message) {
  return make_record(*state_, kData, message);
}

Outcome<std::vector<std::byte>> SecureChannel::close() { return make_record(*state_, kEnd, {}); }

Outcome<std::optional<SecretBytes>> SecureChannel::open(std::span<const std::byte> record) {
  if (state_->ended) return EnclaveError::kUsedUp;
  if (record.size() < kOverhead) return EnclaveError::kMalformed;
  RecordFront front;
  std::memcpy(&front, record.data(), sizeof(front));
  if (front.number != state_->received || front.kind > kEnd) return EnclaveError::kRefused;
  SecretBytes message(record.size() - kOverhead);
  if (!sdk::gcm_open(state_->receiving.bytes(), nonce_of(front.number), {record.first<sizeof(front)>()},
                     record.subspan(sizeof(front), message.size()), message.bytes(), record.last<sdk::kGcmTag>())) {
    return EnclaveError::kRefused;
  }
  ++state_->received;
  state_->ended = front.kind == kEnd;
  if (state_->ended) return std::optional<SecretBytes>();
  return std::optional(std::move(message));
}

Outcome<SecretBytes> SecureChannel::exported_key(std::string_view label) const {
  SecretBytes key(32);
  if (!sdk::expand_key(state_->exporting.bytes(), label, {}, key.bytes().first<32>())) return EnclaveError::kSystem;
  return key;
}

}  // namespace coffer
