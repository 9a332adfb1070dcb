// What /proc and /sys tell about the process and its machine. Freestanding.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace coffer::kernel::fs {

class DescriptorTable;
class MountTable;

// Supplied by the kernel's core; every pointer may be null, and the files are thinner then. Called on any thread with
// no lock held.
struct ProcessView {
  std::uint32_t process_id = 1;
  std::uint64_t cpu_count = 1;
  std::string_view kernel_release = "6.1.0-coffer";  // what uname() says too; static storage

  // Calls visit() for each mapping in ascending order. `protection` is PROT_*; `name` is what /proc/self/maps shows
  // last
  // ("[stack]", "[heap]", a path or nothing).
  using MappingVisitor = void (*)(void* context, std::uintptr_t begin, std::uintptr_t end, int protection,
                                  std::string_view name);
  void (*visit_mappings)(MappingVisitor visit, void* context) = nullptr;

  struct Memory {
    std::uint64_t total = 0, mapped = 0, resident = 0;  // bytes
  };
  Memory (*memory)() = nullptr;
  std::uint32_t (*thread_count)() = nullptr;
};

struct ProcessInfo {
  ProcessView view;
  std::string program;       // absolute path that /proc/self/exe leads to
  std::string command_line;  // arguments, each with its NUL
  std::string environment;   // as command_line
  std::string auxiliary;     // the auxiliary vector's bytes
  DescriptorTable* descriptors = nullptr;
  const MountTable* mounts = nullptr;
  std::string (*working_directory)() = nullptr;
};

}  // namespace coffer::kernel::fs
