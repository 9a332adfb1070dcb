// How long the EDL compiler takes for as many files as the public suite of Open Enclave's compiler has: a process for
// each file and half, as builds call it.
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <string>
#include <vector>

#include "bench/items.h"

namespace coffer::bench {

namespace {

constexpr int kFiles = 89;
constexpr int kFunctions = 40;  // each way
constexpr double kReachMs = 2000;

// Imported by every other.
constexpr const char* kCommon = R"(enclave {
  struct Part { size_t size; [size=size] void* bytes; };
  struct Whole { uint32_t count; [count=count] Part* parts; char name[32]; };
  enum State { IDLE, BUSY = 4, DONE };
  trusted { public int common_in([in, count=n] Whole* all, size_t n); };
  untrusted { void common_out([in, string] const char* words); };
};
)";

std::string file_text(int number) {
  std::string trusted, untrusted;
  for (int i = 0; i < kFunctions; ++i) {
    const std::string arguments = fmt::format(
        "[in, string] const char* text{0}, [in, count=n] const struct Record* all, [in, out, size=m] uint8_t* bytes, "
        "[out] uint64_t* sum, uint32_t table[4], size_t n, size_t m",
        i);
    trusted += fmt::format("    /* call {0} */\n    public int in_{1}_{0}({2});\n", i, number, arguments);
    untrusted += fmt::format("    // {0}\n    uint32_t out_{1}_{0}({2}) {3};\n", i, number, arguments,
                             i % 4 == 0 ? "propagate_errno" : "");
  }
  return fmt::format(
      "enclave {{\n  from \"common.edl\" import *;\n#ifdef NEVER_DEFINED\n  include \"absent.h\"\n#endif\n"
      "  struct Record {{ uint64_t key; double values[8]; char tag; }};\n"
      "  trusted {{\n{}  }};\n  untrusted {{\n{}  }};\n}};\n",
      trusted, untrusted);
}

Result<void> compile(const std::filesystem::path& compiler, const std::filesystem::path& folder,
                     const std::string& file, const char* half) {
  const std::string place = folder.string(), where = std::string(half) + "-dir";
  const std::array<const char*, 8> words{compiler.c_str(), half,          file.c_str(),  "--search-path",
                                         place.c_str(),    where.c_str(), place.c_str(), nullptr};
  std::vector<char*> arguments;
  for (const char* word : words) arguments.push_back(const_cast<char*>(word));
  pid_t process = 0;
  int status = -1;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  const int failed = ::posix_spawn(&process, compiler.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return system_error("cannot start " + compiler.string(), failed);
  while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0) return fail(ErrorKind::kSystem, compiler.string() + " failed with " + file);
  return {};
}

Result<std::vector<Row>> compile_all(Bench& bench) {
  const auto folder = bench.workshop().folder() / "edl";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "common.edl") << kCommon;
  std::vector<std::string> files;
  for (int i = 0; i < kFiles; ++i) {
    files.push_back(folder / fmt::format("file{}.edl", i));
    std::ofstream(files.back()) << file_text(i);
  }
  const auto compiler = program_beside("../bin/oeedger8r");
  const auto all = [&]() -> Result<double> {
    const auto start = Clock::now();
    for (const std::string& file : files) {
      for (const char* half : {"--trusted", "--untrusted"}) {
        if (auto compiled = compile(compiler, folder, file, half); !compiled) return std::unexpected(compiled.error());
      }
    }
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  };
  const auto best = sample_by_turns(bench.budget(4, 1), all, []() -> Result<double> { return 0; });
  if (!best) return std::unexpected(best.error());
  return std::vector{
      limit_value(fmt::format("EDL compiler: {} files, both halves", kFiles), "ms", best->ours, kReachMs)};
}

}  // namespace

std::vector<Item> edl_items() { return {{"edl: the compiler", compile_all}}; }

}  // namespace coffer::bench
