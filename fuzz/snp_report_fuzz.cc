// SEV-SNP reports from anybody: every field is read, and without certificates nothing is believed.
#include <coffer/attest/snp.h>

#include <cstdint>
#include <cstdlib>

using namespace coffer;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto answer = attest::verify_snp(std::as_bytes(std::span(data, size)), attest::SnpEndorsement(),
                                         attest::UnixTime{1'750'000'000});
  if (answer && answer->authentic()) std::abort();
  if (answer && to_json(*answer, false).empty()) std::abort();
  return 0;
}
