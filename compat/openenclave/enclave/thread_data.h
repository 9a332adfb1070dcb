// What this library keeps of each thread; for internal/sgx/td.h and exceptions.
#pragma once

#include <cstddef>
#include <cstdint>

struct _td {
  std::uint64_t stack_end = 0;  // of the thread's own stack; 0: not asked for yet
  std::uint64_t handler_stack = 0, handler_stack_size = 0;
  std::uint64_t handler_codes = 0;  // bit OE_EXCEPTION_*: its handlers run on that stack
};
