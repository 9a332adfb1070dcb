// Verifying reports of SEV-SNP and replaying event logs, against what nobody can do without: a signature of P-384, and
// reading the log's bytes through a hash. Both are forged here, so that the figures need no file.
#include <coffer/attest/snp.h>
#include <openssl/evp.h>

#include <array>
#include <memory>
#include <random>

#include "attest/testing/snp_machine.h"
#include "attest/tpm/event_log.h"
#include "attest/tpm/replay.h"
#include "bench/items.h"

namespace coffer::bench {

namespace {

namespace testing = attest::testing;
namespace tpm = attest::tpm;
using Bytes = std::vector<std::byte>;

constexpr double kMicrosecond = 1e3;
constexpr int kSignatures = 2, kReplays = 20;
constexpr attest::UnixTime kNow{1'800'000'000};

// Nanoseconds of one call, over a batch.
template <class Work>
Result<double> each(int batch, const Work& work) {
  const auto begin = Clock::now();
  for (int i = 0; i < batch; ++i) {
    if (!work()) return fail(ErrorKind::kSystem, "a report or log that is good was refused");
  }
  return std::chrono::duration<double, std::nano>(Clock::now() - begin).count() / batch;
}

Result<std::vector<Row>> verify_report(Bench& bench, const std::string& name) {
  const testing::SnpMachine machine;
  const Bytes report = signed_report(machine);
  const auto endorsement =
      attest::SnpEndorsement::prepare({.vek = machine.vek(), .chain = machine.chain()}, machine.roots());
  if (!endorsement) return std::unexpected(endorsement.error());
  const auto ours = [&] {
    const auto answer = attest::verify_snp(report, *endorsement, kNow);
    return answer && answer->authentic();
  };
  const ByteView message = ByteView(report).first(672);
  const Bytes signature = testing::sign(testing::snp_keys().vek, testing::Signing::kEcdsa, "SHA384", message);
  const auto theirs = [&] {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    const auto octets = [](ByteView bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); };
    EVP_PKEY* key = testing::snp_keys().vek.get();
    return EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha384(), nullptr, key) == 1 &&
           EVP_DigestVerify(context.get(), octets(signature), signature.size(), octets(message), message.size()) == 1;
  };
  const auto best = sample_by_turns(
      bench.budget(2), [&] { return each(kSignatures, ours); }, [&] { return each(kSignatures, theirs); });
  if (!best) return std::unexpected(best.error());
  return std::vector{compare_cost(name, "us", best->ours / kMicrosecond, "one P-384 verification of OpenSSL",
                                  best->theirs / kMicrosecond, 1.3)};
}

// A log of the size and the shape of a distribution's: 90 events, of which a few hold the databases of Secure Boot.
Bytes forge_log(std::initializer_list<tpm::HashId> hashes) {
  Bytes log;
  const auto append = [&log](ByteView bytes) { log.insert(log.end(), bytes.begin(), bytes.end()); };
  const auto number = [&append](auto value) { append(bytes_of(value)); };
  const std::string_view kSpecification{"Spec ID Event03\0\0\0\0\0\0\2\0\2", 24};
  number(std::uint32_t{0});
  number(std::uint32_t{3});
  append(Bytes(20));
  number(static_cast<std::uint32_t>(kSpecification.size() + 4 + 4 * hashes.size() + 1));
  append(std::as_bytes(std::span(kSpecification)));
  number(static_cast<std::uint32_t>(hashes.size()));
  for (const tpm::HashId hash : hashes) {
    number(hash);
    number(static_cast<std::uint16_t>(digest_size(hash)));
  }
  number(std::uint8_t{0});
  std::mt19937 random(1);
  for (std::uint32_t index = 0; index < 90; ++index) {
    number(index % 10);
    number(std::uint32_t{0xd});
    number(static_cast<std::uint32_t>(hashes.size()));
    for (const tpm::HashId hash : hashes) {
      number(hash);
      for (std::size_t byte = 0; byte < digest_size(hash); ++byte) log.push_back(static_cast<std::byte>(random()));
    }
    const std::uint32_t size = index == 6 ? 12000 : index % 9 == 0 ? 800 : 60;
    number(size);
    append(Bytes(size, static_cast<std::byte>(index)));
  }
  return log;
}

// What a quote needs: the bank that it holds.
Result<std::vector<Row>> replay_log(Bench& bench, const std::string& name, std::initializer_list<tpm::HashId> hashes,
                                    std::optional<double> reach) {
  const Bytes log = forge_log(hashes);
  const auto ours = [&] {
    const auto read = tpm::EventLog::parse(log);
    if (!read) return false;
    return reach ? tpm::replay(*read, tpm::HashId::kSha256).has_value() : !tpm::replay(*read).banks.empty();
  };
  std::array<unsigned char, 32> digest{};
  const auto theirs = [&] {
    return EVP_Digest(log.data(), log.size(), digest.data(), nullptr, EVP_sha256(), nullptr) == 1;
  };
  const auto best =
      sample_by_turns(bench.budget(1), [&] { return each(kReplays, ours); }, [&] { return each(kReplays, theirs); });
  if (!best) return std::unexpected(best.error());
  return std::vector{compare_cost(name, "us", best->ours / kMicrosecond, "SHA-256 over the same bytes",
                                  best->theirs / kMicrosecond, reach)};
}

}  // namespace

std::vector<Item> evidence_items() {
  using tpm::HashId;
  return {
      {"verify an SNP report, warm", [](Bench& bench) { return verify_report(bench, "verify an SNP report, warm"); }},
      {"replay an event log",
       [](Bench& bench) { return replay_log(bench, "replay an event log", {HashId::kSha1, HashId::kSha256}, 3); }},
      {"replay three banks of an event log", [](Bench& bench) {
         return replay_log(bench, "replay three banks of an event log",
                           {HashId::kSha1, HashId::kSha256, HashId::kSha384}, std::nullopt);
       }}};
}

}  // namespace coffer::bench
