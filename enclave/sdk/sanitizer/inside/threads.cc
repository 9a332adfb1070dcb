// Threads and their stacks.
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <utility>

#include "enclave/sdk/sanitizer/inside/runtime.h"
#include "enclave/sdk/sanitizer/inside/threads.h"

extern "C" {
extern void* __libc_stack_end;
int __real_pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*function)(void*),
                          void* argument);
int __real__Unwind_RaiseException(void* exception);
int __real__Unwind_Resume_or_Rethrow(void* exception);
}

namespace coffer::sanitizer {

constinit std::array<ThreadRecord, kMostThreads> threads;

namespace {

constinit std::atomic<std::uint32_t> next_number{1};
constinit __thread std::uint32_t number = 0;
constinit __thread StackRange stack{};

ThreadRecord* free_record() {
  for (ThreadRecord& free : threads) {
    bool used = false;
    if (free.used.compare_exchange_strong(used, true)) return &free;
  }
  return nullptr;
}

void enrol(ThreadRecord& own) {
  own.stack = stack;
  own.thread_pointer = reinterpret_cast<std::uintptr_t>(__builtin_thread_pointer());
  own.id.store(static_cast<std::uint32_t>(gettid()));
}

void leave(void* argument) {
  auto& own = *static_cast<ThreadRecord*>(argument);
  own.id.store(0);
  own.used.store(false);
}

// The first function of a thread. Its stack may have been another thread's, which was cancelled.
void* begin(void* argument) {
  auto& own = *static_cast<ThreadRecord*>(argument);
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
    void* lowest = nullptr;
    std::size_t size = 0;
    pthread_attr_getstack(&attributes, &lowest, &size);
    pthread_attr_destroy(&attributes);
    stack = {reinterpret_cast<std::uintptr_t>(lowest), reinterpret_cast<std::uintptr_t>(lowest) + size};
    clear_shadow(stack.begin, size);
  }
  number = next_number.fetch_add(1);
  enrol(own);
  void* result = nullptr;
  pthread_cleanup_push(leave, &own);
  result = own.function(std::exchange(own.argument, nullptr));
  pthread_cleanup_pop(1);
  return result;
}

}  // namespace

std::uint32_t current_thread() { return number; }
StackRange current_stack() { return stack; }

void begin_main_thread() {
  // How far down it may go is not known, and matters to nobody: what is between is asked of the stack pointer.
  const auto end = reinterpret_cast<std::uintptr_t>(__libc_stack_end);
  constexpr std::uintptr_t kMost = std::uintptr_t{1} << 30;
  stack = {end - kMost, end};
  if (ThreadRecord* own = free_record()) enrol(*own);
}

void forget_stack_above(std::uintptr_t address) {
  address = address / kGranule * kGranule;
  StackRange range = stack;
  if (address < range.begin || address >= range.end) {
    stack_t alternate{};
    if (sigaltstack(nullptr, &alternate) != 0 || (alternate.ss_flags & SS_ONSTACK) == 0) return;
    range.begin = reinterpret_cast<std::uintptr_t>(alternate.ss_sp);
    range.end = range.begin + alternate.ss_size;
    if (address < range.begin || address >= range.end) return;
  }
  shadow.unpoison(address, range.end - address);
}

}  // namespace coffer::sanitizer

namespace san = coffer::sanitizer;

extern "C" {

int __wrap_pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*function)(void*),
                          void* argument) {
  san::ThreadRecord* record = san::free_record();
  if (record == nullptr) return EAGAIN;
  record->function = function;
  record->argument = argument;
  const int failed = __real_pthread_create(thread, attributes, san::begin, record);
  if (failed != 0) record->used.store(false);
  return failed;
}

// Frames that an exception leaves without cleaning up after themselves.
int __wrap__Unwind_RaiseException(void* exception) {
  san::forget_stack_above(reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)));
  return __real__Unwind_RaiseException(exception);
}
int __wrap__Unwind_Resume_or_Rethrow(void* exception) {
  san::forget_stack_above(reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)));
  return __real__Unwind_Resume_or_Rethrow(exception);
}
}
