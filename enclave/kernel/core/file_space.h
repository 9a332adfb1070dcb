// The enclave's memory for files that are mapped shared. Freestanding.
#pragma once

namespace coffer::kernel {

// Once, after init_memory(): mmap() with MAP_SHARED works from then on.
void init_file_space();

}  // namespace coffer::kernel
