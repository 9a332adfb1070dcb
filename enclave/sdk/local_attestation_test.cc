#include <coffer/local_attestation.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

#include "enclave/sdk/testing/fake_platform.h"

namespace coffer::sdk {
namespace {

using testing::become;
using Message = std::vector<std::byte>;

Message copy(std::span<const std::byte> bytes) { return {bytes.begin(), bytes.end()}; }
std::span<const std::byte> view(std::string_view text) { return std::as_bytes(std::span(text)); }

template <class T>
std::optional<EnclaveError> why(const Outcome<T>& outcome) {
  return outcome ? std::nullopt : std::optional(outcome.error());
}
template <class T>
T must(Outcome<T> outcome) {
  if (!outcome) throw std::runtime_error(std::string(describe(outcome.error())));
  return *std::move(outcome);
}

template <std::size_t Size>
std::array<std::byte, Size> filled(std::uint8_t value) {
  std::array<std::byte, Size> bytes;
  bytes.fill(static_cast<std::byte>(value));
  return bytes;
}

// Two enclaves of one signer: the initiator has MRENCLAVE 1, the responder 7.
const sgx::Secs kInitiator = testing::identity(1, 2, 3);
const sgx::Secs kResponder = testing::identity(7, 2, 5);
const IdentityPolicy kOurs{.mrsigner = filled<32>(2)};

class LocalAttestation : public ::testing::Test {
 protected:
  ~LocalAttestation() override { testing::leave(); }

  AttestationInitiator start(const IdentityPolicy& policy = kOurs) {
    become(kInitiator);
    return must(AttestationInitiator::start(policy));
  }
  AttestationResponder respond(std::span<const std::byte> message, const IdentityPolicy& policy = kOurs) {
    become(kResponder);
    return must(AttestationResponder::respond(message, policy));
  }
  Outcome<AttestedSession> finish(AttestationInitiator& initiator, std::span<const std::byte> message) {
    become(kInitiator);
    return initiator.finish(message);
  }
  Outcome<AttestedSession> finish(AttestationResponder& responder, std::span<const std::byte> message) {
    become(kResponder);
    return responder.finish(message);
  }
  struct Both {
    AttestedSession initiator, responder;
  };
  Both connect() {
    auto initiator = start();
    auto responder = respond(initiator.message());
    auto ours = must(finish(initiator, responder.message()));
    auto theirs = must(finish(responder, ours.message));
    return {std::move(ours), std::move(theirs)};
  }
};

TEST_F(LocalAttestation, BothSidesLearnWhoTheOtherIsAndShareKeys) {
  auto [ours, theirs] = connect();
  EXPECT_EQ(ours.peer.mrenclave, filled<32>(7));
  EXPECT_EQ(ours.peer.svn, 5);
  EXPECT_EQ(theirs.peer.mrenclave, filled<32>(1));
  EXPECT_EQ(theirs.peer.mrsigner, filled<32>(2));
  EXPECT_FALSE(theirs.peer.debug);
  EXPECT_TRUE(theirs.message.empty());
  EXPECT_EQ(must(ours.channel.exported_key("a")).text(), must(theirs.channel.exported_key("a")).text());
  EXPECT_NE(must(ours.channel.exported_key("a")).text(), must(ours.channel.exported_key("b")).text());
  EXPECT_NE(must(connect().initiator.channel.exported_key("a")).text(), must(ours.channel.exported_key("a")).text());
  const auto request = must(ours.channel.seal(view("request")));
  EXPECT_EQ((*must(theirs.channel.open(request))).text(), "request");
  const auto answer = must(theirs.channel.seal(view("answer")));
  EXPECT_EQ((*must(ours.channel.open(answer))).text(), "answer");
}

TEST_F(LocalAttestation, EachSideRefusesWhomItsPolicyDoesNotAccept) {
  const IdentityPolicy wrong[] = {{},
                                  {.mrsigner = filled<32>(3)},
                                  {.mrenclave = filled<32>(9), .mrsigner = filled<32>(2)},
                                  {.mrsigner = filled<32>(2), .product_id = 1},
                                  {.mrsigner = filled<32>(2), .least_svn = 6},
                                  {.mrsigner = filled<32>(2), .family_id = filled<16>(1)}};
  for (const IdentityPolicy& policy : wrong) {
    auto initiator = start(policy);
    auto responder = respond(initiator.message());
    EXPECT_EQ(why(finish(initiator, responder.message())), EnclaveError::kIdentity);

    auto trusting = start();
    auto strict = respond(trusting.message(), policy);
    auto ours = must(finish(trusting, strict.message()));
    EXPECT_EQ(why(finish(strict, ours.message)), EnclaveError::kIdentity);
    EXPECT_EQ(why(finish(strict, ours.message)), EnclaveError::kUsedUp);
  }
}

TEST_F(LocalAttestation, DebugEnclavesWantLeave) {
  sgx::Secs debug = kResponder;
  debug.attributes.flags |= sgx::attribute::kDebug;
  for (const bool allowed : {false, true}) {
    IdentityPolicy policy = kOurs;
    policy.allow_debug = allowed;
    auto initiator = start(policy);
    become(debug);
    auto responder = must(AttestationResponder::respond(initiator.message(), kOurs));
    const auto ours = finish(initiator, responder.message());
    EXPECT_EQ(ours.has_value(), allowed);
    if (ours) {
      EXPECT_TRUE(ours->peer.debug);
    }
  }
}

TEST_F(LocalAttestation, AnotherPlatformIsRefused) {
  auto initiator = start();
  become(kResponder, 1);
  auto responder = must(AttestationResponder::respond(initiator.message(), kOurs));
  EXPECT_EQ(why(finish(initiator, responder.message())), EnclaveError::kRefused);
}

// Every message with one bit changed, at every byte.
TEST_F(LocalAttestation, ChangedMessagesAreRefused) {
  const auto changed = [](std::span<const std::byte> message, std::size_t at) {
    Message other = copy(message);
    other[at] ^= static_cast<std::byte>(1 << at % 8);
    return other;
  };
  for (std::size_t at = 0; at < 552; at += 3) {
    auto initiator = start();
    become(kResponder);
    auto responder = AttestationResponder::respond(changed(initiator.message(), at), kOurs);
    if (!responder) continue;  // malformed; else the initiator sees that another message was answered
    EXPECT_FALSE(finish(initiator, responder->message())) << "first message, byte " << at;
  }
  for (std::size_t at = 0; at < 504; ++at) {
    auto initiator = start();
    auto responder = respond(initiator.message());
    EXPECT_FALSE(finish(initiator, changed(responder.message(), at))) << "second message, byte " << at;
  }
  for (std::size_t at = 0; at < 472; ++at) {
    auto initiator = start();
    auto responder = respond(initiator.message());
    const auto ours = must(finish(initiator, responder.message()));
    EXPECT_FALSE(finish(responder, changed(ours.message, at))) << "third message, byte " << at;
  }
}

TEST_F(LocalAttestation, OtherLengthsAreMalformed) {
  auto initiator = start();
  for (const std::size_t size : {0, 8, 551, 553}) {
    Message message = copy(initiator.message());
    message.resize(size);
    become(kResponder);
    EXPECT_EQ(why(AttestationResponder::respond(message, kOurs)), EnclaveError::kMalformed);
  }
  auto responder = respond(initiator.message());
  EXPECT_EQ(why(finish(initiator, responder.message().first(503))), EnclaveError::kMalformed);
  EXPECT_EQ(why(finish(initiator, responder.message())), EnclaveError::kUsedUp);
}

TEST_F(LocalAttestation, ReplayedMessagesAreRefused) {
  auto initiator = start();
  auto responder = respond(initiator.message());
  const Message first = copy(initiator.message());
  const Message second = copy(responder.message());
  const auto ours = must(finish(initiator, second));
  ASSERT_TRUE(finish(responder, ours.message));
  // The responder's old answer to a new initiator, the initiator's old messages to a new responder.
  auto again = start();
  EXPECT_EQ(why(finish(again, second)), EnclaveError::kRefused);
  auto next = respond(first);
  EXPECT_EQ(why(finish(next, ours.message)), EnclaveError::kRefused);
}

TEST_F(LocalAttestation, MessagesSentBackAreRefused) {
  auto initiator = start();
  EXPECT_EQ(why(finish(initiator, initiator.message())), EnclaveError::kMalformed);
  // The initiator's third message dressed as a second one, and its own key in an answer to it.
  auto other = start();
  auto responder = respond(other.message());
  const auto ours = must(finish(other, responder.message()));
  auto fresh = start();
  Message dressed = copy(responder.message());
  std::copy(ours.message.begin() + 8, ours.message.end(), dressed.begin() + 40);
  EXPECT_EQ(why(finish(fresh, dressed)), EnclaveError::kRefused);
  auto mirrored = start();
  Message mirror = copy(respond(mirrored.message()).message());
  std::copy_n(mirrored.message().begin() + 8, 32, mirror.begin() + 8);
  EXPECT_EQ(why(finish(mirrored, mirror)), EnclaveError::kRefused);
}

TEST_F(LocalAttestation, NobodyInTheMiddleCanPutItsKeyIn) {
  // A third enclave, accepted by neither, relays with a key of its own.
  const sgx::Secs thief = testing::identity(66, 66, 9);
  auto initiator = start();
  become(thief);
  auto towards_responder = must(AttestationInitiator::start({.mrsigner = filled<32>(2)}));
  auto responder = respond(towards_responder.message());
  become(thief);
  auto from_thief = must(towards_responder.finish(responder.message()));
  EXPECT_EQ(why(finish(responder, from_thief.message)), EnclaveError::kIdentity);
  become(thief);
  auto towards_initiator = must(AttestationResponder::respond(initiator.message(), {.mrsigner = filled<32>(2)}));
  EXPECT_EQ(why(finish(initiator, towards_initiator.message())), EnclaveError::kIdentity);
  // The responder's real report with the thief's key: the report does not cover it.
  auto honest = start();
  Message second = copy(respond(honest.message()).message());
  std::copy_n(towards_initiator.message().begin() + 8, 32, second.begin() + 8);
  EXPECT_EQ(why(finish(honest, second)), EnclaveError::kRefused);
}

TEST_F(LocalAttestation, PointsOfSmallOrderAreRefused) {
  auto initiator = start();
  Message first = copy(initiator.message());
  std::fill_n(first.begin() + 8, 32, std::byte{0});
  become(kResponder);
  EXPECT_EQ(why(AttestationResponder::respond(first, kOurs)), EnclaveError::kMalformed);
}

TEST_F(LocalAttestation, OutsideThereIsNone) {
  testing::leave();
  EXPECT_EQ(why(AttestationInitiator::start(kOurs)), EnclaveError::kOutside);
  EXPECT_EQ(why(own_identity()), EnclaveError::kOutside);
}

// --- the channel

class Channel : public LocalAttestation {
 protected:
  Both both_ = connect();
  SecureChannel& ours_ = both_.initiator.channel;
  SecureChannel& theirs_ = both_.responder.channel;
};

TEST_F(Channel, RecordsComeInOrderOnceAndWhole) {
  const auto a = must(ours_.seal(view("a")));
  const auto b = must(ours_.seal(view("b")));
  EXPECT_EQ(a.size(), 1 + SecureChannel::kOverhead);
  EXPECT_EQ(why(theirs_.open(b)), EnclaveError::kRefused);  // too early
  EXPECT_EQ((*must(theirs_.open(a))).text(), "a");
  EXPECT_EQ(why(theirs_.open(a)), EnclaveError::kRefused);  // again
  EXPECT_EQ(why(ours_.open(a)), EnclaveError::kRefused);    // sent back
  EXPECT_EQ((*must(theirs_.open(b))).text(), "b");
}

TEST_F(Channel, ChangedRecordsAreRefusedAndTheRightOneStillOpens) {
  const auto record = must(ours_.seal(view("a record")));
  for (std::size_t at = 0; at < record.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      auto changed = record;
      changed[at] ^= static_cast<std::byte>(1 << bit);
      ASSERT_FALSE(theirs_.open(changed)) << at;
    }
    ASSERT_FALSE(theirs_.open(std::span(record).first(at))) << at;
  }
  EXPECT_EQ((*must(theirs_.open(record))).text(), "a record");
}

TEST_F(Channel, TheEndIsSaidAndNothingComesAfterIt) {
  const auto last = must(ours_.seal({}));
  const auto end = must(ours_.close());
  EXPECT_EQ(why(ours_.seal(view("x"))), EnclaveError::kUsedUp);
  EXPECT_EQ(why(theirs_.open(end)), EnclaveError::kRefused);  // a record is missing before it
  EXPECT_TRUE((*must(theirs_.open(last))).empty());
  EXPECT_FALSE(must(theirs_.open(end)).has_value());
  EXPECT_EQ(why(theirs_.open(end)), EnclaveError::kUsedUp);
  EXPECT_TRUE(theirs_.seal(view("the other direction goes on")));
}

TEST_F(Channel, ReportsAreCheckedForTheirMakerAndTarget) {
  become(kResponder);
  Report report{};
  const auto made = must(AttestationInitiator::start(kOurs));  // names the responder as a target
  std::memcpy(report.data(), made.message().data(), report.size());
  EXPECT_EQ(why(check_report(report, kOurs)), EnclaveError::kRefused);
  auto initiator = start();
  auto responder = respond(initiator.message());
  std::memcpy(report.data(), responder.message().data() + 40, report.size());
  EXPECT_EQ(why(check_report(report, kOurs)), EnclaveError::kRefused);  // for the initiator
  become(kInitiator);
  EXPECT_EQ(must(check_report(report, kOurs)).mrenclave, filled<32>(7));
  EXPECT_EQ(why(check_report(report, {.mrenclave = filled<32>(1)})), EnclaveError::kIdentity);
  EXPECT_EQ(std::memcmp(target_of(report).data(), filled<32>(7).data(), 32), 0);
  EXPECT_EQ(std::memcmp(report_data(report).data(), report.data() + 320, 64), 0);
}

}  // namespace
}  // namespace coffer::sdk
