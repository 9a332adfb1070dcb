// What a SecureChannel holds. The exchange (local_attestation.cc) makes it.
#pragma once

#include <coffer/local_attestation.h>

#include "base/secret.h"

namespace coffer {

struct SecureChannel::State {
  Key256 sending, receiving, exporting;
  std::uint64_t sent = 0, received = 0;  // records
  bool closed = false, ended = false;    // ours, theirs
};

}  // namespace coffer
