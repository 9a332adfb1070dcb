// Key derivation: what EGETKEY and EREPORT compute from the platform's fuses (Intel SDM volume 3D, 40.4 EGETKEY).
#pragma once

#include <filesystem>
#include <memory>

#include "base/result.h"
#include "base/secret.h"
#include "boundary/monotonic_counters.h"
#include "processor/counter_file.h"
#include "sgx/arch.h"

namespace coffer::processor {

// What only this platform has. Made once, at random, and kept in the state directory.
struct Fuses {
  Key256 root_sealing;       // never leaves the platform
  Key256 root_provisioning;  // what a manufacturer would know too
  sgx::Bytes<16> cpu_svn{};
  sgx::Bytes<16> owner_epoch{};

  // Reads $state/fuses and $state/owner-epoch, making them (0600) on first use. Input error where one is damaged or the
  // epoch is missing: never silently remade, since that would lose everything that was sealed. An empty owner-epoch is
  // one that its owner has wiped: it is made anew, and everything sealed before is lost for good. Files of the first
  // version are read, and rewritten where the directory can be written.
  [[nodiscard]] static Result<Fuses> load_or_make(const std::filesystem::path& state_directory);
  // Random ones that are kept nowhere: for tests, and machines that ask for it.
  [[nodiscard]] static Result<Fuses> ephemeral();
};

// An outcome of EGETKEY: kSuccess and a key, or the error that goes to RAX.
struct KeyOutcome {
  sgx::LeafError error = sgx::LeafError::kSuccess;
  Key128 key;
};

// Who answers EGETKEY and EREPORT: the fuses themselves, or a process that holds them (cell/vault.h).
// Thread-safe.
class KeySource {
 public:
  virtual ~KeySource() = default;
  // EINIT has accepted this enclave: from now on keys are asked for it alone.
  virtual void bind(const sgx::Secs& secs) const = 0;
  // EGETKEY for the enclave that `secs` describes. The request's reserved fields have been checked.
  [[nodiscard]] virtual KeyOutcome derive(const sgx::Secs& secs, const sgx::KeyRequest& request) const = 0;
  // EREPORT: who `secs` is, with `data`, under the report key of `target`.
  [[nodiscard]] virtual sgx::Report report(const sgx::Secs& secs, const sgx::TargetInfo& target,
                                           const sgx::Bytes<64>& data) const = 0;
  // A monotonic counter for the enclave that `secs` describes, authenticated as boundary/monotonic_counters.h says.
  // ENOSYS, and not authenticated, where the platform keeps none.
  [[nodiscard]] virtual boundary::CounterAnswer counter(const sgx::Secs& secs,
                                                        const boundary::CounterQuestion& question) const;
};

// The fuses in this process. Thread-safe after construction.
class KeyVault final : public KeySource {
 public:
  explicit KeyVault(Fuses fuses);

  void bind(const sgx::Secs&) const override {}

  [[nodiscard]] KeyOutcome derive(const sgx::Secs& secs, const sgx::KeyRequest& request) const override;
  [[nodiscard]] sgx::Report report(const sgx::Secs& secs, const sgx::TargetInfo& target,
                                   const sgx::Bytes<64>& data) const override;
  // Keeps counters in the state directory from now on. Before other threads use this object.
  [[nodiscard]] Result<void> keep_counters(const std::filesystem::path& state_directory);
  [[nodiscard]] boundary::CounterAnswer counter(const sgx::Secs& secs,
                                                const boundary::CounterQuestion& question) const override;
  // Completes a report: key id and MAC under the report key of `target`.
  void seal_report(const sgx::TargetInfo& target, sgx::Report& report) const;
  [[nodiscard]] const sgx::Bytes<16>& cpu_svn() const { return fuses_.cpu_svn; }

 private:
  [[nodiscard]] sgx::LeafError check(const sgx::Secs& secs, const sgx::KeyRequest& request) const;

  Fuses fuses_;
  std::unique_ptr<CounterFile> counters_;
  sgx::Bytes<32> report_key_id_{};  // fresh at each start, as a processor's at reset
};

// AES-128-CMAC (NIST SP 800-38B), as REPORT's MAC is made.
void cmac_aes128(const Key128& key, std::span<const std::byte> message, std::span<std::byte, 16> mac);

}  // namespace coffer::processor
