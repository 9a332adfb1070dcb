// A worker of the cell: one thread for each TCS in use, which enters when the host gives it the turn.
#pragma once

#include <cstdint>

#include "boundary/slot.h"
#include "processor/carrier/entry_loop.h"

namespace coffer::cell {

// Serves `slot` for ever. `slot` is shared with the host; everything in it is copied once and believed never.
[[noreturn]] void serve_slot(boundary::Slot& slot, processor::EntryLoop loop);

}  // namespace coffer::cell
