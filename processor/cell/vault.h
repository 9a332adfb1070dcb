// The vault: a process beside the cell that holds the platform's fuses, so that they are never in the address space in
// which enclave code runs. The processor of a cell tells it who the enclave is, once, at EINIT, before the first
// instruction of the enclave; from then on it derives keys and makes reports for that enclave alone, whatever comes
// over the socket.
#pragma once

#include <memory>

#include "base/file.h"
#include "base/result.h"
#include "processor/keys.h"

namespace coffer::cell {

// Starts the vault, a child of this process's parent and a member of its process group, which loads (or makes) the
// fuses of $COFFER_HOME itself, and returns this process's way to it. Call it after seal_process() and before any
// thread exists; the vault keeps no descriptor but its end of the socket and ends when the cell does. An error of the
// fuses comes back as this call's.
[[nodiscard]] Result<std::shared_ptr<const processor::KeySource>> start_vault();

// The vault's own loop over `socket`, for tests: serves until the other end is closed.
void serve_vault(int socket, const processor::KeySource& fuses);
// The cell's end of such a socket. A vault that does not answer ends the process: a processor without its fuses is
// none.
[[nodiscard]] std::shared_ptr<const processor::KeySource> connect_vault(FileDescriptor socket);

}  // namespace coffer::cell
