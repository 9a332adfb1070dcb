// Building the enclave of small_enclave.S through the device's ioctls, as an SGX program does.
#pragma once

#include <asm/sgx.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "emulate/testing/small_enclave_layout.h"
#include "sgx/arch.h"

namespace coffer::emulate::testing {

// One run of pages as ADD_PAGES takes them. `content` is page-aligned and outlives the call.
struct Segment {
  std::uint64_t offset = 0;
  sgx::SecinfoFlags flags;
  ByteView content;
};
[[nodiscard]] const std::vector<Segment>& segments();
[[nodiscard]] sgx::Secs make_secs(std::uint64_t base);
// Signs what segments() measures to. `change` may spoil the fields before, `spoil` the structure after signing.
[[nodiscard]] sgx::Sigstruct make_sigstruct(const std::function<void(sgx::Sigstruct&)>& change = {});

// An address range aligned for the enclave, reserved without access; kept for the life of the process.
[[nodiscard]] std::uint64_t reserve_elrange();

// ioctl() of one kind or another: 0 or a negative errno.
using Control = std::function<long(unsigned long request, void* argument)>;
// CREATE, ADD_PAGES of every segment and INIT; the first answer that is not 0.
[[nodiscard]] long build(const Control& control, std::uint64_t base);

// The vDSO's function, and a call of it with everything in its place.
using EnterFunction = int (*)(unsigned long rdi, unsigned long rsi, unsigned long rdx, unsigned function,
                              unsigned long r8, unsigned long r9, sgx_enclave_run* run);
struct Call {
  std::uint64_t rdi = 0, rsi = 0, rdx = 0, r8 = 0, r9 = 0;
  unsigned function = 2;  // EENTER
};
// The registers after an EEXIT are in `call`. Every general register that the function promises to keep is checked: a
// lost one ends the process.
[[nodiscard]] int enter(EnterFunction function, Call& call, sgx_enclave_run& run);

}  // namespace coffer::emulate::testing
