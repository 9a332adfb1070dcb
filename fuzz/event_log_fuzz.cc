// Event logs from anybody: parsed, replayed and decoded. The first byte chooses: a log by itself, or one that a quote's
// registers are compared with.
#include <coffer/attest/tpm.h>

#include <cstdint>
#include <cstdlib>

#include "attest/tpm/event_log.h"

using namespace coffer;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const auto bytes = std::as_bytes(std::span(data, size)).subspan(1);
  const auto log = attest::tpm::EventLog::parse(bytes);
  if (log) {
    // Every event lies within the log, in order, and its digests within it.
    const std::byte* end = bytes.data();
    for (const auto& event : log->events()) {
      if (event.data.data() < end || event.data.data() + event.data.size() > bytes.data() + bytes.size()) std::abort();
      end = event.data.data() + event.data.size();
      for (const auto hash : log->hashes()) {
        const auto digest = log->digest(event, hash);
        if (!digest.empty() && digest.size() != digest_size(hash)) std::abort();
      }
    }
  }
  if ((data[0] & 1) == 0) {
    const auto answer = attest::verify_event_log(bytes);
    if (answer && !log) std::abort();
    if (answer && (answer->authentic() || to_json(answer->claims).empty())) std::abort();
    return 0;
  }
  attest::Verification answer;
  const std::array<std::byte, 48> zeros{};
  (void)attest::verify_ccel(bytes, {zeros, zeros, zeros, zeros}, answer);
  return 0;
}
