// What keeps others out of the cell, and the cell out of everything else.
//
// Each step returns what is missing where the machine refuses it, because a weaker cell that says so is of more use
// than none; only the system-call filter, which the enclave's own `syscall` instructions need, must succeed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace coffer::cell {

// First thing in main(), before a secret exists: not dumpable (no ptrace, no /proc/PID/mem for other programs of the
// same user, no core dump), no new privileges, every descriptor from `first_foreign` on closed. A tracer that is there
// already is an error.
[[nodiscard]] Result<std::vector<std::string>> seal_process(int first_foreign);

// Leaves the user, network, IPC and UTS namespaces, where the machine permits it; raises the locked-memory limit first.
// Where that limit stays and CAP_IPC_LOCK is held, keeps that one capability, and with it the user namespace, instead.
// Before any thread is made.
[[nodiscard]] std::vector<std::string> leave_namespaces();

// From now on a `syscall` instruction inside [elrange, elrange + size) raises SIGSYS, and code outside may make only
// the calls that a running cell needs; any other kills it. size is a power of two and elrange a multiple of it.
[[nodiscard]] Result<void> install_filter(std::uint64_t elrange, std::uint64_t size);

// The same for the vault, which only answers on its socket.
[[nodiscard]] Result<void> install_vault_filter();

}  // namespace coffer::cell
