// Real enclaves for the tests of the host side: programs of testing/programs/, signed with a key of the test run.
#pragma once

#include <coffer/host.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "host/image/coffer_image.h"
#include "host/image/settings.h"

namespace coffer::host::testing {

// A rung, and the way system calls and ENCLU go there.
struct Setting {
  RungKind rung = RungKind::kProcess;
  bool fast_paths = true;

  [[nodiscard]] LoadOptions options() const { return {.rung = rung, .fast_paths = fast_paths}; }
};
// For gtest's names of parameterised tests.
std::string setting_name(const ::testing::TestParamInfo<Setting>& info);
void PrintTo(const Setting& setting, std::ostream* out);

// Both rungs where the build can run both: sanitizers that own signals or addresses leave only the process rung.
[[nodiscard]] std::vector<Setting> all_settings();
[[nodiscard]] std::vector<Setting> fast_settings();
[[nodiscard]] bool inline_rung_works();

// A folder of this test process, removed at its end. COFFER_HOME is inside it.
[[nodiscard]] const std::filesystem::path& scratch();

// Debug images: 40 threads, 96 MiB.
[[nodiscard]] image::Settings usual_settings();
// host_test_NAME of the build, signed; the same file for the same name and settings' name, SVN and DEBUG. `signer`
// names a key of the test run.
[[nodiscard]] std::filesystem::path enclave_of(const std::string& program,
                                               const image::Settings& settings = usual_settings(),
                                               const std::string& signer = "usual");
[[nodiscard]] std::filesystem::path program_file(const std::string& program);

// Ends the test process with a message where the result is none.
Enclave load(const std::string& program, const Setting& setting, const image::Settings& settings = usual_settings());

// Standard streams of a run: a pipe for input, files for output.
class Streams {
 public:
  Streams();
  ~Streams();
  Streams(const Streams&) = delete;
  Streams& operator=(const Streams&) = delete;

  [[nodiscard]] RunOptions options(std::vector<std::string> arguments) const;
  void give(std::string_view input);
  void end_input() { input_write_.reset(); }
  [[nodiscard]] std::string output() const;
  [[nodiscard]] std::string errors() const;
  // Until the output holds `word`; false after ten seconds.
  [[nodiscard]] bool wait_for(std::string_view word) const;

 private:
  FileDescriptor input_read_, input_write_, output_, errors_;
};

}  // namespace coffer::host::testing
