// The enclave's half of calls without a change of sides.
#pragma once

#include <coffer/calls.h>

namespace coffer::calls {

// True where the call is one of the reserved functions; *status is its answer then.
[[nodiscard]] bool serve_switchless(CallFunction function, void* context, const IncomingCall& call,
                                    std::int64_t* status);

}  // namespace coffer::calls
