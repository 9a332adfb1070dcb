// Hostile tokens, keys and signed policies: nothing is accepted that was not signed, and nothing breaks.
#include <coffer/attest/token.h>

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace coffer::attest;
  static const auto keys = TokenKeys::from_jwks(
      R"({"kty":"EC","crv":"P-256","x":"usWxHK2PmfnHKwXPS54m0kTcGJ90UiglWiGahtagnv8","y":"IBOL-C3BttVivg-lSreASjpkttcsz-1rb7btKLv8EX4"})");
  if (!keys) std::abort();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto verification = verify_token(text, *keys, {.at = {1'700'000'000}});
  if (verification && verification->accepted()) std::abort();
  const auto unsigned_one =
      verify_token(text, *keys, {.at = {1'700'000'000}, .accept_unsigned = true, .needs_expiry = false});
  if (unsigned_one && unsigned_one->accepted() &&
      (unsigned_one->token.algorithm != TokenAlgorithm::kNone || !unsigned_one->token.signature.empty())) {
    std::abort();
  }
  if (const auto document = parse_policy_jws(text); document && document->is_signed && document->signers.empty())
    std::abort();
  (void)parse_policy_certificate_jws(text);
  if (const auto read = TokenKeys::from_text(text, true); read && read->size() == 0) std::abort();
  return 0;
}
