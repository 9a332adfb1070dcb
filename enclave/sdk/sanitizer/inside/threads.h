// The list of threads, for the leak check.
#pragma once

#include <array>
#include <atomic>

#include "enclave/sdk/sanitizer/inside/runtime.h"

namespace coffer::sanitizer {

struct ThreadRecord {
  std::atomic<bool> used{false};
  std::atomic<std::uint32_t> id{0};  // the kernel's; 0 until the rest is right
  // What it begins with. Until then the leak check finds the argument here, as it finds all that is global.
  void* (*function)(void*) = nullptr;
  void* argument = nullptr;
  StackRange stack;
  std::uintptr_t thread_pointer = 0;  // its static thread-local storage ends here
};
inline constexpr std::size_t kMostThreads = 1024;
extern std::array<ThreadRecord, kMostThreads> threads;

}  // namespace coffer::sanitizer
