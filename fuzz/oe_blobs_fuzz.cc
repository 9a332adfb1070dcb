// What an Open Enclave program takes from its host: sealed blobs, evidence, reports, custom claims. As they come, or
// well made ones with some bytes changed; nobody guesses a tag.
#include <openenclave/attestation/attester.h>
#include <openenclave/attestation/custom_claims.h>
#include <openenclave/attestation/sgx/evidence.h>
#include <openenclave/attestation/verifier.h>
#include <openenclave/enclave.h>
#include <openenclave/seal.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "enclave/sdk/testing/fake_platform.h"

namespace {

using Bytes = std::vector<std::uint8_t>;

void must(bool holds) {
  if (!holds) std::abort();
}

Bytes take(std::uint8_t* made, std::size_t size) {
  Bytes bytes(made, made + size);
  std::free(made);
  return bytes;
}

struct Good {
  Bytes sealed, evidence, report;
  static const Good& ones() {
    static const Good good = [] {
      coffer::sdk::testing::become(coffer::sdk::testing::identity());
      constexpr oe_uuid_t kLocal = {OE_FORMAT_UUID_SGX_LOCAL_ATTESTATION};
      constexpr std::uint8_t kSecret[] = "the secret";
      Good made;
      std::uint8_t *bytes = nullptr, *settings = nullptr;
      std::size_t size = 0, settings_size = 0;
      must(oe_seal(nullptr, nullptr, 0, kSecret, sizeof(kSecret), nullptr, 0, &bytes, &size) == OE_OK);
      made.sealed = take(bytes, size);
      must(oe_verifier_get_format_settings(&kLocal, &settings, &settings_size) == OE_OK);
      const Bytes target = take(settings, settings_size);
      must(oe_get_evidence(&kLocal, OE_EVIDENCE_FLAGS_EMBED_FORMAT_ID, kSecret, sizeof(kSecret), target.data(),
                           target.size(), &bytes, &size, nullptr, nullptr) == OE_OK);
      made.evidence = take(bytes, size);
      must(oe_get_report_v2(0, kSecret, sizeof(kSecret), target.data(), target.size(), &bytes, &size) == OE_OK);
      made.report = take(bytes, size);
      return made;
    }();
    return good;
  }
};

// The input, or a well-made blob with the input over some of it.
Bytes blob(bool patch, const Bytes& good, const Bytes& input) {
  if (!patch || input.size() < 2) return input;
  Bytes changed = good;
  const std::size_t at = (input[0] | input[1] << 8) % changed.size();
  const std::size_t size = std::min(input.size() - 2, changed.size() - at);
  if (size != 0) std::memcpy(&changed[at], &input[2], size);
  return changed;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const Good& good = Good::ones();
  const bool patch = (data[0] & 1) != 0;
  const Bytes input(data + 1, data + size);

  std::uint8_t* text = nullptr;
  std::size_t text_size = 0;
  const Bytes sealed = blob(patch, good.sealed, input);
  const oe_result_t unsealed = oe_unseal(sealed.data(), sealed.size(), nullptr, 0, &text, &text_size);
  must((unsealed == OE_OK) == (text != nullptr) && (unsealed != OE_OK || sealed == good.sealed));
  std::free(text);

  oe_claim_t* claims = nullptr;
  std::size_t count = 0;
  const Bytes evidence = blob(patch, good.evidence, input);
  const oe_result_t verified =
      oe_verify_evidence(nullptr, evidence.data(), evidence.size(), nullptr, 0, nullptr, 0, &claims, &count);
  must(verified != OE_OK || evidence == good.evidence);
  oe_free_claims(claims, count);

  const Bytes report = blob(patch, good.report, input);
  oe_report_t parsed;
  must(oe_verify_report(report.data(), report.size(), &parsed) != OE_OK || report == good.report);
  void* target = nullptr;
  std::size_t target_size = 0;
  if (oe_get_target_info_v2(report.data(), report.size(), &target, &target_size) == OE_OK) oe_free_target_info(target);

  claims = nullptr;
  count = 0;
  if (oe_deserialize_custom_claims(input.data(), input.size(), &claims, &count) == OE_OK) {
    // What it has read, it can write.
    must(oe_serialize_custom_claims(claims, count, &text, &text_size) == OE_OK);
    oe_free_serialized_custom_claims(text);
    oe_free_custom_claims(claims, count);
  }
  return 0;
}
