// Finds the `syscall` instructions of a program and makes the thunks that software rungs jump to instead of trapping.
// Finds its CPUID instructions too, which software rungs can make trap.
//
// On a software rung a `syscall` inside the enclave is caught by a trap, which costs thousands of cycles. Where the
// instruction and its neighbours leave room for a near jump, the site is declared in the image's layout; the rung may
// write `jmp thunk` over it after EINIT (the measurement is over the original bytes). A jump and never a call: a call
// would write into the red zone of the function around it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "boundary/image_layout.h"
#include "host/image/elf_program.h"

namespace coffer::image {

// A site that can be patched: `before`, the syscall instruction and `after` follow each other from `address` on.
struct PatchableSite {
  std::uint64_t address = 0;  // in the program
  std::uint32_t length = 0;   // bytes that the jump and its padding replace
  ByteView before, after;     // whole instructions that the thunk repeats; they run the same at any address
};

struct SiteSurvey {
  std::vector<PatchableSite> patchable;  // ascending, disjoint
  std::size_t found = 0;                 // all syscall instructions, patchable or not
  std::vector<std::uint64_t> cpuid;      // CPUID instructions, ascending addresses in the program
};

// Disassembles the program's text, along its symbols where it has them. A site is patchable only where nothing can jump
// into the middle of the displaced bytes as far as branches, relocations, symbols and jump tables say. What may
// be data is no CPUID: one that is not found executes on software rungs, and is #UD on hardware all the same.
[[nodiscard]] SiteSurvey find_syscall_sites(const ElfProgram& program);

struct Thunks {
  std::vector<std::byte> code;              // for thunk_offset on; not page-rounded
  std::vector<boundary::LayoutSite> sites;  // those within reach of a near jump
};

// Places as offsets from the enclave's base. Each thunk runs `before`, sets RCX to the address of `after` in the thunk,
// jumps to `syscall_entry`, which returns to RCX as the instruction would, runs `after` and jumps behind the site.
[[nodiscard]] Thunks make_thunks(std::span<const PatchableSite> sites, std::uint64_t app_base,
                                 std::uint64_t thunk_offset, std::uint64_t syscall_entry);

}  // namespace coffer::image
