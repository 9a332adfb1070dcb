#include "bench/programs.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <set>
#include <thread>

#include "bench/inside/clock.h"
#include "host/image/network_rules.h"
#include "host/image/signer.h"
#include "host/parts.h"

namespace coffer::bench {

namespace {

constexpr int kPatienceMs = 120'000;

struct Pipe {
  FileDescriptor read, write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return system_error("no pipe to the measured program", errno);
  return Pipe{FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

// The cells below this process, with the processes that they in turn have started.
void find_cells(const std::filesystem::path& process, std::set<pid_t>& found) {
  std::error_code error;
  for (const auto& task : std::filesystem::directory_iterator(process / "task", error)) {
    std::ifstream children(task.path() / "children");
    for (pid_t child = 0; children >> child;) {
      const std::filesystem::path folder = "/proc/" + std::to_string(child);
      std::string name;
      std::ifstream(folder / "comm") >> name;
      if (!name.starts_with("coffer-cell")) continue;
      found.insert(child);
      find_cells(folder, found);
    }
  }
}

std::set<pid_t> cells() {
  std::set<pid_t> found;
  find_cells("/proc/self", found);
  return found;
}

Result<sgx::SigningKey*> key_of_this_run() {
  static Result<sgx::SigningKey> key = sgx::SigningKey::generate();
  if (!key) return std::unexpected(key.error());
  return &*key;
}

// Bytes that no file system and no loader can make short work of.
std::vector<std::byte> filling(std::size_t size) {
  std::vector<std::byte> bytes(size);
  std::uint64_t state = 1;
  for (std::byte& byte : bytes) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    byte = static_cast<std::byte>(state >> 56);
  }
  return bytes;
}

Result<image::UnsignedImage> build(const ImageWish& wish, ByteView kernel, ByteView program, std::size_t fill) {
  image::SignInput input{.kernel = kernel, .program = program, .program_name = "bench-program"};
  input.settings.debug = wish.debug;
  input.settings.heap_max = wish.heap;
  input.settings.mounts.push_back({.path = "/host", .kind = boundary::MountKind::kPlain, .read_only = true});
  if (!wish.encrypted_mount.empty()) {
    input.settings.mounts.push_back(
        {.path = wish.encrypted_mount, .kind = boundary::MountKind::kEncrypted, .key = image::MountKey::kMrSigner});
  }
  for (const std::string& pattern : wish.bind) {
    auto rule = image::parse_network_rule(pattern, boundary::NetworkDirection::kBind);
    if (!rule) return std::unexpected(rule.error());
    input.settings.network.push_back(*rule);
  }
  input.date = 0x20260101;
  if (fill != 0) input.files.push_back({.path = "/filling", .content = filling(fill)});
  return image::build_image(input);
}

}  // namespace

Result<std::unique_ptr<Workshop>> Workshop::make() {
  std::string name = (std::filesystem::temp_directory_path() / "coffer-bench-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) return system_error("cannot make a folder to work in", errno);
  std::unique_ptr<Workshop> workshop(new Workshop(name));
  ::setenv("COFFER_HOME", (workshop->folder_ / "home").c_str(), 1);
  return workshop;
}

Workshop::~Workshop() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::filesystem::path measured_program() { return program_beside("bench-program"); }

std::filesystem::path program_beside(const std::string& name) {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / name;
}

Result<MadeImage> make_image(const Workshop& workshop, const ImageWish& wish) {
  auto kernel_path = host::find_part("enclave-kernel.elf");
  if (!kernel_path) return std::unexpected(kernel_path.error());
  auto kernel = read_file(*kernel_path);
  if (!kernel) return std::unexpected(kernel.error());
  auto program = read_file(wish.program.empty() ? measured_program() : program_beside(wish.program));
  if (!program) return std::unexpected(program.error());
  auto built = build(wish, *kernel, *program, 0);
  if (built && wish.fill_to > built->measured_size) {
    built = build(wish, *kernel, *program, wish.fill_to - built->measured_size);
  }
  if (!built) return std::unexpected(built.error());
  auto key = key_of_this_run();
  if (!key) return std::unexpected(key.error());
  if (auto done = image::sign_image(built->file, wish.name, **key); !done) return std::unexpected(done.error());
  const auto path = workshop.folder() / (wish.name + ".enclave");
  if (auto written = write_file_atomically(path, built->file); !written) return std::unexpected(written.error());
  return MadeImage{path, built->measured_size};
}

Result<Loaded> load(const std::filesystem::path& image, const LoadOptions& options) {
  const std::set<pid_t> before = cells();
  auto enclave = Enclave::load(image, options);
  if (!enclave) return std::unexpected(enclave.error());
  std::vector<pid_t> made;
  for (pid_t now : cells()) {
    if (!before.contains(now)) made.push_back(now);
  }
  return Loaded{std::move(*enclave), std::move(made)};
}

Result<std::unique_ptr<Worker>> Worker::inside(Loaded loaded, const std::filesystem::path& folder,
                                               std::vector<Mount> mounts) {
  auto in = make_pipe();
  auto out = make_pipe();
  if (!in || !out) return std::unexpected(in ? out.error() : in.error());
  mounts.push_back({.host = folder, .enclave = "/host", .key = std::nullopt});
  RunOptions options{.arguments = {"work"}, .mounts = std::move(mounts)};
  options.standard_input = in->read.get();
  options.standard_output = out->write.get();
  if (auto started = loaded.enclave.start(options); !started) return std::unexpected(started.error());
  std::unique_ptr<Worker> worker(new Worker);
  worker->requests_ = std::move(in->write);
  worker->answers_ = std::move(out->read);
  worker->program_in_ = std::move(in->read);
  worker->program_out_ = std::move(out->write);
  worker->loaded_ = std::move(loaded);
  return worker;
}

Result<std::unique_ptr<Worker>> Worker::outside() {
  auto in = make_pipe();
  auto out = make_pipe();
  if (!in || !out) return std::unexpected(in ? out.error() : in.error());
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in->read.get(), 0);
  posix_spawn_file_actions_adddup2(&actions, out->write.get(), 1);
  std::string program = measured_program().string();
  std::string argument = "work";
  std::array<char*, 3> arguments = {program.data(), argument.data(), nullptr};
  std::unique_ptr<Worker> worker(new Worker);
  const int failed = ::posix_spawn(&worker->process_, program.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) {
    worker->process_ = 0;
    return system_error("cannot start " + program, failed);
  }
  worker->requests_ = std::move(in->write);
  worker->answers_ = std::move(out->read);
  return worker;
}

Worker::~Worker() {
  requests_.reset();  // the end of its input ends the program
  if (process_ != 0) {
    while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  if (loaded_) (void)loaded_->enclave.wait();
}

Result<std::string> Worker::read_line() {
  while (true) {
    if (const auto end = received_.find('\n'); end != std::string::npos) {
      std::string line = received_.substr(0, end);
      received_.erase(0, end + 1);
      return line;
    }
    pollfd ready{answers_.get(), POLLIN, 0};
    if (::poll(&ready, 1, kPatienceMs) == 0) return fail(ErrorKind::kLost, "the measured program does not answer");
    std::array<char, 256> piece{};
    const ssize_t got = ::read(answers_.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return fail(ErrorKind::kLost, "the measured program has ended");
    received_.append(piece.data(), static_cast<std::size_t>(got));
  }
}

Result<double> Worker::ask(const std::string& work) {
  const std::string line = work + "\n";
  if (::write(requests_.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    return fail(ErrorKind::kLost, "the measured program has ended");
  }
  auto answer = read_line();
  if (!answer) return std::unexpected(answer.error());
  if (!answer->starts_with("ok ")) return fail(ErrorKind::kSystem, "the measured program: " + work + ": " + *answer);
  return std::strtod(answer->c_str() + 3, nullptr) * nanoseconds_per_tick();
}

double nanoseconds_per_tick() {
  static const double result = [] {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    const std::uint64_t first = ticks_now();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    const std::chrono::duration<double, std::nano> taken = Clock::now() - start;
    return taken.count() / static_cast<double>(ticks_now() - first);
  }();
  return result;
}

}  // namespace coffer::bench
