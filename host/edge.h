// The host's half of what generated code calls (<coffer/edge.h>).
#pragma once

#include <coffer/edge.h>
#include <coffer/host.h>

#include <atomic>

namespace coffer::host {

// An OCALL of generated code: the function of that number in the table, or COFFER_EDGE_NO_FUNCTION.
[[nodiscard]] CallResult answer_edge_call(const std::atomic<const coffer_edge_ocall_table*>& edge,
                                          const HostCall& call);

}  // namespace coffer::host
