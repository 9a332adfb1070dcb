// Writing StartInfo (boundary/calls.h): what a starting enclave is told.
#pragma once

#include <coffer/host.h>

#include "boundary/calls.h"
#include "host/arena.h"
#include "host/image/coffer_image.h"

namespace coffer::host {

struct MountPlan {
  std::uint32_t id = 0;
  boundary::MountKind kind = boundary::MountKind::kPlain;
  bool read_only = false;
  Mount mount;
};

// Matches the mounts given at the start with those that the image declares. Input error where one is not declared, is
// given twice, lacks its key or has a key that the image does not ask for.
[[nodiscard]] Result<std::vector<MountPlan>> plan_mounts(const image::CofferImage& image,
                                                         std::span<const Mount> mounts);

struct StartBlock {
  std::byte* block = nullptr;  // in the arena
  std::uint64_t size = 0;
};
// argv[0] is the image's program name. `under_debugger`: kStartUnderDebugger. The block holds keys: wipe_start_block()
// once the enclave has copied it.
[[nodiscard]] Result<StartBlock> write_start_block(Arena& arena, const image::CofferImage& image,
                                                   const RunOptions& options, std::span<const MountPlan> mounts,
                                                   std::uint64_t exchange_base, bool under_debugger);
void wipe_start_block(Arena& arena, StartBlock block);

}  // namespace coffer::host
