// Verifying quotes against what no verifier can do without: signatures of P-256, by OpenSSL. The quotes are forged
// under an own authority, in the shape of Intel's, so that the figures need no file.
#include <coffer/attest/dcap.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include <array>
#include <memory>

#include "attest/testing/forge.h"
#include "bench/items.h"

namespace coffer::bench {

namespace {

using attest::testing::Forge;
namespace dcap = attest::dcap;

constexpr double kMicrosecond = 1e3;
constexpr int kBatch = 4;

// One verification of a signature, as a program that knows OpenSSL would write it: the key is there, the digest is not.
class Signature {
 public:
  Signature() {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    size_ = signature_.size();
    EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get());
    EVP_DigestSign(context.get(), signature_.data(), &size_, message_.data(), message_.size());
  }
  [[nodiscard]] bool verify() const {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    return EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) == 1 &&
           EVP_DigestVerify(context.get(), signature_.data(), size_, message_.data(), message_.size()) == 1;
  }

 private:
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_{EVP_EC_gen("P-256"), EVP_PKEY_free};
  std::array<unsigned char, 600> message_{};
  std::array<unsigned char, 80> signature_{};
  std::size_t size_ = 0;
};

// Nanoseconds of one call, over a batch: under a millisecond, to fit between what else the machine does.
template <class Work>
Result<double> each(int batch, const Work& work) {
  const auto begin = Clock::now();
  for (int i = 0; i < batch; ++i) {
    if (!work()) return fail(ErrorKind::kSystem, "a quote or signature that is good was refused");
  }
  return std::chrono::duration<double, std::nano>(Clock::now() - begin).count() / batch;
}

// What a verification is given.
struct Evidence {
  explicit Evidence(const Forge& forge)
      : quote(forge.quote()), json(forge.collateral_json()), roots(forge.roots()), now(forge.now) {}
  attest::testing::Bytes quote;
  std::string json;
  attest::TrustedRoots roots;
  attest::UnixTime now;

  // Everything parsed and checked, nothing known before.
  [[nodiscard]] bool cold() const {
    const auto collateral = dcap::Collateral::parse(json, roots);
    const auto answer = collateral ? dcap::verify(quote, *collateral, now) : std::unexpected(collateral.error());
    return answer && answer->authentic();
  }
};

Result<std::vector<Row>> verification(Bench& bench, const std::string& name, const Forge& forge, bool warm) {
  const Evidence evidence(forge);
  const auto collateral = dcap::Collateral::parse(evidence.json, evidence.roots);
  if (!collateral) return std::unexpected(collateral.error());
  dcap::ChainCache cache;
  const Signature signature;
  const int signatures = warm ? 3 : 13;
  const auto again = [&] {
    const auto answer = dcap::verify(evidence.quote, *collateral, evidence.now, &cache);
    return answer && answer->authentic();
  };
  const auto ours = [&] { return warm ? each(kBatch, again) : each(1, [&] { return evidence.cold(); }); };
  const auto theirs = [&]() -> Result<double> {
    const auto one = each(kBatch, [&] { return signature.verify(); });
    return one ? Result<double>(*one * signatures) : one;
  };
  const auto best = sample_by_turns(bench.budget(2), ours, theirs);
  if (!best) return std::unexpected(best.error());
  return std::vector{compare_cost(name, "us", best->ours / kMicrosecond,
                                  std::to_string(signatures) + " P-256 verifications of OpenSSL",
                                  best->theirs / kMicrosecond, warm ? 1.3 : 1.5)};
}

}  // namespace

std::vector<Item> attestation_items() {
  struct Kind {
    const char* name;
    std::uint16_t version;
    dcap::BodyType body;
    bool warm;
  };
  std::vector<Item> items;
  for (const Kind& kind : {Kind{"verify an SGX quote, cold", 3, dcap::BodyType::kSgx, false},
                           Kind{"verify a TDX quote, cold", 4, dcap::BodyType::kTd10, false},
                           Kind{"verify an SGX quote, warm", 3, dcap::BodyType::kSgx, true},
                           Kind{"verify a TDX quote, warm", 4, dcap::BodyType::kTd10, true}}) {
    items.push_back({kind.name, [kind](Bench& bench) {
                       return verification(bench, kind.name, Forge(kind.version, kind.body), kind.warm);
                     }});
  }
  return items;
}

}  // namespace coffer::bench
