// Revocation lists from anybody, in every form that they come in.
#include <cstdlib>

#include "attest/x509/revocation_list.h"

using namespace coffer;
using namespace coffer::attest;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto list = x509::RevocationList::parse_any(std::as_bytes(std::span(data, size)));
  if (!list) return 0;
  // What was read once reads the same from its own bytes.
  const auto again = x509::RevocationList::parse(list->der());
  if (!again || again->size() != list->size() || again->this_update() != list->this_update()) std::abort();
  if (list->revokes({}) && list->size() == 0) std::abort();
  (void)list->issuer_name();
  return 0;
}
