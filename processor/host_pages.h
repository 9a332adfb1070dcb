// What the operating system maps of an enclave's addresses, beside what the EPCM says: a page is accessible as far as
// both allow. On the rungs where the host's own loader owns ELRANGE there is no such table and everything is mapped.
#pragma once

#include <cstdint>
#include <optional>

namespace coffer::processor {

class HostPages {
 public:
  HostPages() = default;
  virtual ~HostPages() = default;
  HostPages(const HostPages&) = delete;
  HostPages& operator=(const HostPages&) = delete;
  // PROT_* bits of the mapping over the page at this offset of ELRANGE; nothing where none covers it. Called in signal
  // handlers and under the enclave's lock: neither locks nor allocates.
  [[nodiscard]] virtual std::optional<int> protection(std::uint64_t offset) const = 0;
};

}  // namespace coffer::processor
