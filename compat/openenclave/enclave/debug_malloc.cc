// Which allocations nobody freed, and who made them.
#include <malloc.h>
#include <openenclave/bits/result.h>
#include <openenclave/debugmalloc.h>
#include <openenclave/internal/backtrace.h>
#include <openenclave/internal/malloc.h>
#include <openenclave/internal/print.h>
#include <unwind.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>

#include "compat/openenclave/enclave/memory.h"
#include "enclave/sdk/calls/ranges.h"

extern "C" {
void* __real_malloc(size_t size);
void __real_free(void* memory);
}

bool oe_disable_debug_malloc_check = false;

namespace coffer::openenclave {
namespace {

constexpr int kFrames = 16, kOwnFrames = 2;  // track() and the allocator's entry are left out

// Kept beside the allocations, in memory of the C library's that is not counted.
struct Record {
  void* memory;
  std::size_t size;
  std::array<void*, kFrames> frames;
  int frame_count;
  Record *next, *before;
};

std::atomic<bool> running{false};
std::atomic<std::size_t> records{0};
std::mutex lock;
Record* first = nullptr;
thread_local bool inside = false;  // what tracking itself allocates is not tracked

class Inside {
 public:
  Inside() : was_(inside) { inside = true; }
  ~Inside() { inside = was_; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  bool was_;
};

struct Frames {
  void** place;
  int room, count;
};
_Unwind_Reason_Code take_frame(_Unwind_Context* context, void* given) {
  auto& frames = *static_cast<Frames*>(given);
  if (frames.count == frames.room) return _URC_END_OF_STACK;
  frames.place[frames.count++] = reinterpret_cast<void*>(_Unwind_GetIP(context));
  return _URC_NO_REASON;
}

std::string describe(const Record& record) {
  std::array<char, 96> line{};
  std::snprintf(line.data(), line.size(), "%zu bytes at 0x%zx, allocated at\n", record.size,
                reinterpret_cast<std::size_t>(record.memory));
  std::string text = line.data();
  const std::uint64_t base = calls::memory_ranges().base;
  for (int i = std::min(kOwnFrames, record.frame_count); i < record.frame_count; ++i) {
    const auto address = reinterpret_cast<std::uint64_t>(record.frames.at(static_cast<std::size_t>(i)));
    std::snprintf(line.data(), line.size(), "    enclave+0x%llx\n", static_cast<unsigned long long>(address - base));
    text += line.data();
  }
  return text;
}

std::string report(std::uint64_t& count) {
  const Inside nothing_tracked;
  const std::scoped_lock held(lock);
  std::string text;
  for (const Record* record = first; record != nullptr; record = record->next) {
    ++count;
    text += describe(*record);
  }
  return text;
}

}  // namespace

bool tracking() { return running.load(std::memory_order_relaxed) && !inside; }

void track(void* memory, std::size_t size) {
  if (inside) return;
  const Inside nothing_tracked;
  auto* record = static_cast<Record*>(__real_malloc(sizeof(Record)));
  if (record == nullptr) return;
  *record = {memory, size, {}, 0, nullptr, nullptr};
  record->frame_count = oe_backtrace(record->frames.data(), kFrames);
  const std::scoped_lock held(lock);
  record->next = first;
  if (first != nullptr) first->before = record;
  first = record;
  records.fetch_add(1);
}

bool forget(void* memory) {
  if (inside || records.load(std::memory_order_relaxed) == 0) return false;
  const Inside nothing_tracked;
  const std::scoped_lock held(lock);
  for (Record* record = first; record != nullptr; record = record->next) {
    if (record->memory != memory) continue;
    (record->before == nullptr ? first : record->before->next) = record->next;
    if (record->next != nullptr) record->next->before = record->before;
    records.fetch_sub(1);
    __real_free(record);
    return true;
  }
  return false;
}

}  // namespace coffer::openenclave

using namespace coffer::openenclave;

extern "C" {

oe_result_t oe_debug_malloc_tracking_start(void) { return running.exchange(true) ? OE_FAILURE : OE_OK; }
oe_result_t oe_debug_malloc_tracking_stop(void) { return running.exchange(false) ? OE_OK : OE_FAILURE; }

oe_result_t oe_debug_malloc_tracking_report(uint64_t* out_object_count, char** out_report) {
  if (out_object_count == nullptr || out_report == nullptr) return OE_INVALID_PARAMETER;
  std::uint64_t count = 0;
  const std::string text = report(count);
  const Inside nothing_tracked;
  auto* copy = static_cast<char*>(std::malloc(text.size() + 1));
  if (copy == nullptr) return OE_OUT_OF_MEMORY;
  std::copy_n(text.c_str(), text.size() + 1, copy);
  *out_object_count = count;
  *out_report = copy;
  return OE_OK;
}

size_t oe_debug_malloc_check(void) {
  std::uint64_t count = 0;
  const std::string text = report(count);
  if (count != 0) oe_host_write(1, text.c_str(), text.size());
  return count;
}

void oe_debug_malloc_dump(void) { (void)oe_debug_malloc_check(); }
oe_result_t oe_check_memory_leaks(void) { return oe_debug_malloc_check() == 0 ? OE_OK : OE_MEMORY_LEAK; }
int oe_backtrace(void** buffer, int size) {
  Frames frames{buffer, size < 0 ? 0 : size, 0};
  _Unwind_Backtrace(take_frame, &frames);
  return frames.count;
}

}  // extern "C"
