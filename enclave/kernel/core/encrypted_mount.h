// Encrypted mounts at the start: which key each is under. Freestanding.
#pragma once

#include "boundary/calls.h"
#include "enclave/kernel/fs/vfs.h"

namespace coffer::kernel {

// Opens the mount, which the layout declares, or makes it; a key that the host gave is wiped. Ends the enclave with a
// line and exit status 1 where it cannot be opened. The file system lives as long as the enclave.
[[nodiscard]] fs::FileSystem* open_encrypted_mount(boundary::MountInfo& mount);

}  // namespace coffer::kernel
