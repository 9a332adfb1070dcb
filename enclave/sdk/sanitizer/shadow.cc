#include "enclave/sdk/sanitizer/shadow.h"

#include "enclave/sdk/sanitizer/bytes.h"

namespace coffer::sanitizer {

std::optional<std::uintptr_t> Shadow::first_bad(std::uintptr_t address, std::size_t size) const {
  if (size == 0 || !covers(address)) return std::nullopt;
  const std::uintptr_t end = address + inside(address, size);
  constexpr std::size_t kAtOnce = 8;  // shadow bytes
  for (std::uintptr_t granule = address - address % kGranule; granule < end; granule += kGranule) {
    const std::uint8_t* here = place(granule);
    while (reinterpret_cast<std::uintptr_t>(here) % kAtOnce == 0 && end - granule >= kAtOnce * kGranule &&
           load_word(here) == 0) {
      granule += kAtOnce * kGranule;
      here += kAtOnce;
    }
    if (granule >= end) break;
    const auto usable = static_cast<std::int8_t>(*here);
    if (usable == 0) continue;
    const std::uintptr_t bad = granule + (usable > 0 ? static_cast<std::uintptr_t>(usable) : 0);
    const std::uintptr_t first = bad > address ? bad : address;
    if (first < end && first < granule + kGranule) return first;
  }
  return std::nullopt;
}

void Shadow::poison(std::uintptr_t address, std::size_t size, Poison why) const {
  if (size == 0 || !covers(address)) return;
  fill_bytes(place(address), static_cast<std::uint8_t>(why), (inside(address, size) + kGranule - 1) / kGranule);
}

void Shadow::unpoison(std::uintptr_t address, std::size_t size) const {
  if (size == 0 || !covers(address)) return;
  const std::size_t bytes = inside(address, size);
  fill_bytes(place(address), 0, bytes / kGranule);
  if (bytes % kGranule != 0) *place(address + bytes) = static_cast<std::uint8_t>(bytes % kGranule);
}

}  // namespace coffer::sanitizer
