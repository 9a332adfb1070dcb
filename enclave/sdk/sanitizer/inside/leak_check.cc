#include "enclave/sdk/sanitizer/inside/leak_check.h"

#include <coffer/enclave.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "enclave/sdk/sanitizer/inside/allocation.h"
#include "enclave/sdk/sanitizer/inside/text.h"
#include "enclave/sdk/sanitizer/inside/threads.h"
#include "enclave/sdk/sanitizer/leaks.h"

namespace coffer::sanitizer {
namespace {

constexpr std::uintptr_t kPage = 4096;
constexpr std::size_t kMostRoots = 64;

struct Range {
  std::uintptr_t begin = 0, end = 0;
};
// __lsan_register_root_region().
constinit std::array<Range, kMostRoots> regions;
constinit std::size_t region_count = 0;
constinit Lock checking;

struct ThreadRegisters {  // enclave/kernel/syscalls/calls.cc
  std::uint64_t thread_id, rsp;
  std::uint64_t kept[6];
};

// Short pieces are read as they are; of others the pages that were never touched are left out.
void for_touched(void*, std::uintptr_t begin, std::uintptr_t end,
                 void (*look)(void* search, std::uintptr_t begin, std::uintptr_t end), void* search) {
  constexpr std::size_t kPages = 256;
  if (end - begin < 4 * kPage) return look(search, begin, end);
  for (std::uintptr_t at = begin; at < end;) {
    const std::uintptr_t first = at / kPage * kPage;
    const std::uintptr_t last = std::min(first + kPages * kPage, (end + kPage - 1) / kPage * kPage);
    unsigned char there[kPages] = {};
    const bool known = mincore(reinterpret_cast<void*>(first), last - first, there) == 0;
    for (std::uintptr_t page = first; page < last; page += kPage) {
      if (!known || (there[(page - first) / kPage] & 1) != 0) {
        look(search, std::max(page, begin), std::min(page + kPage, end));
      }
    }
    at = last;
  }
}

struct Program {
  Range data[8];
  std::size_t count = 0;
  std::size_t thread_local_size = 0;
};

int find_data(dl_phdr_info* info, std::size_t, void* context) {
  auto& program = *static_cast<Program*>(context);
  for (unsigned i = 0; i < info->dlpi_phnum; ++i) {
    const auto& header = info->dlpi_phdr[i];
    if (header.p_type == PT_TLS) program.thread_local_size = (header.p_memsz + 63) / 64 * 64;
    if (header.p_type != PT_LOAD || (header.p_flags & PF_W) == 0) continue;
    if (program.count == std::size(program.data)) continue;
    const std::uintptr_t begin = info->dlpi_addr + header.p_vaddr;
    program.data[program.count++] = {begin, begin + header.p_memsz};
  }
  return 1;  // the program itself is the first, and here the only one
}

// The other threads: where the kernel says that they are in a call, their stacks from there on and the registers that
// a call preserves; of one that computes, all of its stack.
void add_threads(LeakSearch& search, const Program& program) {
  constexpr std::size_t kThreadBlock = 2304;  // the C library's, behind the thread pointer
  // Not on this stack and not among the globals, where what it holds would be found.
  constexpr std::size_t kSize = kMostThreads * sizeof(ThreadRegisters);
  auto* registers = static_cast<ThreadRegisters*>(map_memory(kSize));
  long known = 0;
  if (in_enclave && registers != nullptr) {
    known = coffer::detail::enclave_call(coffer::detail::kThreads, coffer::detail::address(registers),
                                         static_cast<long>(kMostThreads));
  }
  const auto count = registers == nullptr || known < 0 ? 0 : std::min(static_cast<std::size_t>(known), kMostThreads);
  const auto self = static_cast<std::uint32_t>(gettid());
  for (const ThreadRecord& thread : threads) {
    const std::uint32_t id = thread.id.load();
    if (id == 0) continue;
    search.add_root(thread.thread_pointer - program.thread_local_size, thread.thread_pointer + kThreadBlock);
    if (id == self) continue;
    std::uintptr_t from = thread.stack.begin;
    for (std::size_t i = 0; i < count; ++i) {
      if (registers[i].thread_id != id) continue;
      for (const std::uint64_t value : registers[i].kept) search.add_root_value(value);
      if (registers[i].rsp > from && registers[i].rsp < thread.stack.end) from = registers[i].rsp;
    }
    search.add_root(from, thread.stack.end);
  }
  if (registers != nullptr) munmap(registers, kSize);
}

void add_roots(LeakSearch& search, std::uintptr_t own_stack) {
  Program program;
  dl_iterate_phdr(find_data, &program);
  for (std::size_t i = 0; i < program.count; ++i) search.add_root(program.data[i].begin, program.data[i].end);
  add_threads(search, program);
  search.add_root(own_stack, current_stack().end);
  for (std::size_t i = 0; i < region_count; ++i) search.add_root(regions[i].begin, regions[i].end);
  heap.for_each([&search](Block& block) {
    if (block.ignored) search.add_root_value(block.begin());
  });
}

void print_group(Text& text, std::span<const LeakCandidate> group) {
  std::uint64_t bytes = 0;
  for (const LeakCandidate& one : group) bytes += one.size;
  text << (group.front().state == LeakCandidate::State::kLeaked ? "Direct" : "Indirect") << " leak of " << bytes
       << " byte(s) in " << group.size() << " object(s) allocated here:\n";
  std::uint64_t number = 0;
  for (const std::uint32_t frame : stacks.find(group.front().stack)) {
    text << "    #" << number++ << " " << Hex{frame} << "\n";
  }
  if (number == 0) text << "    (not known)\n";
}

// Leaked blocks, those of one place together, those that nothing at all points to first.
std::size_t print_leaks(std::span<LeakCandidate> blocks) {
  const auto reachable = std::ranges::partition(
      blocks, [](const LeakCandidate& one) { return one.state != LeakCandidate::State::kReachable; });
  const std::span leaked(blocks.begin(), reachable.begin());
  if (leaked.empty()) return 0;
  std::ranges::sort(leaked, [](const LeakCandidate& left, const LeakCandidate& right) {
    return left.state != right.state ? left.state < right.state : left.stack < right.stack;
  });
  Text text;
  text << "=================================================================\n"
       << "ERROR: LeakSanitizer: detected memory leaks\n";
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < leaked.size();) {
    std::size_t end = i;
    while (end < leaked.size() && leaked[end].state == leaked[i].state && leaked[end].stack == leaked[i].stack) {
      bytes += leaked[end++].size;
    }
    print_group(text, leaked.subspan(i, end - i));
    i = end;
  }
  text << "SUMMARY: AddressSanitizer: " << bytes << " byte(s) leaked in " << leaked.size() << " allocation(s).\n";
  if (in_enclave) text << "names and lines: give this text to coffer symbolize - --image IMAGE\n";
  return bytes;
}

// One search through the heap as it is, and what it found: sorted by address.
class Look {
 public:
  explicit Look(std::uintptr_t own_stack) {
    // Blocks that come while this goes on are not looked at.
    const std::size_t room = heap.live_blocks();
    if (room == 0) return;
    size_ = room * (sizeof(LeakCandidate) + sizeof(std::uint32_t));
    memory_ = map_memory(size_);
    if (memory_ == nullptr) return;
    auto* all = static_cast<LeakCandidate*>(memory_);
    std::size_t count = 0;
    heap.for_each([&](Block& block) {
      if (count < room) all[count++] = {.begin = block.begin(), .size = block.size, .stack = block.allocated};
    });
    blocks_ = {all, count};
    LeakSearch search(blocks_, {reinterpret_cast<std::uint32_t*>(all + room), count}, for_touched, nullptr);
    add_roots(search, own_stack);
    search.finish();
  }
  ~Look() {
    if (memory_ != nullptr) munmap(memory_, size_);
  }
  Look(const Look&) = delete;
  Look& operator=(const Look&) = delete;

  [[nodiscard]] std::span<LeakCandidate> blocks() const { return blocks_; }
  [[nodiscard]] bool found_leaks() const { return std::ranges::any_of(blocks_, is_leaked); }
  // Forgets what the other has not found to be leaked.
  void confirm(const Look& other) const {
    for (LeakCandidate& one : blocks_) {
      const auto same = std::ranges::lower_bound(other.blocks_, one.begin, {}, &LeakCandidate::begin);
      const bool there = same != other.blocks_.end() && same->begin == one.begin && is_leaked(*same);
      if (!there) one.state = LeakCandidate::State::kReachable;
    }
  }

 private:
  static bool is_leaked(const LeakCandidate& one) { return one.state != LeakCandidate::State::kReachable; }

  void* memory_ = nullptr;
  std::size_t size_ = 0;
  std::span<LeakCandidate> blocks_;
};

bool has_other_threads() {
  const auto count = std::ranges::count_if(threads, [](const ThreadRecord& thread) { return thread.used.load(); });
  return count > 1;
}

}  // namespace

__attribute__((noinline)) std::size_t check_leaks() {
  // What a call preserves may be all that points to a block.
  std::uintptr_t kept[6];
  asm volatile(
      "mov %%rbx, 0(%0)\n mov %%rbp, 8(%0)\n mov %%r12, 16(%0)\n mov %%r13, 24(%0)\n mov %%r14, 32(%0)\n"
      "mov %%r15, 40(%0)" ::"r"(kept)
      : "memory");
  const LockGuard guard(checking);
  const auto own_stack = reinterpret_cast<std::uintptr_t>(kept);
  const Look first(own_stack);
  if (!first.found_leaks()) return 0;
  // The other threads go on, and a pointer that is in one's registers alone is not seen: what is leaked is so later
  // too.
  if (has_other_threads()) {
    constexpr timespec kLater{.tv_sec = 0, .tv_nsec = 20'000'000};
    nanosleep(&kLater, nullptr);
    const Look second(own_stack);
    first.confirm(second);
  }
  return print_leaks(first.blocks());
}

void check_leaks_at_exit() {
  if (!options.detect_leaks || check_leaks() == 0 || options.leak_exit_code == 0) return;
  std::fflush(nullptr);
  end_program(options.leak_exit_code);
}

}  // namespace coffer::sanitizer

namespace san = coffer::sanitizer;

extern "C" {

// <coffer/sanitizer.h>
std::size_t coffer_sanitizer_check_for_leaks() { return san::check_leaks(); }

// <sanitizer/lsan_interface.h>
void __lsan_do_leak_check() { san::check_leaks_at_exit(); }
int __lsan_do_recoverable_leak_check() { return san::check_leaks() != 0 ? 1 : 0; }
void __lsan_ignore_object(const void* memory) { san::ignore(const_cast<void*>(memory)); }
void __lsan_disable() { ++san::lsan_disabled; }
void __lsan_enable() { --san::lsan_disabled; }
void __lsan_register_root_region(const void* memory, std::size_t size) {
  const san::LockGuard guard(san::checking);
  const auto begin = reinterpret_cast<std::uintptr_t>(memory);
  if (san::region_count < san::kMostRoots) san::regions[san::region_count++] = {begin, begin + size};
}
void __lsan_unregister_root_region(const void* memory, std::size_t size) {
  const san::LockGuard guard(san::checking);
  const auto begin = reinterpret_cast<std::uintptr_t>(memory);
  for (std::size_t i = 0; i < san::region_count; ++i) {
    if (san::regions[i].begin != begin || san::regions[i].end != begin + size) continue;
    san::regions[i] = san::regions[--san::region_count];
    return;
  }
}
}
