#include "node/quoting/enclaves.h"

#include <cstring>

#include "base/file.h"
#include "host/image/coffer_image.h"
#include "host/image/platform_signer.h"
#include "host/parts.h"

namespace coffer::node {
namespace {

Result<FileDescriptor> signed_part(const char* name, const sgx::SigningKey& signer) {
  auto part = host::find_part(name);
  if (!part) return std::unexpected(part.error());
  auto file = read_file(*part);
  if (!file) return std::unexpected(file.error());
  return image::sign_in_memory(*file, part->string(), signer);
}

// `name` is the part's without ".enclave": "quoting-enclave".
Result<Enclave> load_part(const std::string& name, const sgx::SigningKey& signer) {
  const auto explain = [&name](const Error& error) {
    return fail(ErrorKind::kSystem, "the " + name + " does not run: " + error.message);
  };
  auto image = signed_part((name + ".enclave").c_str(), signer);
  if (!image) return std::unexpected(image.error());
  auto enclave = Enclave::load("/proc/self/fd/" + std::to_string(image->get()));
  if (!enclave) return explain(enclave.error());
  RunOptions options;
  options.listed = false;
  if (auto started = enclave->start(options); !started) return explain(started.error());
  if (auto serving = enclave->wait_until_serving(); !serving) return explain(serving.error());
  return enclave;
}

std::unexpected<Error> explain(std::int64_t status, const std::string& who) {
  switch (static_cast<quoting::Status>(status)) {
    case quoting::Status::kRefused:
      return refused("the " + who +
                     " refuses the report: it was changed, made for another target, or made on another platform or "
                     "another kind of processor");
    case quoting::Status::kIdentity:
      return refused("the " + who + " certifies the platform's own quoting enclave only");
    case quoting::Status::kKey:
      return fail(ErrorKind::kSystem,
                  "the " + who +
                      " cannot open the platform's attestation key: it is another processor's (fuses "
                      "or owner-epoch of the state directory have changed), or was damaged; "
                      "`coffer platform rotate` makes new keys");
    case quoting::Status::kMalformed:
      return fail(ErrorKind::kSystem,
                  "the " + who + " does not understand its order; reinstall Coffer, its parts do not fit together");
    default:
      return fail(ErrorKind::kSystem, "the " + who + " failed (status " + std::to_string(status) + ")");
  }
}

template <class Answer>
Result<Answer> call(Enclave& enclave, const char* who, std::uint64_t function, ByteView order) {
  Answer answer{};
  const auto done = enclave.call(function, order, writable_bytes_of(answer));
  if (!done) return std::unexpected(done.error());
  if (done->status != 0) return explain(done->status, who);
  if (done->written != sizeof(answer)) return explain(static_cast<std::int64_t>(quoting::Status::kMalformed), who);
  return answer;
}

constexpr const char* kCertifier = "certifying-enclave";
constexpr const char* kQuoter = "quoting-enclave";

template <class Function>
std::uint64_t number(Function function) {
  return static_cast<std::uint64_t>(function);
}

}  // namespace

using quoting::CertifierCall;
using quoting::QuotingCall;

Result<CertifyingEnclave> CertifyingEnclave::load(const sgx::SigningKey& signer) {
  auto enclave = load_part(kCertifier, signer);
  if (!enclave) return std::unexpected(enclave.error());
  return CertifyingEnclave(std::move(*enclave));
}

Result<sgx::TargetInfo> CertifyingEnclave::target() {
  return call<sgx::TargetInfo>(enclave_, kCertifier, number(CertifierCall::kTarget), {});
}

Result<quoting::Point> CertifyingEnclave::public_key(std::uint64_t generation) {
  const quoting::KeyOrder order{.generation = generation};
  return call<quoting::Point>(enclave_, kCertifier, number(CertifierCall::kPublicKey), bytes_of(order));
}

Result<quoting::Signature> CertifyingEnclave::certify(std::uint64_t generation, const sgx::Report& report) {
  const quoting::CertifyOrder order{.generation = generation, .report = report};
  return call<quoting::Signature>(enclave_, kCertifier, number(CertifierCall::kCertify), bytes_of(order));
}

Result<QuotingEnclave> QuotingEnclave::load(const sgx::SigningKey& signer) {
  auto enclave = load_part(kQuoter, signer);
  if (!enclave) return std::unexpected(enclave.error());
  return QuotingEnclave(std::move(*enclave));
}

Result<sgx::TargetInfo> QuotingEnclave::target() {
  return call<sgx::TargetInfo>(enclave_, kQuoter, number(QuotingCall::kTarget), {});
}

Result<QuotingEnclave::NewKey> QuotingEnclave::make_key(const sgx::TargetInfo& certifier) {
  const auto made = call<quoting::MadeKey>(enclave_, kQuoter, number(QuotingCall::kMakeKey), bytes_of(certifier));
  if (!made) return std::unexpected(made.error());
  if (made->sealed_size > made->sealed.size()) {
    return explain(static_cast<std::int64_t>(quoting::Status::kMalformed), kQuoter);
  }
  const auto sealed = bytes_of(made->sealed).first(made->sealed_size);
  return NewKey{.sealed = {sealed.begin(), sealed.end()}, .report = made->report};
}

Result<std::vector<std::byte>> QuotingEnclave::quote(const sgx::Report& report, const CertifiedKey& key,
                                                     std::string_view chain, std::uint16_t format) {
  quoting::QuoteOrder order{.report = report,
                            .key_report = key.report,
                            .key_certification = key.certification,
                            .format = format,
                            .sealed_size = static_cast<std::uint32_t>(key.sealed.size()),
                            .chain_size = static_cast<std::uint32_t>(chain.size())};
  const auto fixed = bytes_of(order);
  std::vector<std::byte> input(fixed.begin(), fixed.end());
  input.insert(input.end(), key.sealed.begin(), key.sealed.end());
  const auto text = std::as_bytes(std::span(chain));
  input.insert(input.end(), text.begin(), text.end());
  std::vector<std::byte> quote(quoting::kMostQuote);
  const auto done = enclave_.call(number(QuotingCall::kQuote), input, quote);
  if (!done) return std::unexpected(done.error());
  if (done->status != 0) return explain(done->status, kQuoter);
  quote.resize(done->written);
  return quote;
}

}  // namespace coffer::node
