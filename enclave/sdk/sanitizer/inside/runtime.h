// What the parts of the run-time library share while a program runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "enclave/sdk/sanitizer/heap.h"
#include "enclave/sdk/sanitizer/shadow.h"
#include "enclave/sdk/sanitizer/stack_depot.h"

namespace coffer::sanitizer {

// Of $ASAN_OPTIONS and $LSAN_OPTIONS, and before those of __asan_default_options() in the program.
struct Options {
  int exit_code = 1;        // after an error
  int leak_exit_code = 23;  // after a leak; 0 leaves the program's own
  bool detect_leaks = true;
  bool halt_on_error = true;
  bool abort_on_error = false;  // ends with SIGABRT, of which Coffer makes a crash report
  bool fast_unwind = true;      // of allocations: by frame pointers
};

extern Shadow shadow;  // of nothing before the library has begun
extern Heap heap;
extern StackDepot stacks;
extern Options options;
extern std::uintptr_t code_base;  // what places in reports are relative to: the enclave's base, or the program's
extern bool in_enclave;

// Where the calling function was called, as reports say it.
struct Caller {
  std::uintptr_t pc = 0;     // the return address
  std::uintptr_t frame = 0;  // the value of RBP in the function that was called
};

// The stack of `caller`: quickly, by frame pointers, or by the unwinder, which knows functions without them.
[[nodiscard]] CallStack quick_stack(const Caller& caller);
[[nodiscard]] CallStack exact_stack(const Caller& caller);
// The id of the stack of an allocation.
[[nodiscard]] StackDepot::Id keep_stack(const Caller& caller);

// Threads: the main one and those of pthread_create().
struct StackRange {
  std::uintptr_t begin = 0, end = 0;  // end 0: not known
};
[[nodiscard]] std::uint32_t current_thread();  // 0 is main's; in the order of their beginning
[[nodiscard]] StackRange current_stack();
void begin_main_thread();
// Variables on the stack above `address` are about to go without a word: an exception, a jump.
void forget_stack_above(std::uintptr_t address);

// Marks what is left of a stack that somebody else had; whole pages of the shadow are given back.
void clear_shadow(std::uintptr_t address, std::size_t size);

void read_options();
// Ends the program at once.
[[noreturn]] void end_program(int status);
// A large zeroed piece of memory that costs what is touched of it; nullptr where there is none.
[[nodiscard]] void* map_memory(std::size_t size, std::uintptr_t fixed = 0);

// What the program did.
enum class Access : std::uint8_t { kRead, kWrite };
// The range is not fine. Returns where errors do not end the program.
void report_access(std::uintptr_t address, std::size_t size, Access access, const Caller& caller);
// Something else than an access. `kind` as AddressSanitizer calls it.
void report_release(const char* kind, std::uintptr_t address, const Caller& caller);

// Globals that GCC has registered.
struct GlobalVariable {
  std::uintptr_t begin = 0, size = 0, whole_size = 0;
  const char* name = "";
  const char* module = "";
};
// The variable whose red zone `address` is in; false for none.
[[nodiscard]] bool find_global(std::uintptr_t address, GlobalVariable* found);

// Checks a range that a function of the C library is about to use.
inline void check_range(const void* memory, std::size_t size, Access access, const Caller& caller) {
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  if (size == 0 || !shadow.covers(address)) return;
  if (shadow.first_bad(address, size)) [[unlikely]]
    report_access(address, size, access, caller);
}

}  // namespace coffer::sanitizer

// The caller of the function that this stands in.
#define COFFER_CALLER()                                                                       \
  (::coffer::sanitizer::Caller{reinterpret_cast<std::uintptr_t>(__builtin_return_address(0)), \
                               reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0))})
