// What happens before the program's first instruction.
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "emulate/exit_sites.h"
#include "emulate/interpose/dynamic.h"
#include "emulate/interpose/registry.h"
#include "emulate/system_files.h"
#include "emulate/vdso_image.h"
#include "processor/entry.h"
#include "processor/raw_entry.h"

namespace coffer::emulate {

namespace {

std::uint64_t epc_size_of(char** environment) {
  const std::string_view name = kEpcVariable;
  for (; *environment != nullptr; ++environment) {
    const std::string_view variable = *environment;
    if (!variable.starts_with(name) || variable.substr(name.size(), 1) != "=") continue;
    return parse_epc_size(variable.substr(name.size() + 1)).value_or(kDefaultEpcSize);
  }
  return kDefaultEpcSize;
}

__attribute__((constructor)) void start(int, char**, char** environment) {
  Registry::instance().set_epc_size(epc_size_of(environment));
  processor::set_raw_hooks({.outside = &serve_signal,
                            .exit_trapped = &quicken_exit,
                            .enclu = reinterpret_cast<std::uint64_t>(coffer_vdso_enclu),
                            .landing = reinterpret_cast<std::uint64_t>(coffer_vdso_landing)});
  if (auto installed = processor::install_traps(processor::SyscallTrap::kUserDispatch); !installed) {
    std::fprintf(stderr, "coffer: %s\n", installed.error().message.c_str());
    std::_Exit(2);
  }
  offer_vdso(environment);
  trap_cpuid_everywhere();
}

}  // namespace

}  // namespace coffer::emulate
