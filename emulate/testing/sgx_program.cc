// A program for SGX hardware, as its users write them: the device, its ioctls and mappings, the vDSO's function by the
// auxiliary vector. Knows nothing of Coffer's processor.
//
//   sgx-program run            enters once, prints what came back
//   sgx-program time COUNT     nanoseconds for an EENTER and EEXIT
//   sgx-program cpuid          what CPUID says of SGX
//   sgx-program signals        a timer's handler runs while the enclave does
#include <asm/sgx.h>
#include <cpuid.h>
#include <elf.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <chrono>
#include <string>

#include "emulate/testing/small_enclave.h"

namespace {

using namespace coffer::emulate::testing;

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::exit(1);
}

// The function, as a reader of the vDSO's old hash table finds it.
EnterFunction find_function() {
  const std::uint64_t base = ::getauxval(AT_SYSINFO_EHDR);
  const auto* header = reinterpret_cast<const Elf64_Ehdr*>(base);
  const auto* segments = reinterpret_cast<const Elf64_Phdr*>(base + header->e_phoff);
  const Elf64_Sym* symbols = nullptr;
  const char* strings = nullptr;
  const Elf64_Word* hash = nullptr;
  for (int i = 0; i < header->e_phnum; ++i) {
    if (segments[i].p_type != PT_DYNAMIC) continue;
    for (auto* entry = reinterpret_cast<const Elf64_Dyn*>(base + segments[i].p_offset); entry->d_tag != DT_NULL;
         ++entry) {
      const std::uint64_t address = base + entry->d_un.d_ptr;
      if (entry->d_tag == DT_SYMTAB) symbols = reinterpret_cast<const Elf64_Sym*>(address);
      if (entry->d_tag == DT_STRTAB) strings = reinterpret_cast<const char*>(address);
      if (entry->d_tag == DT_HASH) hash = reinterpret_cast<const Elf64_Word*>(address);
    }
  }
  for (Elf64_Word i = 1; hash != nullptr && i < hash[1]; ++i) {
    if (std::strcmp(strings + symbols[i].st_name, "__vdso_sgx_enter_enclave") == 0) {
      return reinterpret_cast<EnterFunction>(base + symbols[i].st_value);
    }
  }
  std::fputs("no __vdso_sgx_enter_enclave\n", stderr);
  std::exit(1);
}

struct Program {
  std::uint64_t base = 0;
  EnterFunction function = nullptr;
};

Program load() {
  Program program;
  const int device = ::open("/dev/sgx_enclave", O_RDWR);
  if (device < 0) give_up("/dev/sgx_enclave");
  program.base = reserve_elrange();
  const long built =
      build([device](unsigned long request,
                     void* argument) -> long { return ::ioctl(device, request, argument) == 0 ? 0 : -errno; },
            program.base);
  if (built != 0) {
    errno = static_cast<int>(-built);
    give_up("building the enclave");
  }
  for (const Segment& segment : segments()) {
    const bool tcs = segment.flags.type() == coffer::sgx::PageType::kTcs;
    const int protection = tcs ? PROT_READ | PROT_WRITE : static_cast<int>(segment.flags.permissions());
    void* at = reinterpret_cast<void*>(program.base + segment.offset);
    if (::mmap(at, segment.content.size(), protection, MAP_SHARED | MAP_FIXED, device, 0) != at) give_up("mmap");
  }
  program.function = find_function();
  return program;
}

sgx_enclave_run run_of(const Program& program) {
  sgx_enclave_run run{};
  run.tcs = program.base + SE_TCS;
  return run;
}

int run_once() {
  const Program program = load();
  sgx_enclave_run run = run_of(program);
  Call store{.rdi = SE_CMD_STORE, .rsi = 4711, .rdx = program.base + SE_DATA + 64};
  Call fetch{.rdi = SE_CMD_LOAD, .rdx = program.base + SE_DATA + 64};
  if (enter(program.function, store, run) != 0 || enter(program.function, fetch, run) != 0) return 1;
  std::printf("function %u, value %lu\n", run.function, static_cast<unsigned long>(fetch.rsi));
  return 0;
}

int time_exits(int count) {
  const Program program = load();
  sgx_enclave_run run = run_of(program);
  const auto once = [&] {
    Call call{.rdi = SE_CMD_EXIT};
    if (enter(program.function, call, run) != 0 || run.function != 4) std::abort();
  };
  for (int i = 0; i < 100; ++i) once();
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < count; ++i) once();
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
  std::printf("%.1f\n", took.count() / count);
  return 0;
}

int tell_cpuid() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  __cpuid_count(0x12, 2, eax, ebx, ecx, edx);
  const unsigned long size = (ecx & 0xfffff000) + (static_cast<unsigned long>(edx & 0xfffff) << 32);
  __cpuid_count(7, 0, eax, ebx, ecx, edx);
  std::printf("sgx %u, epc %lu\n", ebx >> 2 & 1, size);
  return 0;
}

int ticks = 0;  // of the handler, and read when it has run for good
alignas(8) std::uint64_t released = 0;
thread_local int own = 0;

void on_tick(int) {
  own = 1;
  if (__atomic_add_fetch(&ticks, 1, __ATOMIC_RELAXED) == 5) __atomic_store_n(&released, 1, __ATOMIC_RELEASE);
}

int take_signals() {
  const Program program = load();
  std::signal(SIGALRM, &on_tick);
  const itimerval every{{0, 2000}, {0, 2000}};
  ::setitimer(ITIMER_REAL, &every, nullptr);
  sgx_enclave_run run = run_of(program);
  Call call{.rdi = SE_CMD_SPIN, .rdx = reinterpret_cast<std::uint64_t>(&released)};
  if (enter(program.function, call, run) != 0) return 1;
  std::printf("function %u, ticks %s, own %d\n", run.function,
              __atomic_load_n(&ticks, __ATOMIC_RELAXED) >= 5 ? "enough" : "too few", own);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string what = count > 1 ? arguments[1] : "";
  if (what == "run") return run_once();
  if (what == "time" && count > 2) return time_exits(static_cast<int>(std::strtol(arguments[2], nullptr, 10)));
  if (what == "cpuid") return tell_cpuid();
  if (what == "signals") return take_signals();
  std::fputs("usage: sgx-program run|time COUNT|cpuid|signals\n", stderr);
  return 2;
}
