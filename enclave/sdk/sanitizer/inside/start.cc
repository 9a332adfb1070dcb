// The beginning: before the program's constructors, and before anything that GCC's checks are in.
#include <coffer/enclave.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>

#include "boundary/sanitized.h"
#include "enclave/sdk/sanitizer/inside/leak_check.h"
#include "enclave/sdk/sanitizer/inside/runtime.h"
#include "enclave/sdk/sanitizer/inside/text.h"

extern "C" {
void* __real_malloc(std::size_t size);
void* __real_calloc(std::size_t count, std::size_t size);
void* __real_memalign(std::size_t alignment, std::size_t size);
void __real_free(void* memory);
extern const char __ehdr_start[];
}

namespace coffer::sanitizer {

constinit Shadow shadow;
constinit Heap heap{shadow, {__real_malloc, __real_calloc, __real_memalign, __real_free}};
constinit StackDepot stacks;
std::uintptr_t code_base = 0;
bool in_enclave = false;

namespace {

// The note by which `coffer sign` knows the program.
struct Note {
  std::uint32_t name_size = sizeof(boundary::kSanitizerNoteName), contents_size = 0,
                type = boundary::kSanitizerNoteType;
  char name[8] = "Coffer";
};
static_assert(sizeof(boundary::kSanitizerNoteName) == 7);
__attribute__((section(".note.coffer.sanitizer"), used, aligned(4))) constinit const Note note;

constexpr std::size_t kDepotBytes = std::size_t{64} << 20;

[[noreturn]] void give_up(const char* why) {
  Text() << "AddressSanitizer: " << why << "\n";
  end_program(2);
}

struct Ranges {  // enclave/kernel/syscalls/calls.cc
  std::uint64_t base, size, arena_base, arena_size, debug, threads;
};

// The shadow of ELRANGE, in ELRANGE; outside an enclave, of every address that a program can have.
void map_shadow() {
  Ranges ranges{};
  in_enclave = syscall(coffer::detail::kRanges, &ranges) == 0;
  std::uintptr_t begin = 0;
  std::size_t size = std::size_t{1} << 47;
  if (in_enclave) {
    if (ranges.base != boundary::kSanitizedBase) {
      give_up(
          "the enclave does not stand where its checks expect it; sign and run the image with this version of Coffer");
    }
    begin = ranges.base;
    size = ranges.size;
  }
  code_base = in_enclave ? begin : reinterpret_cast<std::uintptr_t>(__ehdr_start);
  const std::uintptr_t place = begin / kGranule + boundary::kSanitizedShadowOffset;
  if (map_memory(size / kGranule, place) == nullptr) give_up("there is no room for the shadow memory");
  auto* depot = static_cast<std::uint32_t*>(map_memory(kDepotBytes));
  if (depot == nullptr) give_up("there is no room for the call stacks of allocations");
  stacks.use({depot, kDepotBytes / sizeof(*depot)});
  shadow = Shadow(begin, size, boundary::kSanitizedShadowOffset);
}

void start() {
  read_options();
  begin_main_thread();
  map_shadow();
  // The first of all: so the last to run, after every destructor.
  if (options.detect_leaks) std::atexit(check_leaks_at_exit);
}

__attribute__((section(".preinit_array"), used)) void (*const begin_first)() = start;

}  // namespace

void* map_memory(std::size_t size, std::uintptr_t fixed) {
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* memory = mmap(reinterpret_cast<void*>(fixed), size, PROT_READ | PROT_WRITE,
                      kFlags | (fixed != 0 ? MAP_FIXED_NOREPLACE : 0), -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

void clear_shadow(std::uintptr_t address, std::size_t size) {
  constexpr std::uintptr_t kPage = 4096;
  constexpr std::uintptr_t kCovered = kPage * kGranule;  // by a page of the shadow
  const std::uintptr_t end = address + size;
  const std::uintptr_t first = (address + kCovered - 1) / kCovered * kCovered;
  const std::uintptr_t last = end / kCovered * kCovered;
  if (!shadow.covers(address) || first >= last) return shadow.unpoison(address, size);
  shadow.unpoison(address, first - address);
  madvise(shadow.place(first), (last - first) / kGranule, MADV_DONTNEED);
  shadow.unpoison(last, end - last);
}

void end_program(int status) {
  syscall(SYS_exit_group, status);
  __builtin_trap();
}

}  // namespace coffer::sanitizer
