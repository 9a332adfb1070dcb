// What GCC and Clang call for `-fsanitize=kernel-address` with outline checks.
#include <cstdint>

#include "enclave/sdk/sanitizer/inside/runtime.h"

namespace coffer::sanitizer {
namespace {

inline void check(std::uintptr_t address, std::size_t size, Access access, const Caller& caller) {
  if (!shadow.allows(address, size)) [[unlikely]]
    report_access(address, size, access, caller);
}
inline void check_many(std::uintptr_t address, std::size_t size, Access access, const Caller& caller) {
  if (shadow.first_bad(address, size)) [[unlikely]]
    report_access(address, size, access, caller);
}

}  // namespace
}  // namespace coffer::sanitizer

namespace san = coffer::sanitizer;
using san::Access;

extern "C" {

void __asan_load1_noabort(std::uintptr_t a) { san::check(a, 1, Access::kRead, COFFER_CALLER()); }
void __asan_load2_noabort(std::uintptr_t a) { san::check(a, 2, Access::kRead, COFFER_CALLER()); }
void __asan_load4_noabort(std::uintptr_t a) { san::check(a, 4, Access::kRead, COFFER_CALLER()); }
void __asan_load8_noabort(std::uintptr_t a) { san::check(a, 8, Access::kRead, COFFER_CALLER()); }
void __asan_load16_noabort(std::uintptr_t a) { san::check(a, 16, Access::kRead, COFFER_CALLER()); }
void __asan_store1_noabort(std::uintptr_t a) { san::check(a, 1, Access::kWrite, COFFER_CALLER()); }
void __asan_store2_noabort(std::uintptr_t a) { san::check(a, 2, Access::kWrite, COFFER_CALLER()); }
void __asan_store4_noabort(std::uintptr_t a) { san::check(a, 4, Access::kWrite, COFFER_CALLER()); }
void __asan_store8_noabort(std::uintptr_t a) { san::check(a, 8, Access::kWrite, COFFER_CALLER()); }
void __asan_store16_noabort(std::uintptr_t a) { san::check(a, 16, Access::kWrite, COFFER_CALLER()); }
void __asan_loadN_noabort(std::uintptr_t a, std::size_t size) {
  san::check_many(a, size, Access::kRead, COFFER_CALLER());
}
void __asan_storeN_noabort(std::uintptr_t a, std::size_t size) {
  san::check_many(a, size, Access::kWrite, COFFER_CALLER());
}

// Before a call that does not return: the frames above will not clean up after themselves.
void __asan_handle_no_return() {
  san::forget_stack_above(reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)));
}

// Variables whose block has ended, and begins again.
void __asan_poison_stack_memory(std::uintptr_t address, std::size_t size) {
  san::shadow.poison(address, size, san::Poison::kStackAfterScope);
}
void __asan_unpoison_stack_memory(std::uintptr_t address, std::size_t size) { san::shadow.unpoison(address, size); }

// alloca() and arrays of variable length: 32 bytes at either side, and what is left of the last 32.
void __asan_alloca_poison(std::uintptr_t address, std::size_t size) {
  constexpr std::size_t kZone = 32;
  const std::uintptr_t end = address + size;
  const std::uintptr_t whole = (end + san::kGranule - 1) / san::kGranule * san::kGranule;
  const std::uintptr_t zone = (end + kZone - 1) / kZone * kZone;
  san::shadow.poison(address - kZone, kZone, san::Poison::kAllocaLeft);
  san::shadow.unpoison(address, size);
  san::shadow.poison(whole, zone + kZone - whole, san::Poison::kAllocaRight);
}
void __asan_allocas_unpoison(std::uintptr_t top, std::uintptr_t bottom) {
  if (top != 0 && top < bottom) san::shadow.unpoison(top, bottom - top);
}

// <sanitizer/asan_interface.h>
void __asan_poison_memory_region(const volatile void* memory, std::size_t size) {
  const auto begin = reinterpret_cast<std::uintptr_t>(memory);
  const std::uintptr_t first = (begin + san::kGranule - 1) / san::kGranule * san::kGranule;
  const std::uintptr_t last = (begin + size) / san::kGranule * san::kGranule;
  if (first < last) san::shadow.poison(first, last - first, san::Poison::kUser);
}
void __asan_unpoison_memory_region(const volatile void* memory, std::size_t size) {
  const auto begin = reinterpret_cast<std::uintptr_t>(memory);
  const std::uintptr_t first = begin / san::kGranule * san::kGranule;
  san::shadow.unpoison(first, begin + size - first);
}
int __asan_address_is_poisoned(const volatile void* memory) {
  return san::shadow.first_bad(reinterpret_cast<std::uintptr_t>(memory), 1) ? 1 : 0;
}
void* __asan_region_is_poisoned(void* memory, std::size_t size) {
  const auto bad = san::shadow.first_bad(reinterpret_cast<std::uintptr_t>(memory), size);
  return bad ? reinterpret_cast<void*>(*bad) : nullptr;
}

// The order in which constructors use others' globals is not checked.
void __asan_before_dynamic_init(const char*) {}
void __asan_after_dynamic_init() {}
}
