#include "node/quoting/quote_image.h"

#include <cstring>

#include "node/quoting/quoter.h"

namespace coffer::node {

Result<MadeQuote> quote_image(const std::filesystem::path& image, const std::array<std::byte, 64>& data,
                              std::uint16_t format, const LoadOptions& options) {
  // The image first: what is wrong with it is the user's to know before a platform is made for it.
  auto enclave = Enclave::load(image, options);
  if (!enclave) return std::unexpected(enclave.error());
  auto quoter = Quoter::start();
  if (!quoter) return std::unexpected(quoter.error());
  const auto target = quoter->target();
  if (!target) return std::unexpected(target.error());

  RunOptions run;
  run.listed = false;
  run.attestation.emplace();
  std::memcpy(run.attestation->target.data(), &*target, sizeof(*target));
  run.attestation->data = data;
  auto ended = enclave->run(run);
  if (!ended) return std::unexpected(ended.error());
  if (ended->attestation_refused) {
    return refused(image.string() +
                   ": this image does not take report data from outside: its program makes reports of its own, or its "
                   "coffer.toml says report_data = \"program\"; quote by coffer::quote() inside, or sign it with "
                   "report_data = \"host\"");
  }
  sgx::Report report;
  if (ended->attestation.size() != sizeof(report)) {
    return fail(ErrorKind::kSystem,
                image.string() + ": the enclave made no report; sign it again with this version of Coffer");
  }
  std::memcpy(&report, ended->attestation.data(), sizeof(report));
  auto quote = quoter->quote(report, format);
  if (!quote) return std::unexpected(quote.error());
  return MadeQuote{.quote = std::move(*quote), .body = report.body};
}

}  // namespace coffer::node
