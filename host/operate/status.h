// What a host process says about its enclaves: as a value, as JSON, as Prometheus text.
//
// Counts are since the start of the enclave and only grow; nothing here is more than a count, a size or what the image
// says openly about itself, so that it is the same for production enclaves.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "boundary/counters.h"

namespace coffer::operate {

struct Counters {
  std::uint64_t ecalls = 0;                      // calls into the enclave that have ended
  std::uint64_t ocalls = 0;                      // requests that the host program served
  std::uint64_t entries = 0;                     // EENTER and ERESUME
  std::uint64_t exceptions = 0, interrupts = 0;  // asynchronous exits: with a reason of the enclave's, and without
  std::uint64_t system_calls = 0;                // by the enclave kernel's word
  std::uint64_t trapped_system_calls = 0;        // of them, those that took the slow way, by the processor's word

  [[nodiscard]] std::uint64_t aex() const { return exceptions + interrupts; }
  // 0 to 1: how many system calls went past the trap; 1 where there was none.
  [[nodiscard]] double patched_share() const;
  // What happened since `before`; a count that went back is none.
  [[nodiscard]] Counters since(const Counters& before) const;
  Counters& operator+=(const Counters& other);
};

struct EnclaveStatus {
  std::string id, name;
  std::string image;                // absolute path
  std::string mrenclave, mrsigner;  // lower-case hexadecimal
  std::string rung;
  bool debug = false;
  bool detached = false;        // its output is kept: `coffer logs`
  int carrier_pid = 0;          // the cell; 0 on `inline` and where the daemon has it
  std::int64_t started_ms = 0;  // since 1970
  std::uint32_t threads = 0, max_threads = 0;
  Counters counters;
  boundary::EpcCounters epc{};
};

struct ProcessStatus {
  int pid = 0;
  bool command = false;  // it is `coffer run`: a SIGTERM is for the program inside
  std::vector<EnclaveStatus> enclaves;
};

[[nodiscard]] std::string to_json(const ProcessStatus& process);
// Of what a host process answered: hostile in form, so everything is checked. Unknown keys are ignored.
[[nodiscard]] Result<ProcessStatus> parse_status(std::string_view json);
// One enclave as the machine-readable outputs of the command show it.
[[nodiscard]] std::string enclave_json(const EnclaveStatus& enclave);

// Prometheus' text format, version 0.0.4.
[[nodiscard]] std::string to_prometheus(const ProcessStatus& process);

}  // namespace coffer::operate
