// ECALLs of generated code, as a CallFunction: `context` is the program's coffer_edge_interface.
#pragma once

#include <coffer/calls.h>
#include <coffer/edge.h>

namespace coffer::calls {

[[nodiscard]] std::int64_t serve_edge_call(void* context, IncomingCall& call);

}  // namespace coffer::calls
