// What the library stands on: the processor's keys and reports, random numbers, counters. Two implementations: inside/
// asks the enclave kernel, testing/ the software processor's key derivation within a test. Thread-safe.
#pragma once

#include <coffer/outcome.h>

#include <cstdint>
#include <span>

#include "base/secret.h"
#include "boundary/monotonic_counters.h"
#include "sgx/arch.h"

namespace coffer::sdk::platform {

// EGETKEY. kOutside; kDowngrade: an SVN above the enclave's or the platform's; kInvalid: anything else that the
// processor refuses, reserved bits and policy bits of KSS without KSS among it.
[[nodiscard]] Outcome<Key128> get_key(const sgx::KeyRequest& request);

// EREPORT for `target` with `data`.
[[nodiscard]] Outcome<sgx::Report> make_report(const sgx::TargetInfo& target, const sgx::Bytes<64>& data);
// True where the MAC is right under this enclave's report key.
[[nodiscard]] bool check_report(const sgx::Report& report);

// Who this enclave is. The same for its whole life.
[[nodiscard]] Outcome<sgx::ReportBody> own_identity();

// What a report has to name as its target for the enclave with this body to be able to check it.
[[nodiscard]] inline sgx::TargetInfo target_of(const sgx::ReportBody& body) {
  sgx::TargetInfo target{};
  target.mrenclave = body.mrenclave;
  target.attributes = body.attributes;
  target.misc_select = body.misc_select;
  target.config_id = body.config_id;
  target.config_svn = body.config_svn;
  return target;
}

// One operation on a counter of the platform: its value, or the id of a new one.
[[nodiscard]] Outcome<std::uint64_t> counter(boundary::CounterOperation operation, std::uint64_t id);

// From the enclave kernel's generator; false where there is none.
[[nodiscard]] bool random(std::span<std::byte> bytes);

}  // namespace coffer::sdk::platform
