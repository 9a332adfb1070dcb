// The enclave's two functions of boundary/call_frames.h.
#pragma once

#include <coffer/enclave.h>

#include <cstdint>
#include <memory>

extern "C" {
struct coffer_frame_place {  // boundary::FramePlace
  std::uint64_t rip, rsp;
};
void coffer_ocall(void (*function)(void*), void* context, coffer_frame_place* place);
void coffer_ecall_inside(void (*function)(void*), void* context, const coffer_frame_place* target);
}

namespace coffer::calls {

// This thread's, in the host's memory: of a DEBUG enclave, from which nothing is kept. Null for any other.
struct ThreadFrames {
  coffer_frame_place host, enclave;
};
inline ThreadFrames* thread_frames() {
  static thread_local ThreadFrames* const frames = [] {
    std::uint64_t address = 0;
    const long failed = detail::enclave_call(detail::kDebuggerFrames, detail::address(&address));
    return failed == 0 ? reinterpret_cast<ThreadFrames*>(address) : nullptr;
  }();
  return frames;
}

// Runs `serve` for a call of the host's: below its frames a debugger finds the caller's. An exception that nothing in
// it catches ends the program.
template <class Serve>
void serve_in_frame(Serve serve) {
  ThreadFrames* frames = thread_frames();
  const auto call = [](void* context) noexcept { (*static_cast<Serve*>(context))(); };
  if (frames == nullptr) return call(std::addressof(serve));
  coffer_ecall_inside(call, std::addressof(serve), &frames->host);
}

// Runs `leave`, which calls the host: below the frames of who serves the call a debugger finds this one.
template <class Leave>
void leave_in_frame(Leave leave) {
  ThreadFrames* frames = thread_frames();
  if (frames == nullptr) return leave();
  coffer_ocall([](void* context) { (*static_cast<Leave*>(context))(); }, std::addressof(leave), &frames->enclave);
}

}  // namespace coffer::calls
