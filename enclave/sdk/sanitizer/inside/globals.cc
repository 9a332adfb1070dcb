// Global variables, which GCC lays out with room behind each and registers module by module.
#include <array>
#include <cstdint>
#include <span>

#include "enclave/sdk/sanitizer/inside/runtime.h"

namespace coffer::sanitizer {
namespace {

struct RegisteredGlobal {  // GCC 12's and Clang's layout
  std::uintptr_t begin, size, whole_size;
  const char *name, *module;
  std::uintptr_t dynamic_initialiser, location, odr_indicator;
};

constexpr std::size_t kMostModules = 4096;
constinit std::array<std::span<const RegisteredGlobal>, kMostModules> modules;
constinit std::size_t module_count = 0;
constinit Lock lock;

void poison_end(const RegisteredGlobal& global) {
  const std::uintptr_t end = global.begin + global.size;
  const std::uintptr_t whole = (end + kGranule - 1) / kGranule * kGranule;
  shadow.poison(whole, global.begin + global.whole_size - whole, Poison::kGlobal);
  shadow.unpoison(global.begin, global.size);
}

}  // namespace

bool find_global(std::uintptr_t address, GlobalVariable* found) {
  constexpr std::uintptr_t kNear = 64;  // before the first of a module
  const LockGuard guard(lock);
  for (std::size_t i = 0; i < module_count; ++i) {
    for (const RegisteredGlobal& global : modules[i]) {
      if (address + kNear < global.begin || address >= global.begin + global.whole_size) continue;
      *found = {global.begin, global.size, global.whole_size, global.name, global.module};
      if (address >= global.begin) return true;
    }
  }
  return found->begin != 0;
}

}  // namespace coffer::sanitizer

namespace san = coffer::sanitizer;

extern "C" {

void __asan_register_globals(const void* globals, std::uintptr_t count) {
  const std::span all(static_cast<const san::RegisteredGlobal*>(globals), count);
  for (const auto& global : all) san::poison_end(global);
  const san::LockGuard guard(san::lock);
  if (san::module_count < san::kMostModules) san::modules[san::module_count++] = all;
}

// A program that ends does not unload: destructors that run later may still use what is registered.
void __asan_unregister_globals(const void*, std::uintptr_t) {}
}
