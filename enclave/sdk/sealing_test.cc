#include <coffer/sealing.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "enclave/sdk/sealing_format.h"
#include "enclave/sdk/testing/fake_platform.h"

namespace coffer::sdk {
namespace {

using testing::become;
using testing::identity;
using Blob = std::vector<std::byte>;

std::span<const std::byte> view(std::string_view text) { return std::as_bytes(std::span(text)); }
std::string text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Blob must_seal(std::string_view secret, const SealTo& to = {}, const SealedAlong& along = {}) {
  auto blob = seal(view(secret), to, along);
  if (!blob) throw std::runtime_error(std::string(describe(blob.error())));
  return std::move(*blob);
}

constexpr SealTo kToSigner{.policy = SealPolicy::kMrSigner};

class Sealing : public ::testing::Test {
 protected:
  Sealing() { become(identity()); }
  ~Sealing() override { testing::leave(); }
};

// The error, or nothing where there was none.
template <class T>
std::optional<EnclaveError> why(const Outcome<T>& outcome) {
  return outcome ? std::nullopt : std::optional(outcome.error());
}

TEST_F(Sealing, WhatWasSealedComesBack) {
  for (const std::string& secret :
       {std::string(), std::string("x"), std::string(1000, 's'), std::string(100'000, 't')}) {
    const Blob blob = must_seal(secret);
    EXPECT_EQ(blob.size(), 112 + secret.size() + 16);
    if (secret.size() > 1) {
      EXPECT_EQ(text(blob).find(secret.substr(0, 8)), std::string::npos);
    }
    const auto opened = unseal(blob);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->secret.text(), secret);
    EXPECT_TRUE(opened->readable.empty());
  }
}

TEST_F(Sealing, NoTwoBlobsAreAlike) {
  const Blob a = must_seal("secret");
  const Blob b = must_seal("secret");
  EXPECT_FALSE(std::equal(a.begin() + 32, a.begin() + 64, b.begin() + 32));  // key id
  EXPECT_FALSE(std::equal(a.begin() + 64, a.begin() + 96, b.begin() + 64));  // salt
  EXPECT_FALSE(std::equal(a.begin() + 112, a.end(), b.begin() + 112));
}

TEST_F(Sealing, OnlyTheSameEnclaveUnsealsForMrEnclave) {
  const Blob blob = must_seal("secret");
  become(identity(1, 2, 9));  // what is measured is the same, a higher version
  EXPECT_TRUE(unseal(blob));
  become(identity(7, 2, 3));
  EXPECT_EQ(why(unseal(blob)), EnclaveError::kRefused);
}

TEST_F(Sealing, TheSignersEnclavesUnsealForMrSigner) {
  const Blob blob = must_seal("secret", kToSigner);
  become(identity(7, 2, 3));
  EXPECT_TRUE(unseal(blob));
  become(identity(1, 8, 3));
  EXPECT_EQ(why(unseal(blob)), EnclaveError::kRefused);
  sgx::Secs other_product = identity();
  other_product.isv_prod_id = 5;
  become(other_product);
  EXPECT_EQ(why(unseal(blob)), EnclaveError::kRefused);
}

TEST_F(Sealing, AnotherPlatformOrADebugEnclaveIsRefused) {
  const Blob blob = must_seal("secret", kToSigner);
  become(identity(), 1);
  EXPECT_EQ(why(unseal(blob)), EnclaveError::kRefused);
  sgx::Secs debug = identity();
  debug.attributes.flags |= sgx::attribute::kDebug;
  become(debug);
  EXPECT_EQ(why(unseal(blob)), EnclaveError::kRefused);
  const Blob of_debug = must_seal("secret", kToSigner);
  become(identity());
  EXPECT_EQ(why(unseal(of_debug)), EnclaveError::kRefused);
}

TEST_F(Sealing, HigherVersionsReadWhatLowerOnesSealedAndNotTheReverse) {
  const Blob of_three = must_seal("secret", kToSigner);
  become(identity(7, 2, 4));
  EXPECT_TRUE(unseal(of_three));
  const Blob of_four = must_seal("secret", kToSigner);
  const Blob for_three = must_seal("secret", {.policy = SealPolicy::kMrSigner, .svn = 3});
  EXPECT_EQ(why(seal(view("x"), {.svn = 5})), EnclaveError::kInvalid);
  become(identity(1, 2, 3));
  EXPECT_EQ(why(unseal(of_four)), EnclaveError::kDowngrade);
  EXPECT_TRUE(unseal(for_three));
  // To say that it was sealed for a lower version does not help: that is another key.
  Blob lowered = of_four;
  lowered[12] = std::byte{3};
  EXPECT_EQ(why(unseal(lowered)), EnclaveError::kRefused);
}

TEST_F(Sealing, KeySeparationNeedsImagesThatHaveIt) {
  EXPECT_EQ(why(seal(view("x"), {.any_product = true})), EnclaveError::kInvalid);
  EXPECT_EQ(why(seal(view("x"), {.same_configuration = true})), EnclaveError::kInvalid);
  sgx::Secs kss = identity();
  kss.attributes.flags |= sgx::attribute::kKss;
  kss.isv_prod_id = 1;
  kss.reserved4[0] = 1;  // the family id, as SoftEnclave::einit keeps it
  become(kss);
  const Blob family = must_seal("f", {.policy = SealPolicy::kMrSigner, .any_product = true, .same_family = true});
  sgx::Secs sibling = kss;
  sibling.isv_prod_id = 2;
  sibling.mrenclave.bytes.fill(9);
  become(sibling);
  EXPECT_TRUE(unseal(family));
  sgx::Secs stranger = sibling;
  stranger.reserved4[0] = 2;
  become(stranger);
  EXPECT_EQ(why(unseal(family)), EnclaveError::kRefused);
  become(identity());  // without KSS at all
  EXPECT_EQ(why(unseal(family)), EnclaveError::kRefused);
}

TEST_F(Sealing, DataAlongIsAuthenticated) {
  const Blob blob = must_seal("secret", {}, {.readable = view("for everybody"), .bound = view("for nobody")});
  const auto opened = unseal(blob, view("for nobody"));
  ASSERT_TRUE(opened);
  EXPECT_EQ(text(opened->readable), "for everybody");
  EXPECT_NE(text(blob).find("for everybody"), std::string::npos);
  EXPECT_EQ(text(blob).find("for nobody"), std::string::npos);
  EXPECT_EQ(why(unseal(blob)), EnclaveError::kRefused);
  EXPECT_EQ(why(unseal(blob, view("for somebody"))), EnclaveError::kRefused);
  // The border between the two counts.
  const Blob ab = must_seal("secret", {}, {.readable = view("a"), .bound = view("b")});
  Blob moved = must_seal("secret", {}, {.readable = view("ab")});
  EXPECT_TRUE(unseal(moved));
  EXPECT_EQ(why(unseal(moved, view("b"))), EnclaveError::kRefused);
  EXPECT_EQ(why(unseal(ab, view("ab"))), EnclaveError::kRefused);
}

TEST_F(Sealing, EveryFlippedBitIsRefused) {
  const Blob blob = must_seal("a secret of some length", kToSigner, {.readable = view("readable")});
  for (std::size_t at = 0; at < blob.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      Blob flipped = blob;
      flipped[at] ^= static_cast<std::byte>(1 << bit);
      ASSERT_FALSE(unseal(flipped)) << "byte " << at << " bit " << bit;
    }
  }
}

TEST_F(Sealing, EveryOtherLengthIsRefused) {
  Blob blob = must_seal("a secret", kToSigner, {.readable = view("readable")});
  for (std::size_t size = 0; size < blob.size(); ++size) {
    EXPECT_EQ(why(unseal(std::span(blob).first(size))), EnclaveError::kMalformed);
  }
  blob.push_back({});
  EXPECT_EQ(why(unseal(blob)), EnclaveError::kMalformed);
}

TEST_F(Sealing, SizesBeyondTheBlobAreMalformed) {
  const Blob blob = must_seal("a secret");
  for (const std::size_t field : {96, 104}) {
    for (const std::uint64_t size :
         {~std::uint64_t{0}, std::uint64_t{1} << 63, std::uint64_t{1} << 34, ~std::uint64_t{0} - 127}) {
      Blob wild = blob;
      std::memcpy(&wild[field], &size, sizeof(size));
      EXPECT_EQ(why(unseal(wild)), EnclaveError::kMalformed);
      EXPECT_FALSE(inspect_sealed(wild));
    }
  }
}

TEST_F(Sealing, InspectionNeedsNoEnclave) {
  const Blob blob = must_seal("secret", kToSigner, {.readable = view("label")});
  testing::leave();
  const auto info = inspect_sealed(blob);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->to.policy, SealPolicy::kMrSigner);
  EXPECT_EQ(info->to.svn, 3);
  EXPECT_EQ(text(info->readable), "label");
  EXPECT_EQ(info->secret_size, 6u);
  EXPECT_FALSE(info->stream);
  EXPECT_EQ(why(unseal(blob)), EnclaveError::kOutside);
  EXPECT_EQ(why(seal(view("x"))), EnclaveError::kOutside);
  EXPECT_EQ(why(Sealer::create()), EnclaveError::kOutside);
}

TEST_F(Sealing, ASealerAsksForItsKeyOnce) {
  become(identity());
  const auto sealer = Sealer::create(kToSigner);
  ASSERT_TRUE(sealer);
  const auto a = sealer->seal(view("one"));
  const auto b = sealer->seal(view("one"), {.bound = view("bound")});
  ASSERT_TRUE(a && b);
  EXPECT_FALSE(std::equal(a->begin() + 64, a->begin() + 96, b->begin() + 64));  // salt
  EXPECT_EQ(sealer->unseal(*a)->secret.text(), "one");
  EXPECT_EQ(sealer->unseal(*b, view("bound"))->secret.text(), "one");
  EXPECT_EQ(testing::key_requests(), 1);
  EXPECT_EQ(unseal(*a)->secret.text(), "one");  // a blob like any other
  EXPECT_EQ(sealer->unseal(must_seal("other", kToSigner))->secret.text(), "other");
  EXPECT_EQ(testing::key_requests(), 4);
  Blob flipped = *a;
  flipped[70] ^= std::byte{1};
  EXPECT_EQ(why(sealer->unseal(flipped)), EnclaveError::kRefused);
}

// --- streams

StreamSource source_of(const std::string& content, std::size_t piece, std::size_t& at) {
  return [&content, piece, &at](std::span<std::byte> room) -> Outcome<std::size_t> {
    const std::size_t size = std::min({room.size(), piece, content.size() - at});
    std::memcpy(room.data(), content.data() + at, size);
    at += size;
    return size;
  };
}
StreamSink sink_to(std::string& content) {
  return [&content](std::span<const std::byte> bytes) -> Outcome<void> {
    content += text(bytes);
    return {};
  };
}

std::string seal_text(const std::string& content, const SealedAlong& along = {}) {
  std::string sealed;
  std::size_t at = 0;
  const auto done = seal_stream(source_of(content, 7777, at), sink_to(sealed), kToSigner, along);
  EXPECT_TRUE(done);
  return sealed;
}
Outcome<std::vector<std::byte>> unseal_text(const std::string& sealed, std::string& content,
                                            std::string_view bound = {}) {
  std::size_t at = 0;
  content.clear();
  return unseal_stream(source_of(sealed, 10'000, at), sink_to(content), view(bound));
}

TEST_F(Sealing, StreamsOfEverySizeComeBack) {
  for (const std::size_t size : {0, 1, 65535, 65536, 65537, 131072, 300'000}) {
    std::string content(size, 'c');
    for (std::size_t i = 0; i < size; ++i) content[i] = static_cast<char>(i * 7 >> 3);
    const std::string sealed = seal_text(content, {.readable = view("readable"), .bound = view("bound")});
    EXPECT_EQ(sealed.size(), 112 + 8 + size + 16 * (size / 65536 + 1));
    std::string back;
    const auto readable = unseal_text(sealed, back, "bound");
    ASSERT_TRUE(readable) << size;
    EXPECT_EQ(text(*readable), "readable");
    EXPECT_EQ(back, content) << size;
  }
}

TEST_F(Sealing, StreamsThatWereChangedAreRefused) {
  const std::string sealed =
      seal_text(std::string(150'000, 'c'), {.readable = view("readable"), .bound = view("bound")});
  const std::size_t front = 112 + 8;
  const std::size_t block = 65536 + 16;
  std::string back;
  EXPECT_EQ(why(unseal_text(sealed, back, "other")), EnclaveError::kRefused);
  for (std::size_t at = 0; at < sealed.size(); at += at < front ? 1 : 1511) {
    std::string flipped = sealed;
    flipped[at] = static_cast<char>(flipped[at] ^ 4);
    EXPECT_FALSE(unseal_text(flipped, back, "bound")) << at;
  }
  // Cut off anywhere, between blocks too.
  for (const std::size_t size : {std::size_t{0}, std::size_t{50}, front - 1, front, front + 15, front + 16,
                                 front + block, front + 2 * block, front + 2 * block + 16, sealed.size() - 1}) {
    EXPECT_FALSE(unseal_text(sealed.substr(0, size), back, "bound")) << size;
  }
  EXPECT_FALSE(unseal_text(sealed + "x", back, "bound"));
  EXPECT_FALSE(unseal_text(sealed + sealed.substr(front + 2 * block), back, "bound"));
  // Blocks exchanged, left out, repeated.
  const std::string first = sealed.substr(front, block);
  const std::string second = sealed.substr(front + block, block);
  const std::string last = sealed.substr(front + 2 * block);
  const std::string start = sealed.substr(0, front);
  ASSERT_TRUE(unseal_text(start + first + second + last, back, "bound"));
  EXPECT_FALSE(unseal_text(start + second + first + last, back, "bound"));
  EXPECT_FALSE(unseal_text(start + second + last, back, "bound"));
  EXPECT_FALSE(unseal_text(start + first + first + second + last, back, "bound"));
}

TEST_F(Sealing, StreamsStopWhereTheirEndsFail) {
  std::size_t at = 0;
  const std::string content(200'000, 'c');
  const auto full = [](std::span<const std::byte>) -> Outcome<void> { return EnclaveError::kExhausted; };
  EXPECT_EQ(why(seal_stream(source_of(content, 5000, at), full)), EnclaveError::kExhausted);
  const auto broken = [](std::span<std::byte>) -> Outcome<std::size_t> { return EnclaveError::kSystem; };
  std::string out;
  EXPECT_EQ(why(seal_stream(broken, sink_to(out))), EnclaveError::kSystem);
  const auto liar = [](std::span<std::byte> room) -> Outcome<std::size_t> { return room.size() + 1; };
  EXPECT_EQ(why(seal_stream(liar, sink_to(out))), EnclaveError::kSystem);
  EXPECT_EQ(why(unseal_stream(liar, sink_to(out))), EnclaveError::kSystem);
}

TEST_F(Sealing, BlobsAndStreamsDoNotPassForEachOther) {
  std::string back;
  EXPECT_EQ(why(unseal_text(text(must_seal("secret")), back)), EnclaveError::kMalformed);
  const std::string stream = seal_text("secret");
  EXPECT_EQ(why(unseal(view(stream))), EnclaveError::kMalformed);
  std::string renamed = stream;
  renamed.replace(3, 4, "SEAL");
  EXPECT_FALSE(unseal(view(renamed)));
}

}  // namespace
}  // namespace coffer::sdk
