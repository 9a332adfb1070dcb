// One event of a log, decoded.
#pragma once

#include <coffer/attest/claims.h>

#include "attest/tpm/binding.h"
#include "attest/tpm/event_log.h"

namespace coffer::attest::tpm {

// What the event's data says, by its type: "variable", "guid" and what the variable means; "device_path"; "text";
// "partitions"; ... Data whose form is not known is hexadecimal text, cut off after 64 bytes. `data` was not proven by
// anything here: binding_of() says whether it is.
[[nodiscard]] Claims describe_data(const Event& event);

// {"pcr":0,"type":"EV_SEPARATOR","digests":{"sha256":...},"data":"proven",...}. A CCEL's events have "register" for
// "pcr".
[[nodiscard]] Claims describe(const EventLog& log, const Event& event, Binding binding);

}  // namespace coffer::attest::tpm
