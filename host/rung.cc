#include "host/rung.h"

namespace coffer::host {

namespace {

std::string explain(sgx::LeafError error) {
  switch (error) {
    case sgx::LeafError::kInvalidSigStruct:
      return "the SIGSTRUCT is malformed (SGX_INVALID_SIG_STRUCT)";
    case sgx::LeafError::kInvalidSignature:
      return "the image's signature is wrong (SGX_INVALID_SIGNATURE)";
    case sgx::LeafError::kInvalidMeasurement:
      return "the image's contents are not what was signed (SGX_INVALID_MEASUREMENT)";
    case sgx::LeafError::kInvalidAttribute:
      return "the enclave's attributes are not what was signed, or not allowed on this rung (SGX_INVALID_ATTRIBUTE); a "
             "production image needs --rung process";
    default:
      return "error " + std::to_string(static_cast<std::uint64_t>(error));
  }
}

}  // namespace

Error leaf_failure(const std::string& leaf, const processor::LeafOutcome& outcome) {
  using Fault = processor::LeafOutcome::Fault;
  if (outcome.fault == Fault::kPageFault) {
    return {ErrorKind::kInput,
            leaf + ": no page of the EPC can be freed or the page is there already; give a larger --epc"};
  }
  if (outcome.fault == Fault::kGeneralProtection) {
    return {ErrorKind::kInput, leaf + ": the image asks for what the architecture forbids (#GP)"};
  }
  return {ErrorKind::kRefused, leaf + ": " + explain(outcome.error)};
}

}  // namespace coffer::host
