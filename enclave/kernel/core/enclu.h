// ENCLU leaves as functions. Freestanding.
#pragma once

#include <cstdint>

#include "sgx/arch.h"

namespace coffer::kernel {

extern "C" std::uint64_t coffer_enclu(std::uint64_t leaf, std::uint64_t rbx, std::uint64_t rcx, std::uint64_t rdx);
extern "C" std::uint64_t coffer_accept_range(const sgx::Secinfo* secinfo, std::uint64_t address, std::uint64_t count);

// EREPORT for `target` with `data`; false where the processor refuses.
[[nodiscard]] bool make_report(const sgx::TargetInfo& target, const sgx::Bytes<64>& data, sgx::Report* report);
// EGETKEY; kSuccess with *key set, or the leaf's error.
[[nodiscard]] sgx::LeafError get_key(const sgx::KeyRequest& request, sgx::Bytes<16>* key);
extern "C" void coffer_extend_range(const sgx::Secinfo* secinfo, std::uint64_t address, std::uint64_t count);

// Leaves whole pages with these permissions (R, W; none) and no others: the host's EMODPR, checked by EACCEPT. False
// where the host did not do it; what the pages allow is then unknown until extend_pages().
[[nodiscard]] bool restrict_pages(std::uint64_t address, std::uint64_t size, std::uint64_t permissions);
// EMODPE: gives whole pages that are there these permissions, beside what they have.
void extend_pages(std::uint64_t address, std::uint64_t size, std::uint64_t permissions);
// Gives whole pages back to the platform, from the first on: the host's EMODT to PT_TRIM, checked by EACCEPT, and its
// EREMOVE. How many bytes are no longer the enclave's; 0 where the host does not do it.
[[nodiscard]] std::uint64_t release_pages(std::uint64_t address, std::uint64_t size);
// EACCEPTs zeroed RW pages; false: the EPC is exhausted.
[[nodiscard]] bool accept_pages(std::uint64_t address, std::uint64_t size);

}  // namespace coffer::kernel
