// Bytes of any kind: detected, unwrapped and verified with nothing beside them, which proves nothing.
#include <coffer/attest/evidence.h>

#include <cstdint>
#include <cstdlib>

using namespace coffer;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const attest::TrustedRoots kNobody;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto detected = attest::detect_evidence(bytes);
  if (detected && detected->bytes.size() > bytes.size()) std::abort();
  const auto answer = attest::verify_evidence({.evidence = bytes}, kNobody, attest::UnixTime{1'750'000'000});
  if (answer && (!detected || answer->kind != detected->kind || answer->verification.authentic())) std::abort();
  return 0;
}
