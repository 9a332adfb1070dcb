// What the compiler and libstdc++'s headers expect of a C++ runtime, where the runtime is the kernel itself: every
// failed precondition is a panic. Not in hosted libraries.
#include <bits/functexcept.h>

#include <cstddef>
#include <exception>

#include "enclave/kernel/core/kernel.h"

using coffer::kernel::panic;

extern "C" {

[[noreturn]] void __cxa_pure_virtual() { panic("a pure virtual function was called"); }
[[noreturn]] void __cxa_deleted_virtual() { panic("a deleted virtual function was called"); }
[[noreturn]] void __stack_chk_fail() { panic("a stack was overwritten"); }
void abort() { panic("abort"); }

// The kernel's globals live as long as the enclave: nothing is ever destroyed at exit.
int __cxa_atexit(void (*)(void*), void*, void*) { return 0; }
__attribute__((visibility("hidden"))) void* __dso_handle = nullptr;

// std::popcount without the instruction, which the oldest x86-64 processors lack.
int __popcountdi2(long value) {
  auto rest = static_cast<unsigned long>(value);
  int ones = 0;
  for (; rest != 0; rest &= rest - 1) ++ones;
  return ones;
}
}

namespace std {

void terminate() noexcept { panic("std::terminate"); }

void __throw_bad_exception() { panic("std::bad_exception"); }
void __throw_bad_alloc() { panic("out of enclave memory"); }
void __throw_bad_array_new_length() { panic("out of enclave memory: an impossible array length"); }
void __throw_bad_cast() { panic("std::bad_cast"); }
void __throw_bad_typeid() { panic("std::bad_typeid"); }
void __throw_logic_error(const char* what) { panic(what); }
void __throw_domain_error(const char* what) { panic(what); }
void __throw_invalid_argument(const char* what) { panic(what); }
void __throw_length_error(const char* what) { panic(what); }
void __throw_out_of_range(const char* what) { panic(what); }
void __throw_out_of_range_fmt(const char* what, ...) { panic(what); }
void __throw_runtime_error(const char* what) { panic(what); }
void __throw_range_error(const char* what) { panic(what); }
void __throw_overflow_error(const char* what) { panic(what); }
void __throw_underflow_error(const char* what) { panic(what); }
void __throw_ios_failure(const char* what) { panic(what); }
void __throw_ios_failure(const char* what, int) { panic(what); }
void __throw_system_error(int) { panic("std::system_error"); }
void __throw_future_error(int) { panic("std::future_error"); }
void __throw_bad_function_call() { panic("std::bad_function_call"); }

void __glibcxx_assert_fail(const char*, int, const char*, const char* condition) noexcept { panic(condition); }

}  // namespace std
