// A running enclave in the register (host/operate/registry.h).
#pragma once

#include <coffer/host.h>

#include <functional>
#include <memory>

#include "host/operate/registry.h"
#include "host/runtime.h"

namespace coffer::host {

// What is known of an enclave besides what it does.
struct Provenance {
  std::filesystem::path image;
  RungKind rung = RungKind::kProcess;
};

struct Listing {
  std::string id, name;  // given to the enclave, listed or not
  std::unique_ptr<operate::Registration> registration;
  std::string problem;                             // why it is not listed
  std::function<operate::EnclaveStatus()> status;  // as of now; uses the runtime
};

// `runtime` must outlive the listing.
[[nodiscard]] Listing list_enclave(Runtime& runtime, const Provenance& provenance, const RunOptions& options);

// Completes the report and writes it; its path.
[[nodiscard]] Result<std::string> keep_crash(operate::CrashReport report, const Runtime& runtime,
                                             const Provenance& provenance, const Listing& listing);

}  // namespace coffer::host
