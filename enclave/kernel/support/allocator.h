// operator new and delete of the kernel, over one Heap. Freestanding; not in hosted libraries.
//
// The core provides the two functions below, from AddressSpace::map_kernel and release_kernel; the heap can be used
// from the moment they work. An allocation that fails panics ("out of enclave memory"), the nothrow forms return
// nullptr.
#pragma once

#include <cstddef>

namespace coffer::kernel {

// `bytes` is a multiple of 4096; zeroed committed pages, or nullptr where there are none.
void* kernel_pages(std::size_t bytes);
// Takes them back, with the same size; they must be zeroed before anybody else gets them.
void release_kernel_pages(void* pages, std::size_t bytes);

// What the kernel's own objects hold, in bytes.
std::size_t kernel_heap_bytes();

}  // namespace coffer::kernel
