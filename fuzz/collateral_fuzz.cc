// Collateral from anybody: as one JSON, as a folder of answers, and as Open Enclave's JSON.
#include <coffer/attest/dcap.h>
#include <coffer/attest/openenclave.h>

#include <cstdlib>

#include "attest/dcap/collateral.h"

using namespace coffer;
using namespace coffer::attest;

namespace {
// Signed by somebody whom Intel has not named: whatever it says, a check says so.
void look_at(const Result<dcap::Collateral>& collateral) {
  if (collateral && collateral->state().checks.list().size() < 4) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  look_at(dcap::Collateral::parse(text));
  (void)openenclave::read_json(text);
  // Zero bytes part the files.
  std::vector<std::string> files(1);
  for (const char c : text) {
    if (c == '\0' && files.size() < 8) {
      files.emplace_back();
    } else {
      files.back() += c;
    }
  }
  look_at(dcap::Collateral::parse_answers(files));
  return 0;
}
