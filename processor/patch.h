// Fast paths of a Coffer image on software rungs: ENCLU sites of the enclave kernel call the gate, system-call sites of
// the application jump to their thunks. Applied after EINIT, to code that has been measured as it was; the trapping
// paths stay for everything that is not patched.
//
// An ENCLU site of the kernel is 16 bytes: ENCLU and 13 bytes of two particular NOPs. Whoever writes these bytes agrees
// that R10 holds the TCS's address, that R11 may be clobbered and that 8 bytes of stack may be used. An exit site, with
// one byte of the NOPs changed, is an ENCLU that only ever is EEXIT: it jumps to the exit gate and uses no stack. A
// bulk EACCEPT site is 16 bytes of two other NOPs in front of a loop of EACCEPT: RBX secinfo, RCX first page, RDX
// count, RAX the gate's leaf number; patched, it returns with RAX set.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "processor/enclave.h"

namespace coffer::processor {

struct PatchCounts {
  std::uint32_t enclu_sites = 0, accept_sites = 0, syscall_sites = 0;
};

// `layout_offset` says where the image's ImageLayout stands; what stands there was measured and is checked again.
// Input error where it is no layout, or where a site lies outside code: nothing is patched then.
[[nodiscard]] Result<PatchCounts> apply_fast_paths(SoftEnclave& enclave, std::uint64_t layout_offset);

// The other way: CPUID is illegal inside an enclave, and software cannot forbid it. So the CPUID instructions that the
// layout lists become UD2, which is as long, and the enclave's kernel takes a UD2 there for the CPUID that was
// measured. How many. Input error as above, or where something else than a CPUID stands at a site: nothing is changed
// then.
[[nodiscard]] Result<std::uint32_t> trap_cpuid(SoftEnclave& enclave, std::uint64_t layout_offset);

}  // namespace coffer::processor
