// Functions of this library that its own files call.
#pragma once

#include <coffer/calls.h>
#include <openenclave/bits/result.h>

namespace coffer::openenclave {

[[nodiscard]] oe_result_t set_log_level(std::uint32_t level);
// InternalCall::kGetReport.
[[nodiscard]] oe_result_t report_for_host(calls::IncomingCall& call);

// InternalCall::kGetPublicKey.
[[nodiscard]] oe_result_t public_key_for_host(calls::IncomingCall& call);

// Before the program's own constructors.
void prepare_exceptions();

// What the call that ends has set up for exceptions of its thread.
void forget_handler_stack();

}  // namespace coffer::openenclave
