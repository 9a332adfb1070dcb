#include "host/testing/enclaves.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <thread>

#include "host/image/signer.h"
#include "sgx/sigstruct.h"

namespace coffer::host::testing {

namespace {

[[noreturn]] void stop(const std::string& why) {
  std::cerr << "cannot test: " << why << '\n' << std::flush;
  std::_Exit(3);
}

template <class T>
T must(Result<T> result) {
  if (!result) stop(result.error().message);
  return std::move(*result);
}

// Before the first test: state of the platform that this run alone uses.
class Scratch final : public ::testing::Environment {
 public:
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "coffer-host-test.XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) stop("no temporary folder");
    path_ = name;
    ::setenv("COFFER_HOME", (path_ / "home").c_str(), 1);
    std::filesystem::create_directory(path_ / "home");
    std::filesystem::permissions(path_ / "home", std::filesystem::perms::owner_all);
  }
  void TearDown() override {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};
Scratch& the_scratch = static_cast<Scratch&>(*::testing::AddGlobalTestEnvironment(new Scratch));

const sgx::SigningKey& signing_key(const std::string& signer) {
  static std::map<std::string, sgx::SigningKey> keys;
  const auto found = keys.find(signer);
  return found != keys.end() ? found->second : keys.emplace(signer, must(sgx::SigningKey::generate())).first->second;
}

std::string contents(const FileDescriptor& file) {
  std::string text;
  std::array<char, 4096> piece{};
  for (ssize_t got = 0; (got = ::pread(file.get(), piece.data(), piece.size(), static_cast<off_t>(text.size()))) > 0;) {
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
  return text;
}

FileDescriptor memory_file(const char* name) { return FileDescriptor(::memfd_create(name, MFD_CLOEXEC)); }

}  // namespace

std::string setting_name(const ::testing::TestParamInfo<Setting>& info) {
  return std::string(info.param.rung == RungKind::kInline ? "Inline" : "Process") +
         (info.param.fast_paths ? "Fast" : "Trapping");
}

void PrintTo(const Setting& setting, std::ostream* out) {
  *out << setting_name(::testing::TestParamInfo<Setting>(setting, 0));
}

bool inline_rung_works() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return false;
#else
  return true;
#endif
}

std::vector<Setting> all_settings() {
  std::vector<Setting> settings = {{RungKind::kProcess, true}, {RungKind::kProcess, false}};
  if (inline_rung_works()) {
    settings.push_back({RungKind::kInline, true});
    settings.push_back({RungKind::kInline, false});
  }
  return settings;
}

std::vector<Setting> fast_settings() {
  std::vector<Setting> settings = {{RungKind::kProcess, true}};
  if (inline_rung_works()) settings.push_back({RungKind::kInline, true});
  return settings;
}

const std::filesystem::path& scratch() { return the_scratch.path(); }

image::Settings usual_settings() {
  image::Settings settings;
  settings.name = "program";
  settings.debug = true;
  settings.threads = 40;
  settings.heap_max = std::uint64_t{96} << 20;
  settings.stack = std::uint64_t{1} << 20;
  return settings;
}

std::filesystem::path program_file(const std::string& program) {
  return std::filesystem::path(COFFER_BUILD_DIR) / "tests/programs" / ("host_test_" + program);
}

std::filesystem::path enclave_of(const std::string& program, const image::Settings& settings,
                                 const std::string& signer) {
  const std::string signature = signer + std::to_string(settings.svn) + (settings.debug ? "d" : "p");
  std::filesystem::path path = scratch() / (program + "-" + settings.name + "-" + signature + ".enclave");
  if (std::filesystem::exists(path)) return path;
  const auto kernel = must(read_file(std::filesystem::path(COFFER_BUILD_DIR) / "libexec/coffer/enclave-kernel.elf"));
  const auto application = must(read_file(program_file(program)));
  constexpr std::uint32_t kDate = 0x20261122;
  auto built = must(image::build_image({.kernel = kernel,
                                        .program = application,
                                        .program_name = program,
                                        .settings = settings,
                                        .files = must(image::collect_files(settings)),
                                        .date = kDate}));
  if (auto signed_now = image::sign_image(built.file, program, signing_key(signer)); !signed_now) {
    stop(signed_now.error().message);
  }
  if (auto written = write_file_atomically(path, built.file); !written) stop(written.error().message);
  return path;
}

Enclave load(const std::string& program, const Setting& setting, const image::Settings& settings) {
  return must(Enclave::load(enclave_of(program, settings), setting.options()));
}

Streams::Streams() : output_(memory_file("output")), errors_(memory_file("errors")) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) stop("no pipe");
  input_read_ = FileDescriptor(ends[0]);
  input_write_ = FileDescriptor(ends[1]);
}
Streams::~Streams() = default;

RunOptions Streams::options(std::vector<std::string> arguments) const {
  RunOptions options;
  options.arguments = std::move(arguments);
  options.standard_input = input_read_.get();
  options.standard_output = output_.get();
  options.standard_error = errors_.get();
  return options;
}

void Streams::give(std::string_view input) {
  if (::write(input_write_.get(), input.data(), input.size()) != static_cast<ssize_t>(input.size())) {
    stop("the input pipe is full");
  }
}

std::string Streams::output() const { return contents(output_); }
std::string Streams::errors() const { return contents(errors_); }

bool Streams::wait_for(std::string_view word) const {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (std::chrono::steady_clock::now() < end) {
    if (output().find(word) != std::string::npos) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

}  // namespace coffer::host::testing
