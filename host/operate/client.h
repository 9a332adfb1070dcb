// The other end of the register: who runs, and asking one of them to end.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "host/operate/status.h"

namespace coffer::operate {

struct RunningProcess {
  ProcessStatus status;
  std::string socket;     // its path, for scrapers
  bool answering = true;  // false: it lives and does not answer; the status has its pid alone
};

// Every host process of this user that has an enclave, by start. Sockets whose process has gone are removed.
[[nodiscard]] Result<std::vector<RunningProcess>> list_running();

struct Running {
  const RunningProcess* process = nullptr;
  const EnclaveStatus* enclave = nullptr;
};
// The enclave with that id or name, or whose id alone begins so (three digits at least). Input error where there is
// none, or more than one.
[[nodiscard]] Result<Running> find_running(const std::vector<RunningProcess>& processes, const std::string& id_or_name);

// Has the process destroy the enclave; it goes on otherwise.
[[nodiscard]] Result<void> ask_to_stop(const RunningProcess& process, const std::string& id);

}  // namespace coffer::operate
