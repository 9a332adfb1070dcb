// How the tree of a starting enclave comes to be.
#include <errno.h>
#include <fcntl.h>

#include <algorithm>
#include <new>

#include "enclave/kernel/core/kernel.h"
#include "enclave/kernel/fs/device_fs.h"
#include "enclave/kernel/fs/files.h"
#include "enclave/kernel/fs/host_directory_calls.h"
#include "enclave/kernel/fs/path.h"
#include "enclave/kernel/fs/plain_fs.h"
#include "enclave/kernel/fs/proc_fs.h"
#include "enclave/kernel/fs/shared_mappings.h"
#include "enclave/kernel/fs/socket.h"
#include "enclave/kernel/fs/stdio_file.h"
#include "enclave/kernel/fs/waiters.h"

namespace coffer::kernel::fs {

namespace {

// There is one, and it never ends: the kernel runs no destructors.
constinit Files* the_files = nullptr;

void require(const Expected<void>& done, std::string_view what, std::string_view path) {
  if (done) return;
  std::string why = "cannot set up ";
  why += what;
  why += ' ';
  why += path;
  panic(why);
}

// What programs look for in /etc and images seldom bring. No resolver configuration: what the host would say there is
// not to be believed, so an image that resolves names brings its own.
constexpr std::string_view kPasswd =
    "root:x:0:0:root:/:/sbin/nologin\nenclave:x:1000:1000:enclave:/tmp:/sbin/nologin\n";
constexpr std::string_view kGroup = "root:x:0:\nenclave:x:1000:\n";
constexpr std::string_view kNames = "passwd: files\ngroup: files\nhosts: files dns\n";
constexpr std::string_view kHosts = "127.0.0.1 localhost\n::1 localhost\n";

void add_root(const FilesSetup& setup, MountTable& mounts) {
  auto* root = new ImageFileSystem;
  for (const ImageFile& file : setup.image_files) require(root->add_file(file), "the measured file", file.path);
  const ImageFile defaults[] = {
      {"/etc/passwd", std::as_bytes(std::span(kPasswd)), 0444},
      {"/etc/group", std::as_bytes(std::span(kGroup)), 0444},
      {"/etc/nsswitch.conf", std::as_bytes(std::span(kNames)), 0444},
      {"/etc/hosts", std::as_bytes(std::span(kHosts)), 0444},
  };
  for (const ImageFile& file : defaults) {
    const auto added = root->add_file(file);
    if (!added && added.error() != EEXIST) require(added, "the file", file.path);  // the image's own one wins
  }
  for (const std::string_view path : {"/tmp", "/dev/shm", "/proc", "/sys"}) {
    require(root->add_directory(path), "the directory", path);
  }
  for (const MountSetup& mount : setup.mounts) require(root->add_directory(mount.path), "the mount point", mount.path);
  require(mounts.add("/", root, true), "the mount", "/");
}

void add_mount(const MountSetup& mount, MountTable& mounts) {
  FileSystem* file_system = mount.encrypted;
  if (mount.kind == boundary::MountKind::kPlain) {
    file_system = new PlainFileSystem(make_host_directory(mount.id));
  }
  if (file_system == nullptr) require(error(EINVAL), "the encrypted mount", mount.path);
  require(mounts.add(mount.path, file_system, mount.read_only), "the mount", mount.path);
}

// The folders that mounts beneath `path` stand in, so that whoever walks down to them finds each.
void add_mount_points(const FilesSetup& setup, std::string_view path, FileSystem& memory) {
  for (const MountSetup& mount : setup.mounts) {
    const auto normal = normalise("/", mount.path);
    std::string_view rest;
    if (!normal || !beneath(path, *normal, &rest)) continue;
    for (std::size_t end = 0; end < rest.size(); ++end) {
      end = std::min(rest.find('/', end), rest.size());
      const auto made = memory.make_directory(rest.substr(0, end), 0755);
      if (!made && made.error() != EEXIST) require(made, "the mount point", mount.path);
    }
  }
}

bool is_mounted_by(const FilesSetup& setup, std::string_view path) {
  for (const MountSetup& mount : setup.mounts) {
    const auto normal = normalise("/", mount.path);
    if (normal && *normal == path) return true;
  }
  return false;
}

std::string joined(std::span<const std::string_view> strings) {
  std::string out;
  for (const std::string_view text : strings) {
    out += text;
    out += '\0';
  }
  return out;
}

void describe_process(const FilesSetup& setup, Files& all) {
  ProcessInfo& info = all.process;
  info.view = setup.view;
  info.program = setup.program;
  info.command_line = joined(setup.arguments);
  info.environment = joined(setup.environment);
  info.auxiliary.assign(reinterpret_cast<const char*>(setup.auxiliary_vector.data()), setup.auxiliary_vector.size());
  info.descriptors = &all.descriptors;
  info.mounts = &all.mounts;
  info.working_directory = [] { return files().working_directory(); };
}

// Descriptors 0, 1 and 2; the terminal among them, or nothing.
Ref<File> open_streams(const FilesSetup& setup, Files& all) {
  constexpr std::string_view kStreamNames[] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
  Ref<File> terminal;
  for (std::int32_t stream = 0; stream < 3; ++stream) {
    const bool is_terminal = setup.terminals[stream];
    const bool reads = stream == boundary::kHostStdin;
    Ref<File> file(
        new StreamFile(reads || is_terminal ? stream : -1, reads && !is_terminal ? -1 : stream, is_terminal));
    if (is_terminal && !terminal) terminal = file;
    const int flags = is_terminal ? O_RDWR : reads ? O_RDONLY : O_WRONLY;
    const std::string_view name = is_terminal ? std::string_view("/dev/tty") : kStreamNames[stream];
    Ref<Description> description(new Description(std::move(file), flags, std::string(name), nullptr, 0));
    if (!all.descriptors.add(std::move(description), false)) panic("no room for the standard streams");
  }
  return terminal;
}

}  // namespace

std::unique_ptr<HostDirectory> make_host_directory(std::uint32_t mount_id) {
  return std::make_unique<HostDirectoryCalls>(mount_id);
}

Files& files() { return *the_files; }

void init_files(const FilesSetup& setup) {
  use_clocks(setup.realtime, setup.monotonic_ns);
  use_thread_index(setup.current_thread_index);
  allow_network(setup.network);
  auto* all = new Files(setup.descriptor_limit);
  the_files = all;
  describe_process(setup, *all);
  add_root(setup, all->mounts);
  const Ref<File> terminal = open_streams(setup, *all);
  struct {
    std::string_view path;
    FileSystem* file_system;
    bool read_only;
  } const own[] = {
      {"/dev", new DeviceFileSystem(terminal), false},
      {"/proc", new ProcFileSystem(all->process), true},
      {"/sys", new GeneratedFileSystem(sys_nodes(), all->process), true},
      {"/tmp", nullptr, false},
      {"/dev/shm", nullptr, false},
  };
  constexpr std::size_t kBytesForOneName = 1024;  // generous share of memory for names and nodes
  for (const auto& mount : own) {
    if (is_mounted_by(setup, mount.path)) continue;
    FileSystem* file_system = mount.file_system;
    if (file_system == nullptr) {
      file_system = new RamFileSystem(setup.temporary_limit / 2, setup.temporary_limit / kBytesForOneName,
                                      setup.temporary_blocks);
      add_mount_points(setup, mount.path, *file_system);
    }
    require(all->mounts.add(mount.path, file_system, mount.read_only), "the mount", mount.path);
  }
  for (const MountSetup& mount : setup.mounts) add_mount(mount, all->mounts);
}

void sync_all_files() {
  if (the_files == nullptr) return;
  write_back_all();
  ignore_failure(the_files->mounts.sync_all());
}

}  // namespace coffer::kernel::fs
