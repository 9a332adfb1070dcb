#include "emulate/interpose/dynamic.h"

#include <asm/prctl.h>
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "emulate/code_sites.h"
#include "emulate/cpuid.h"
#include "emulate/interpose/real.h"
#include "emulate/interpose/registry.h"
#include "emulate/vdso_image.h"

#ifndef ARCH_SET_CPUID
#define ARCH_GET_CPUID 0x1011
#define ARCH_SET_CPUID 0x1012
#endif

namespace coffer::emulate {

namespace {

constexpr const char* kEntryName = "__vdso_sgx_enter_enclave";

SiteTable cpuid_sites;
std::uint64_t loaded_hook = 0;  // where the dynamic linker tells debuggers that it has loaded something
bool cpuid_faults = false;      // the machine faults on CPUID
std::uint64_t vdso_base = 0;
std::uint64_t kernel_vdso = 0;
std::size_t vdso_size = 0;

std::uint64_t get(const ucontext_t* context, int index) {
  return static_cast<std::uint64_t>(context->uc_mcontext.gregs[index]);
}
void set(ucontext_t* context, int index, std::uint64_t value) {
  context->uc_mcontext.gregs[index] = static_cast<greg_t>(value);
}

int protection_of(const ElfW(Phdr) & segment) {
  return ((segment.p_flags & PF_R) != 0 ? PROT_READ : 0) | ((segment.p_flags & PF_W) != 0 ? PROT_WRITE : 0) |
         ((segment.p_flags & PF_X) != 0 ? PROT_EXEC : 0);
}

bool holds(const dl_phdr_info& object, const void* address) {
  const auto at = reinterpret_cast<std::uint64_t>(address);
  return std::any_of(object.dlpi_phdr, object.dlpi_phdr + object.dlpi_phnum, [&](const ElfW(Phdr) & segment) {
    const std::uint64_t begin = object.dlpi_addr + segment.p_vaddr;
    return segment.p_type == PT_LOAD && at >= begin && at < begin + segment.p_memsz;
  });
}

int trap_object(dl_phdr_info* object, std::size_t, void*) {
  const bool ours = holds(*object, reinterpret_cast<const void*>(&trap_object));
  const bool vdso = kernel_vdso != 0 && holds(*object, reinterpret_cast<const void*>(kernel_vdso));
  if (ours || vdso) return 0;
  const std::byte* unwind = nullptr;
  for (unsigned i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    if (segment.p_type == PT_GNU_EH_FRAME) {
      unwind = reinterpret_cast<const std::byte*>(object->dlpi_addr + segment.p_vaddr);
    }
  }
  for (unsigned i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
    const auto* code = reinterpret_cast<const std::byte*>(object->dlpi_addr + segment.p_vaddr);
    trap_cpuid({code, segment.p_memsz}, protection_of(segment), unwind, cpuid_sites);
  }
  return 0;
}

using Iterate = int(int (*)(dl_phdr_info*, std::size_t, void*), void*);

Iterate* real_iterate() {
  static Iterate* function = real::next_function<Iterate>("dl_iterate_phdr");
  return function;
}

// The empty function that debuggers put a breakpoint on: its RET becomes one.
void hook_loading() {
  constexpr std::uint8_t kRet = 0xc3;
  constexpr std::array<std::uint8_t, 4> kEndbr = {0xf3, 0x0f, 0x1e, 0xfa};
  std::uint64_t at = _r_debug.r_brk;
  if (at == 0) return;
  if (std::memcmp(reinterpret_cast<const void*>(at), kEndbr.data(), kEndbr.size()) == 0) at += kEndbr.size();
  if (*reinterpret_cast<const std::uint8_t*>(at) != kRet) return;
  loaded_hook = at;
  const std::byte trap{0xcc};
  if (!write_code(at, {&trap, 1}, PROT_READ | PROT_EXEC)) loaded_hook = 0;
}

void serve_cpuid(ucontext_t* context) {
  if (cpuid_faults) ::syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1);
  const CpuidAnswer answer =
      answer_cpuid(static_cast<std::uint32_t>(get(context, REG_RAX)), static_cast<std::uint32_t>(get(context, REG_RCX)),
                   Registry::instance().epc_size());
  if (cpuid_faults) ::syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0);
  set(context, REG_RAX, answer.eax);
  set(context, REG_RBX, answer.ebx);
  set(context, REG_RCX, answer.ecx);
  set(context, REG_RDX, answer.edx);
}

}  // namespace

void offer_vdso(char** environment) {
  while (*environment != nullptr) ++environment;
  auto* vector = reinterpret_cast<Elf64_auxv_t*>(environment + 1);
  while (vector->a_type != AT_NULL && vector->a_type != AT_SYSINFO_EHDR) ++vector;
  if (vector->a_type == AT_NULL) return;  // a kernel without a vDSO: programs look for none
  kernel_vdso = vector->a_un.a_val;
  constexpr std::size_t kRoom = 65536;
  void* place = real::map(nullptr, kRoom, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (place == MAP_FAILED) return;
  const auto base = reinterpret_cast<std::uint64_t>(place);
  const auto image = make_vdso_image(base, kernel_vdso, reinterpret_cast<std::uint64_t>(&coffer_vdso_enter));
  if (!image || image->size() > kRoom) {
    real::unmap(place, kRoom);
    return;
  }
  std::memcpy(place, image->data(), image->size());
  real::protect(place, kRoom, PROT_READ | PROT_EXEC);
  vdso_base = base;
  vdso_size = image->size();
  vector->a_un.a_val = base;
}

void trap_cpuid_everywhere() {
  if (::syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0) == 0) {
    cpuid_faults = true;
    return;
  }
  real_iterate()(&trap_object, nullptr);
  hook_loading();
}

bool serve_signal(int signal, siginfo_t* info, ucontext_t* context) {
  const std::uint64_t rip = get(context, REG_RIP);
  if (signal == SIGTRAP && info->si_code == SI_KERNEL) {
    const std::uint64_t site = rip - 1;
    if (site == loaded_hook) {
      if (_r_debug.r_state == r_debug::RT_CONSISTENT) real_iterate()(&trap_object, nullptr);
      const auto* stack = reinterpret_cast<const std::uint64_t*>(get(context, REG_RSP));
      set(context, REG_RIP, *stack);
      set(context, REG_RSP, get(context, REG_RSP) + 8);
      return true;
    }
    if (cpuid_sites.contains(site)) {
      serve_cpuid(context);
      set(context, REG_RIP, site + 2);
      return true;
    }
  }
  constexpr std::array<std::uint8_t, 2> kCpuid = {0x0f, 0xa2};
  if (cpuid_faults && signal == SIGSEGV && info->si_code == SI_KERNEL &&
      std::memcmp(reinterpret_cast<const void*>(rip), kCpuid.data(), kCpuid.size()) == 0) {
    serve_cpuid(context);
    set(context, REG_RIP, rip + 2);
    return true;
  }
  return false;
}

}  // namespace coffer::emulate

using namespace coffer::emulate;

extern "C" {

void* (*coffer_real_dlsym)(void*, const char*) = nullptr;

void* coffer_symbol_of_ours(const char* name) {
  if (coffer_real_dlsym == nullptr) {
    coffer_real_dlsym = reinterpret_cast<void* (*)(void*, const char*)>(::dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5"));
  }
  const bool ours = name != nullptr && std::strcmp(name, kEntryName) == 0 && vdso_base != 0;
  return ours ? reinterpret_cast<void*>(&coffer_vdso_enter) : nullptr;
}

// The emulated vDSO comes before the kernel's own, which stays for who unwinds through it.
int dl_iterate_phdr(int (*callback)(dl_phdr_info*, std::size_t, void*), void* data) {
  struct Passing {
    int (*callback)(dl_phdr_info*, std::size_t, void*);
    void* data;
  } passing{callback, data};
  const auto pass = [](dl_phdr_info* object, std::size_t size, void* raw) {
    const auto* to = static_cast<const Passing*>(raw);
    if (vdso_base != 0 && holds(*object, reinterpret_cast<const void*>(kernel_vdso))) {
      dl_phdr_info emulated = *object;
      const auto* header = reinterpret_cast<const Elf64_Ehdr*>(vdso_base);
      emulated.dlpi_addr = vdso_base;
      emulated.dlpi_phdr = reinterpret_cast<const Elf64_Phdr*>(vdso_base + header->e_phoff);
      emulated.dlpi_phnum = header->e_phnum;
      if (const int answer = to->callback(&emulated, size, to->data); answer != 0) return answer;
    }
    return to->callback(object, size, to->data);
  };
  return real_iterate()(pass, &passing);
}
}
