// The host's two functions of boundary/call_frames.h, for enclaves that run in this process.
#pragma once

#include <memory>

#include "boundary/call_frames.h"

extern "C" {
void coffer_ecall(void (*function)(void*), void* context, coffer::boundary::FramePlace* place);
void coffer_ocall_handler(void (*function)(void*), void* context, const coffer::boundary::FramePlace* target);
}

namespace coffer::host {

// Runs `call`, which enters the enclave: below the enclave's frames a debugger finds this one. Without `frames`, or
// with ones that nobody reads, nothing but that.
template <class Call>
void call_in_frame(boundary::DebuggerFrames* frames, Call call) {
  if (frames == nullptr) return call();
  coffer_ecall([](void* context) { (*static_cast<Call*>(context))(); }, std::addressof(call), &frames->host);
}

// Runs `handle` for the enclave: below its frames a debugger finds those of the enclave that wait for it. It must not
// throw.
template <class Handle>
void handle_in_frame(const boundary::DebuggerFrames* frames, Handle handle) {
  static_assert(noexcept(handle()));
  if (frames == nullptr) return handle();
  coffer_ocall_handler([](void* context) { (*static_cast<Handle*>(context))(); }, std::addressof(handle),
                       &frames->enclave);
}

}  // namespace coffer::host
