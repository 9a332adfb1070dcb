// cofferd: the daemon of a machine. docs/daemon.md tells what it adds and how it is set up.
#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <optional>

#include "base/file.h"
#include "base/text.h"
#include "host/image/settings.h"
#include "host/parts.h"
#include "node/command_line.h"
#include "node/daemon.h"
#include "node/notify.h"
#include "node/settings.h"

namespace {

using namespace coffer;

using node::Options;

Result<void> override_size(const char* option, const std::string& text, std::uint64_t& place) {
  if (text.empty()) return {};
  auto size = image::parse_size(text);
  if (!size) return input_error(fmt::format("{} {}: {}", option, text, size.error().message));
  place = *size;
  return {};
}

Result<node::Settings> settings_of(const Options& options) {
  const auto pages = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES));
  node::Settings settings = node::default_settings(pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)));
  const std::string config = options.config.empty() ? node::kDefaultConfig : options.config;
  if (!options.config.empty() || ::access(config.c_str(), F_OK) == 0) {
    auto text = read_file(config, std::size_t{1} << 20);
    if (!text) return std::unexpected(text.error());
    auto read = node::parse_settings({reinterpret_cast<const char*>(text->data()), text->size()}, config, settings);
    if (!read) return read;
    settings = *read;
  }
  if (!options.socket.empty()) settings.socket = options.socket;
  if (!options.state.empty()) settings.state = options.state;
  if (auto set = override_size("--epc", options.epc, settings.limits.total); !set) {
    return std::unexpected(set.error());
  }
  if (auto set = override_size("--epc-per-user", options.epc_per_user, settings.limits.per_user); !set) {
    return std::unexpected(set.error());
  }
  if (auto set = override_size("--warm", options.warm, settings.warm); !set) return std::unexpected(set.error());
  return settings;
}

// A pool, or none and a line that says why: warmth is for speed.
node::WarmPool fill_pool(std::uint64_t bytes) {
  auto pool = node::WarmPool::make(bytes);
  if (pool) return std::move(*pool);
  std::fprintf(stderr, "cofferd: note: %s\n", pool.error().message.c_str());
  return {};
}

// The one capability that cells have a use for: secret memory is locked memory. They inherit it.
void keep_locking_memory() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> kept{};
  constexpr std::uint32_t kBit = 1U << CAP_IPC_LOCK;
  kept[0] = {kBit, kBit, kBit};
  if (::syscall(SYS_capset, &header, kept.data()) == 0) {
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_IPC_LOCK, 0, 0);
  }
}

// Secret memory is bounded by the locked-memory limit or, where that cannot be raised, needs the capability.
void prepare_locked_memory() {
  const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
  if (::setrlimit(RLIMIT_MEMLOCK, &unlimited) == 0) return;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> mine{};
  if (::syscall(SYS_capget, &header, mine.data()) == 0 && (mine[0].effective >> CAP_IPC_LOCK & 1) != 0) return;
  std::fprintf(stderr,
               "cofferd: note: the locked-memory limit cannot be raised and CAP_IPC_LOCK is missing: enclave pages "
               "beyond the limit stand in ordinary memory; start it as root, or with LimitMEMLOCK=infinity\n");
}

Result<passwd> look_up(const std::string& name) {
  const passwd* user = ::getpwnam(name.c_str());
  if (user == nullptr) return input_error("--user " + name + ": there is no such user; make one, or leave --user out");
  return *user;
}

// The socket's own folder: every user goes through it, and its owner removes the socket at the end. One that is there
// already is somebody's on purpose, and stays as it is.
Result<void> make_folder_of(const std::filesystem::path& socket, const passwd* owner) {
  const std::filesystem::path folder = socket.parent_path();
  if (folder.empty() || ::mkdir(folder.c_str(), 0700) != 0) {
    if (folder.empty() || errno == EEXIST) return {};
    return system_error("cannot make " + folder.string(), errno);
  }
  constexpr mode_t kForEveryUser = 0755;
  if ((owner != nullptr && ::chown(folder.c_str(), owner->pw_uid, owner->pw_gid) != 0) ||
      ::chmod(folder.c_str(), kForEveryUser) != 0) {
    return system_error("cannot open " + folder.string() + " to every user", errno);
  }
  return {};
}

// Becomes the user who owns the platform's keys and the cells; of root's rights it keeps the locking of memory.
Result<void> become(const passwd& user, const std::string& name, const std::filesystem::path& state) {
  std::error_code error;
  std::filesystem::create_directories(state, error);
  if (error) return system_error("cannot make " + state.string(), error.value());
  if (::chown(state.c_str(), user.pw_uid, user.pw_gid) != 0 || ::chmod(state.c_str(), 0700) != 0) {
    return system_error("cannot give " + state.string() + " to " + name, errno);
  }
  ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
  if (::setgroups(0, nullptr) != 0 || ::setgid(user.pw_gid) != 0 || ::setuid(user.pw_uid) != 0) {
    return system_error("cannot become " + name, errno);
  }
  keep_locking_memory();
  return {};
}

Result<void> run(const Options& options) {
  auto settings = settings_of(options);
  if (!settings) return std::unexpected(settings.error());
  auto program = host::find_part("coffer-cell");
  if (!program) return std::unexpected(program.error());
  std::optional<passwd> user;
  if (!options.user.empty()) {
    auto found = look_up(options.user);
    if (!found) return std::unexpected(found.error());
    user = *found;
  }
  if (auto made = make_folder_of(settings->socket, user ? &*user : nullptr); !made) return made;
  auto listener = node::Listener::at(settings->socket);
  if (!listener) return std::unexpected(listener.error());
  if (user) {
    if (auto became = become(*user, options.user, settings->state); !became) return became;
  }
  prepare_locked_memory();
  // What this process holds is nobody else's: no debugger of its own user, no core dump.
  ::prctl(PR_SET_DUMPABLE, 0);
  node::Cells cells(*program, settings->state, settings->limits, fill_pool(settings->warm));
  auto daemon = node::Daemon::make(std::move(*listener), cells, [](const std::string& line) {
    std::fprintf(stderr, "cofferd: %s\n", line.c_str());
  });
  if (!daemon) return std::unexpected(daemon.error());
  std::printf("cofferd: listening at %s\n", settings->socket.c_str());
  std::fflush(stdout);
  node::notify_ready();
  return (*daemon)->serve();
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  const auto command = node::make_command(options);
  try {
    command->parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help and --version
    return command->exit(success);
  } catch (const CLI::ParseError& wrong) {
    std::fprintf(stderr, "cofferd: %s; see `cofferd --help`\n", one_line(wrong.what()).c_str());
    return 2;
  }
  if (auto done = run(options); !done) {
    std::fprintf(stderr, "cofferd: %s\n", done.error().message.c_str());
    return 2;
  }
  return 0;
}
