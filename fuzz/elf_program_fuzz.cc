// Hostile ELF programs: read, disassembled and given thunks without a look outside the file.
#include <cstdlib>

#include "host/image/elf_program.h"
#include "host/image/syscall_sites.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto program = coffer::image::ElfProgram::parse(std::as_bytes(std::span(data, size)), "fuzzed");
  if (!program) return 0;
  auto survey = coffer::image::find_syscall_sites(*program);
  std::uint64_t end = 0;
  for (const auto& site : survey.patchable) {
    if (site.address < end || site.length < 5 || site.length > 15) std::abort();
    if (site.before.size() + 2 + site.after.size() != site.length) std::abort();
    end = site.address + site.length;
  }
  (void)coffer::image::make_thunks(survey.patchable, 0x100000, 0x100000 + program->end(), 0x1000);
  return 0;
}
