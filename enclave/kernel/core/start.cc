// The first entry: from a measured image and a host's start block to the application's first instruction.
#include <elf.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <memory>

#include "base/bytes.h"
#include "enclave/kernel/core/attestation.h"
#include "enclave/kernel/core/early_memory.h"
#include "enclave/kernel/core/encrypted_mount.h"
#include "enclave/kernel/core/file_space.h"
#include "enclave/kernel/core/image.h"
#include "enclave/kernel/core/kernel.h"
#include "enclave/kernel/core/program.h"
#include "enclave/kernel/core/start_input.h"
#include "enclave/kernel/core/threads.h"
#include "enclave/kernel/fs/files.h"
#include "enclave/kernel/fs/waiters.h"
#include "enclave/kernel/signals/pending.h"
#include "enclave/kernel/support/cpuid.h"
#include "enclave/kernel/support/crypto.h"
#include "enclave/kernel/syscalls/dispatch.h"

extern "C" {
extern const Elf64_Rela __rela_begin[];
extern const Elf64_Rela __rela_end[];
}

namespace coffer::kernel {

using boundary::EnterCommand;
using boundary::LayoutFile;
using boundary::MountInfo;
using boundary::MountKind;

namespace {

std::atomic<bool> started{false};

// The kernel is linked at 0 and measured so; pointers in its data become true here, before anything uses them.
void relocate() {
  for (const Elf64_Rela* r = __rela_begin; r < __rela_end; ++r) {
    if (ELF64_R_TYPE(r->r_info) != R_X86_64_RELATIVE) __builtin_trap();
    *reinterpret_cast<std::uint64_t*>(enclave_base() + r->r_offset) =
        enclave_base() + static_cast<std::uint64_t>(r->r_addend);
  }
}

fs::ProcessView::Memory memory_usage() {
  const AddressSpace::Usage usage = address_space().usage();
  return {layout().heap_limit, usage.mapped, usage.committed};
}

// /proc/self/maps: the program's segments and its mappings, in ascending order (the heap range stands last in ELRANGE).
struct MappingTarget {
  fs::ProcessView::MappingVisitor visit;
  void* context;
};

void visit_mappings(fs::ProcessView::MappingVisitor visit, void* context) {
  constexpr std::uint64_t kPageMask = SGX_PAGE_SIZE - 1;
  for (std::uint32_t i = 0; i < layout().segment_count; ++i) {
    const auto& s = layout().segments[i];
    const std::uint64_t begin = enclave_base() + s.offset;
    visit(context, begin & ~kPageMask, (begin + s.memory_size + kPageMask) & ~kPageMask,
          static_cast<int>(s.permissions), fs::files().process.program);
  }
  MappingTarget target{visit, context};
  address_space().visit_mappings(
      [](void* raw, std::uintptr_t begin, std::uintptr_t end, int protection, int flags) {
        constexpr int kStack = 0x20000;
        const auto& to = *static_cast<const MappingTarget*>(raw);
        std::string_view name;
        if ((flags & AddressSpace::kBreakMapping) != 0) name = "[heap]";
        if ((flags & kStack) != 0 && begin == main_stack_begin()) name = "[stack]";
        to.visit(to.context, begin, end, protection, name);
      },
      &target);
}

void enter_working_directory() {
  const std::string_view path = layout_text(layout().working_directory_offset, layout().working_directory_size);
  if (path.empty()) return;
  fs::Expected<void> entered;
  if (const auto location = fs::files().mounts.locate("/", path); location) {
    entered = fs::files().change_directory(*location);
  } else {
    entered = fs::error(location.error());
  }
  if (!entered) {
    panic("the working directory " + std::string(path) + " of coffer.toml cannot be entered (errno " +
          std::to_string(entered.error()) +
          "); it has to be a mount, a folder of one, or a folder of the image's files");
  }
}

void start_files(StartInput& input, const std::vector<std::uint64_t>& auxiliary, std::string_view program) {
  std::vector<fs::ImageFile> files;
  for (const LayoutFile& file : layout_table<LayoutFile>(layout().files_table, layout().file_count)) {
    if (!range_fits(file.content_offset, file.content_size, layout().size)) panic("the layout's file table is damaged");
    const auto* content = reinterpret_cast<const std::byte*>(enclave_base() + file.content_offset);
    files.push_back({layout_text(file.path_offset, file.path_size), {content, file.content_size}, file.mode});
  }
  std::vector<fs::MountSetup> mounts;
  for (MountInfo& mount : input.mounts) {
    fs::MountSetup setup{.path = mount.path,
                         .kind = static_cast<MountKind>(mount.kind),
                         .id = mount.id,
                         .read_only = mount.read_only != 0};
    if (setup.kind == MountKind::kEncrypted) setup.encrypted = open_encrypted_mount(mount);
    mounts.push_back(setup);
  }
  fs::FilesSetup setup;
  setup.image_files = files;
  setup.mounts = mounts;
  setup.program = program;
  setup.arguments = input.arguments;
  setup.environment = input.environment;
  setup.auxiliary_vector = std::as_bytes(std::span(auxiliary));
  setup.terminals[0] = input.info.stdin_is_terminal != 0;
  setup.terminals[1] = input.info.stdout_is_terminal != 0;
  setup.terminals[2] = input.info.stderr_is_terminal != 0;
  constexpr std::uint64_t kMaxCpus = 4096;
  setup.view.process_id = kProcessId;
  setup.view.cpu_count = std::clamp<std::uint64_t>(input.info.cpu_count, 1, kMaxCpus);
  setup.view.visit_mappings = visit_mappings;
  setup.view.memory = memory_usage;
  setup.view.thread_count = live_threads;
  setup.temporary_limit = layout().heap_limit / 2;
  setup.current_thread_index = current_thread_index;
  setup.network = layout_table<boundary::NetworkRule>(layout().network_table, layout().network_count);
  fs::init_files(setup);
  init_file_space();
  enter_working_directory();
  fs::use_interruption(signals::interrupted);
}

// What the host says of the CPU must not make the enclave take something weaker.
void check_cpu() {
  if (!cpuid_traps()) return;  // the CPU has answered itself
  if (const char* missing = cpuid_answers().missing_feature(); missing != nullptr) {
    panic("the host's table of CPUID says that this CPU has no " + std::string(missing) +
          ", which every CPU with SGX2 has; run the enclave with a host that tells what its CPU says");
  }
}

[[noreturn]] void start_enclave(std::uint64_t block, std::uint64_t size, std::uint64_t tcs) {
  relocate();
  if (!check_layout()) __builtin_trap();  // no way to say anything yet
  StartInput input;
  // Exchange areas come with the start block; until they are checked nothing can be said, and panic() only ends.
  current_thread().exchange = nullptr;
  current_thread().tcs = tcs;
  read_own_attributes();
  read_start_info(block, size, enclave_xfrm(), &input);
  init_thread_block(tcs, 0);
  current_thread().exchange = nullptr;
  init_memory();
  read_start_input(block, size, &input);
  set_exchange_areas(input.info.exchange_base);
  init_thread_block(tcs, 0);
  current_thread().state = ThreadState::kRunning;
  current_thread().thread_id = kProcessId;
  check_cpu();
  init_crypto();
  take_attestation_order(input.info.flags, block, size);
  if (!commit_program_memory())
    panic("there is no memory for the program; sign with a larger --heap-max, or give a larger --epc");
  init_dispatch(std::clamp<std::uint64_t>(input.info.cpu_count, 1, 4096));
  std::string program = "/" + std::string(layout_text(layout().name_offset, layout().name_size));
  std::vector<std::uint64_t> auxiliary = auxiliary_vector();
  start_files(input, auxiliary, program);
  if ((input.info.flags & boundary::kStartUnderDebugger) != 0) use_early_memory();
  const std::uint64_t stack = build_stack(input.arguments, input.environment, auxiliary, program);
  if (stack == 0) panic("no memory for the program's stack, or the arguments are too large for it");
  const std::uint64_t entry = enclave_base() + layout().app_entry;
  input = StartInput{};
  coffer_enter_user(entry, stack);
}

}  // namespace

// From entry.S, on the kernel stack of a thread that has no context to go back to.
extern "C" [[noreturn]] void coffer_first_entry(std::uint64_t command, std::uint64_t block, std::uint64_t size,
                                                std::uint64_t tcs) {
  const bool first_thread = tcs == enclave_base() + layout().thread_offset;
  if (command == static_cast<std::uint64_t>(EnterCommand::kStart) && first_thread && !started.exchange(true)) {
    start_enclave(block, size, tcs);
  }
  if (command == static_cast<std::uint64_t>(EnterCommand::kThread) && started) begin_thread(tcs);
  __builtin_trap();  // the host broke the protocol: end this thread by #UD
}

}  // namespace coffer::kernel
