// What the emulated /dev/sgx_enclave (emulate/) takes beside the ioctls of Linux's driver. Nobody sends it to a driver.
#pragma once

namespace coffer::boundary {

// After INIT, argument = the offset of an image's ImageLayout: the CPUID instructions that it lists trap from now on,
// as all do inside a hardware enclave. 0, or EINVAL where there is no such layout.
inline constexpr unsigned long kEmulatedTrapCpuid = 0xa4f1;  // numbered as the driver's are

}  // namespace coffer::boundary
