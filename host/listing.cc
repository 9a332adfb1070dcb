#include "host/listing.h"

#include "base/hex.h"
#include "host/operate/places.h"
#include "sgx/sigstruct.h"

namespace coffer::host {

namespace {

std::string rung_name(RungKind rung) {
  switch (rung) {
    case RungKind::kInline:
      return "inline";
    case RungKind::kProcess:
      return "process";
    case RungKind::kSgx:
      return "sgx";
  }
  return "process";
}

// What does not change while it runs.
operate::EnclaveStatus fixed_part(const Runtime& runtime, const Provenance& provenance, const RunOptions& options) {
  const sgx::Sigstruct& sigstruct = runtime.image().sigstruct();
  operate::EnclaveStatus status;
  status.name = options.name.empty() ? std::string(runtime.image().program_name()) : options.name;
  std::error_code error;
  const auto absolute = std::filesystem::absolute(provenance.image, error);
  status.image = error ? provenance.image.string() : absolute.lexically_normal().string();
  status.mrenclave = to_hex(bytes_of(sigstruct.enclave_hash.bytes));
  status.mrsigner = to_hex(bytes_of(sgx::mrsigner_of(sigstruct).bytes));
  status.rung = rung_name(provenance.rung);
  status.debug = runtime.image().debug();
  status.detached = options.detached;
  status.carrier_pid = runtime.rung().carrier_pid();
  status.started_ms = operate::now_ms();
  status.max_threads = runtime.image().layout().thread_count;
  return status;
}

}  // namespace

Listing list_enclave(Runtime& runtime, const Provenance& provenance, const RunOptions& options) {
  Listing listing{.id = options.id.empty() ? operate::new_id() : options.id,
                  .name = options.name.empty() ? std::string(runtime.image().program_name()) : options.name,
                  .registration = nullptr,
                  .problem = {},
                  .status = {}};
  operate::EnclaveStatus fixed = fixed_part(runtime, provenance, options);
  fixed.id = listing.id;
  listing.status = [&runtime, fixed] {
    operate::EnclaveStatus now = fixed;
    now.threads = runtime.live_threads();
    now.counters = runtime.counters();
    now.epc = runtime.rung().epc_counters();
    return now;
  };
  if (!options.listed) {
    listing.problem = "it was started without being listed";
    return listing;
  }
  auto registered =
      operate::register_enclave(listing.id, {.status = listing.status, .stop = [&runtime] { runtime.destroy(); }});
  if (registered) {
    listing.registration = std::move(*registered);
  } else {
    listing.problem = registered.error().message;
  }
  return listing;
}

Result<std::string> keep_crash(operate::CrashReport report, const Runtime& runtime, const Provenance& provenance,
                               const Listing& listing) {
  const operate::EnclaveStatus fixed = fixed_part(runtime, provenance, {});
  report.time_ms = operate::now_ms();
  report.id = listing.id;
  report.name = listing.name;
  report.image = fixed.image;
  report.mrenclave = fixed.mrenclave;
  report.mrsigner = fixed.mrsigner;
  return operate::keep(report);
}

}  // namespace coffer::host
