#include "enclave/kernel/fs/proc_fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <limits>

#include "enclave/kernel/fs/clock.h"
#include "enclave/kernel/fs/descriptors.h"
#include "enclave/kernel/fs/mount_table.h"
#include "enclave/kernel/fs/path.h"
#include "enclave/kernel/fs/text.h"
#include "enclave/kernel/support/crypto.h"

namespace coffer::kernel::fs {

namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kFirstDescriptorInode = 100'000;

ProcessView::Memory memory_of(const ProcessInfo& info) {
  return info.view.memory != nullptr ? info.view.memory() : ProcessView::Memory{};
}
std::uint32_t threads_of(const ProcessInfo& info) {
  return info.view.thread_count != nullptr ? info.view.thread_count() : 1;
}
// At most 15 characters, as the kernel keeps it.
std::string_view command_of(const ProcessInfo& info) { return name_of(info.program).substr(0, 15); }

void line(std::string& out, std::string_view label, std::uint64_t value, std::string_view unit = "") {
  out += label;
  append_number(out, value);
  out += unit;
  out += '\n';
}

void write_maps(const ProcessInfo& info, std::string& out) {
  if (info.view.visit_mappings == nullptr) return;
  info.view.visit_mappings(
      [](void* context, std::uintptr_t begin, std::uintptr_t end, int protection, std::string_view name) {
        std::string& text = *static_cast<std::string*>(context);
        append_number(text, begin, 16, 8);
        text += '-';
        append_number(text, end, 16, 8);
        text += ' ';
        text += (protection & PROT_READ) != 0 ? 'r' : '-';
        text += (protection & PROT_WRITE) != 0 ? 'w' : '-';
        text += (protection & PROT_EXEC) != 0 ? 'x' : '-';
        text += "p 00000000 00:00 0 ";
        if (!name.empty()) {
          text.append(25, ' ');
          text += name;
        }
        text += '\n';
      },
      &out);
}

// Fields 1 to 52 of proc(5); what an enclave does not have is 0.
void write_stat(const ProcessInfo& info, std::string& out) {
  const ProcessView::Memory memory = memory_of(info);
  append_number(out, info.view.process_id);
  out += " (";
  out += command_of(info);
  out += ") R";
  for (int field = 4; field <= 52; ++field) {
    std::uint64_t value = 0;
    if (field == 5 || field == 6) value = info.view.process_id;
    if (field == 18) value = 20;
    if (field == 20) value = threads_of(info);
    if (field == 23) value = memory.mapped;
    if (field == 24) value = memory.resident / kPage;
    if (field == 25) value = std::numeric_limits<std::uint64_t>::max();
    out += ' ';
    append_number(out, value);
  }
  out += '\n';
}

void write_status(const ProcessInfo& info, std::string& out) {
  const ProcessView::Memory memory = memory_of(info);
  out += "Name:\t";
  out += command_of(info);
  out += "\nUmask:\t0022\nState:\tR (running)\n";
  line(out, "Tgid:\t", info.view.process_id);
  line(out, "Pid:\t", info.view.process_id);
  out += "PPid:\t0\nTracerPid:\t0\n";
  line(out, "VmPeak:\t", memory.mapped / 1024, " kB");
  line(out, "VmSize:\t", memory.mapped / 1024, " kB");
  line(out, "VmHWM:\t", memory.resident / 1024, " kB");
  line(out, "VmRSS:\t", memory.resident / 1024, " kB");
  line(out, "Threads:\t", threads_of(info));
  out += "Cpus_allowed_list:\t0";
  if (info.view.cpu_count > 1) {
    out += '-';
    append_number(out, info.view.cpu_count - 1);
  }
  out += '\n';
}

void write_statm(const ProcessInfo& info, std::string& out) {
  const ProcessView::Memory memory = memory_of(info);
  append_number(out, memory.mapped / kPage);
  out += ' ';
  append_number(out, memory.resident / kPage);
  out += " 0 0 0 ";
  append_number(out, memory.mapped / kPage);
  out += " 0\n";
}

void write_limits(const ProcessInfo& info, std::string& out) {
  out += "Limit                     Soft Limit           Hard Limit           Units     \n";
  out += "Max open files            ";
  std::string number;
  append_number(number, info.descriptors->limit());
  number.append(number.size() < 21 ? 21 - number.size() : 1, ' ');
  out += number;
  out += number;
  out += "files     \n";
}

void append_mount_point(std::string& out, const MountPoint& mount) {
  for (const char c : mount.path) {  // blanks are escaped in octal
    if (c == ' ' || c == '\t' || c == '\n' || c == '\\') {
      out += '\\';
      append_number(out, static_cast<unsigned char>(c), 8, 3);
    } else {
      out += c;
    }
  }
}

void write_mounts(const ProcessInfo& info, std::string& out) {
  for (const MountPoint& mount : info.mounts->all()) {
    out += "coffer ";
    append_mount_point(out, mount);
    out += " coffer ";
    out += mount.read_only ? "ro 0 0\n" : "rw 0 0\n";
  }
}

// What df and findmnt read: the numbers are those of st_dev, and the root is the parent of all.
void write_mount_information(const ProcessInfo& info, std::string& out) {
  for (const MountPoint& mount : info.mounts->all()) {
    append_number(out, mount.device);
    out += mount.path == "/" ? " 0 0:" : " 1 0:";
    append_number(out, mount.device);
    out += " / ";
    append_mount_point(out, mount);
    out += mount.read_only ? " ro - coffer coffer ro\n" : " rw - coffer coffer rw\n";
  }
}

void write_cpuinfo(const ProcessInfo& info, std::string& out) {
  for (std::uint64_t cpu = 0; cpu < info.view.cpu_count; ++cpu) {
    line(out, "processor\t: ", cpu);
    out += "model name\t: enclave\n";
    line(out, "cpu cores\t: ", info.view.cpu_count);
    out += '\n';
  }
}

void write_meminfo(const ProcessInfo& info, std::string& out) {
  const ProcessView::Memory memory = memory_of(info);
  const std::uint64_t used = memory.mapped < memory.total ? memory.mapped : memory.total;
  const std::uint64_t free = (memory.total - used) / 1024;
  line(out, "MemTotal:       ", memory.total / 1024, " kB");
  line(out, "MemFree:        ", free, " kB");
  line(out, "MemAvailable:   ", free, " kB");
  out += "Buffers:        0 kB\nCached:         0 kB\nSwapTotal:      0 kB\nSwapFree:       0 kB\n";
}

void write_uptime(const ProcessInfo& /*info*/, std::string& out) {
  const std::uint64_t now = monotonic_now_ns();
  append_number(out, now / 1'000'000'000);
  out += '.';
  append_number(out, now / 10'000'000 % 100, 10, 2);
  out += " 0.00\n";
}

void write_cpu_times(const ProcessInfo& info, std::string& out) {
  out += "cpu  0 0 0 0 0 0 0 0 0 0\n";
  for (std::uint64_t cpu = 0; cpu < info.view.cpu_count; ++cpu) {
    out += "cpu";
    append_number(out, cpu);
    out += " 0 0 0 0 0 0 0 0 0 0\n";
  }
}

// A random (version 4) UUID.
void write_uuid(const ProcessInfo& /*info*/, std::string& out) {
  std::byte bytes[16];
  random_bytes(bytes);
  bytes[6] = (bytes[6] & std::byte{0x0f}) | std::byte{0x40};
  bytes[8] = (bytes[8] & std::byte{0x3f}) | std::byte{0x80};
  for (std::size_t i = 0; i < std::size(bytes); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    append_number(out, std::to_integer<unsigned>(bytes[i]), 16, 2);
  }
  out += '\n';
}

constexpr auto kDirectory = GeneratedKind::kDirectory;
constexpr auto kText = GeneratedKind::kText;
constexpr auto kLink = GeneratedKind::kLink;
using Info = const ProcessInfo&;
using Out = std::string&;

constexpr GeneratedNode kProcNodes[] = {
    {"self", kDirectory, nullptr},
    {"self/exe", kLink, [](Info info, Out out) { out += info.program; }},
    {"self/cwd", kLink, [](Info info, Out out) { out += info.working_directory(); }},
    {"self/root", kLink, [](Info, Out out) { out += '/'; }},
    {"self/cmdline", kText, [](Info info, Out out) { out += info.command_line; }},
    {"self/environ", kText, [](Info info, Out out) { out += info.environment; }},
    {"self/auxv", kText, [](Info info, Out out) { out += info.auxiliary; }},
    {"self/comm", kText,
     [](Info info, Out out) {
       out += command_of(info);
       out += '\n';
     }},
    {"self/maps", kText, write_maps},
    {"self/stat", kText, write_stat},
    {"self/status", kText, write_status},
    {"self/statm", kText, write_statm},
    {"self/fd", kDirectory, nullptr},  // its entries are made below
    {"self/limits", kText, write_limits},
    {"self/mounts", kText, write_mounts},
    {"self/mountinfo", kText, write_mount_information},
    {"self/cgroup", kText, [](Info, Out out) { out += "0::/\n"; }},
    {"mounts", kLink, [](Info, Out out) { out += "/proc/self/mounts"; }},
    {"cpuinfo", kText, write_cpuinfo},
    {"meminfo", kText, write_meminfo},
    {"stat", kText, write_cpu_times},
    {"uptime", kText, write_uptime},
    {"loadavg", kText, [](Info, Out out) { out += "0.00 0.00 0.00 1/1 1\n"; }},
    {"filesystems", kText, [](Info, Out out) { out += "nodev\tproc\nnodev\ttmpfs\n"; }},
    {"version", kText,
     [](Info info, Out out) {
       out += "Linux version ";
       out += info.view.kernel_release;
       out += " (coffer)\n";
     }},
    {"sys", kDirectory, nullptr},
    {"sys/kernel", kDirectory, nullptr},
    {"sys/kernel/ostype", kText, [](Info, Out out) { out += "Linux\n"; }},
    {"sys/kernel/osrelease", kText,
     [](Info info, Out out) {
       out += info.view.kernel_release;
       out += '\n';
     }},
    {"sys/kernel/hostname", kText, [](Info, Out out) { out += "enclave\n"; }},
    {"sys/kernel/ngroups_max", kText, [](Info, Out out) { out += "65536\n"; }},
    {"sys/kernel/pid_max", kText, [](Info, Out out) { out += "32768\n"; }},
    {"sys/kernel/threads-max", kText, [](Info, Out out) { out += "32768\n"; }},
    {"sys/kernel/cap_last_cap", kText, [](Info, Out out) { out += "40\n"; }},
    {"sys/kernel/random", kDirectory, nullptr},
    {"sys/kernel/random/uuid", kText, write_uuid},
    {"sys/kernel/random/entropy_avail", kText, [](Info, Out out) { out += "256\n"; }},
    {"sys/vm", kDirectory, nullptr},
    {"sys/vm/overcommit_memory", kText, [](Info, Out out) { out += "0\n"; }},
    {"sys/vm/max_map_count", kText, [](Info, Out out) { out += "65530\n"; }},
    {"sys/fs", kDirectory, nullptr},
    {"sys/fs/file-max", kText, [](Info info, Out out) { line(out, "", info.descriptors->limit()); }},
};

// "self/fd/N" -> N, else -1.
int descriptor_in(std::string_view canonical) {
  constexpr std::string_view kPrefix = "self/fd/";
  std::uint64_t number = 0;
  if (!canonical.starts_with(kPrefix)) return -1;
  if (!parse_number(canonical.substr(kPrefix.size()), std::numeric_limits<int>::max(), number)) return -1;
  return static_cast<int>(number);
}

// Replaces a first component that names this process by "self".
std::string canonical_in_proc(std::string_view path, std::uint32_t process_id) {
  const std::size_t slash = path.find('/');
  const std::string_view first = path.substr(0, slash);
  std::uint64_t number = 0;
  const bool own = first == "thread-self" ||
                   (parse_number(first, std::numeric_limits<std::uint32_t>::max(), number) && number == process_id);
  if (!own) return std::string(path);
  std::string out = "self";
  if (slash != std::string_view::npos) out += path.substr(slash);
  return out;
}

}  // namespace

int descriptor_named_by(std::string_view absolute, std::uint32_t process_id) {
  std::string_view rest;
  if (beneath("/dev/fd", absolute, &rest)) {
    std::string path = "self/fd/";
    path += rest;
    return descriptor_in(path);
  }
  if (!beneath("/proc", absolute, &rest)) return -1;
  return descriptor_in(canonical_in_proc(rest, process_id));
}

ProcFileSystem::ProcFileSystem(const ProcessInfo& info) : GeneratedFileSystem(kProcNodes, info) {}

std::string ProcFileSystem::canonical(std::string_view path) const {
  return canonical_in_proc(path, info().view.process_id);
}

Expected<Ref<File>> ProcFileSystem::open(std::string_view path, int open_flags, std::uint32_t mode) {
  const std::string name = canonical(path);
  if (descriptor_in(name) >= 0) return error(ELOOP);  // Files opens these before it comes here
  if (name != "self/fd") {
    auto file = GeneratedFileSystem::open(name, open_flags, mode);
    return file;
  }
  if ((open_flags & O_ACCMODE) != O_RDONLY) return error(EISDIR);
  std::vector<DirectoryEntry> entries;
  for (const int number : info().descriptors->open_numbers()) {
    std::string text;
    append_number(text, static_cast<std::uint64_t>(number));
    entries.push_back({std::move(text), kFirstDescriptorInode + static_cast<std::uint64_t>(number), DT_LNK});
  }
  return Ref<File>(
      new SnapshotDirectory(made_status(GeneratedKind::kDirectory, kFirstDescriptorInode - 1), std::move(entries)));
}

Expected<FileStatus> ProcFileSystem::status(std::string_view path) {
  const std::string name = canonical(path);
  if (name == "self/fd") return made_status(GeneratedKind::kDirectory, kFirstDescriptorInode - 1);
  const int number = descriptor_in(name);
  if (number < 0) return GeneratedFileSystem::status(name);
  if (!info().descriptors->get(number)) return error(ENOENT);
  return made_status(GeneratedKind::kLink, kFirstDescriptorInode + static_cast<std::uint64_t>(number));
}

Expected<std::string> ProcFileSystem::read_link(std::string_view path) {
  const std::string name = canonical(path);
  const int number = descriptor_in(name);
  if (number < 0) return GeneratedFileSystem::read_link(name);
  const auto description = info().descriptors->get(number);
  if (!description) return error(ENOENT);
  return (*description)->path();
}

}  // namespace coffer::kernel::fs
