// How a debugger walks from the frames of one side to those of the other (freestanding). Each thread of a DEBUG enclave
// that runs in its host's own process has a DebuggerFrames behind its exchange area: where the host's stack stands
// while it is in an ECALL, and where the enclave's stands while it is in an OCALL. boundary/call_frames.S has the code.
//
// For unwinding alone: nobody goes, writes or decides by what stands here. Production enclaves leave nothing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "boundary/calls.h"
#include "boundary/crash.h"

namespace coffer::boundary {

// Inside the function of boundary/call_frames.S that waits for the other side; 0, 0: nobody does.
struct FramePlace {
  std::uint64_t rip, rsp;
};
struct DebuggerFrames {
  FramePlace host, enclave;
};

// Where it stands in a thread's part of the arena: behind the crash record, on the same page.
inline constexpr std::size_t kDebuggerFramesOffset = kExchangeSize + 2048;
static_assert(kCrashOffset + sizeof(CrashRecord) <= kDebuggerFramesOffset &&
              kDebuggerFramesOffset + sizeof(DebuggerFrames) <= sizeof(ExchangeArea));
inline DebuggerFrames* debugger_frames(ExchangeArea* area) {
  return reinterpret_cast<DebuggerFrames*>(reinterpret_cast<std::byte*>(area) + kDebuggerFramesOffset);
}

}  // namespace coffer::boundary
