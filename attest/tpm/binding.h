// Whether an event's data is what its digest is of. A log comes from the host: only its digests are under the
// registers, so data that does not fit its digest says nothing.
#pragma once

#include "attest/tpm/event_log.h"

namespace coffer::attest::tpm {

enum class Binding {
  kProven,       // the digest is of the data (or of the part of it that the profile or the boot loader measures)
  kDescription,  // the digest is of something else, e.g. of a file that the data names
  kDiffers,      // the profile says that the digest is of the data, and it is not
};
[[nodiscard]] std::string_view name_of(Binding binding);  // "proven", "description", "differs"

// By the digests of the hasher's algorithm (PC Client Platform Firmware Profile, 10.4.1, the column of what is
// digested).
[[nodiscard]] Binding binding_of(const EventLog& log, const Event& event, Hasher& hasher);

}  // namespace coffer::attest::tpm
