#include "cli/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "base/file.h"
#include "host/image/coffer_image.h"
#include "sgx/sigstruct.h"

namespace coffer::cli {
namespace {

using ::testing::HasSubstr;

struct Outcome {
  int status = 0;
  std::string out, err;
};

Outcome coffer(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "coffer");
  std::vector<const char*> pointers;
  for (const auto& argument : arguments) pointers.push_back(argument.c_str());
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  Outcome outcome;
  outcome.status = run_command(static_cast<int>(pointers.size()), pointers.data());
  outcome.err = ::testing::internal::GetCapturedStderr();
  outcome.out = ::testing::internal::GetCapturedStdout();
  return outcome;
}

// An error is one line on standard error that starts with the command's name.
void expect_error(const Outcome& outcome, int status, const std::string& part) {
  EXPECT_EQ(outcome.status, status);
  EXPECT_THAT(outcome.err, ::testing::StartsWith("coffer: "));
  EXPECT_THAT(outcome.err, HasSubstr(part));
  EXPECT_EQ(std::ranges::count(outcome.err, '\n'), 1) << outcome.err;
  EXPECT_EQ(outcome.out, "");
}

class Command : public ::testing::Test {
 protected:
  Command() {
    std::string pattern = (std::filesystem::temp_directory_path() / "coffer-cli-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~Command() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }
  static std::string program(const std::string& name) {
    return std::string(COFFER_BUILD_DIR) + "/tests/programs/" + name;
  }
  std::vector<std::string> sign(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments = {
        "sign", program("image_test_tiny"), "--kernel", program("image_test_kernel"), "--date", "2026-11-22"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  static std::string text(const std::string& file) {
    std::ifstream stream(file);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  std::filesystem::path folder_;
};

TEST_F(Command, HelpAndVersionAreAnswers) {
  EXPECT_THAT(coffer({"--version"}).out, ::testing::StartsWith("coffer "));
  auto help = coffer({"--help"});
  EXPECT_EQ(help.status, 0);
  for (const char* verb : {"sign", "key", "new"}) {
    EXPECT_THAT(help.out, HasSubstr("\n  " + std::string(verb))) << verb;
    auto own = coffer({verb, "--help"});
    EXPECT_EQ(own.status, 0);
    EXPECT_THAT(own.out, HasSubstr("Example")) << verb;
  }
}

TEST_F(Command, UsageErrorsAreOneLine) {
  expect_error(coffer({}), 2, "--help");
  expect_error(coffer({"frobnicate"}), 2, "frobnicate");
  expect_error(coffer({"sign"}), 2, "coffer sign --help");
  expect_error(coffer(sign({})), 2, "-o");
  expect_error(coffer(sign({"-o", path("x")})), 2, "coffer key new");
  expect_error(coffer(sign({"-o", path("x"), "--key", "k", "--signature", "s", "--public-key", "p"})), 2, "exclude");
  expect_error(coffer(sign({"-o", path("x"), "--signature", "s"})), 2, "belong together");
  expect_error(coffer(sign({"-o", path("x"), "--key", "k", "--threads", "0"})), 2, "1 to 1024");
  expect_error(coffer(sign({"-o", path("x"), "--key", "k", "--heap-max", "9X"})), 2, "not a size");
  expect_error(coffer(sign({"-o", path("x"), "--key", "k", "--stack", "1"})), 2, "--stack");
  expect_error(coffer(sign({"-o", path("x"), "--key", path("missing")})), 2, "missing");
  expect_error(coffer({"sign", path("no program"), "--key", "k", "-o", path("x")}), 2, "no program");
}

TEST_F(Command, KeysAreMadeOnceAndForTheirOwnerOnly) {
  auto made = coffer({"key", "new", path("k.pem")});
  EXPECT_EQ(made.status, 0) << made.err;
  struct stat status{};
  ASSERT_EQ(::stat(path("k.pem").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  const auto before = text(path("k.pem"));
  expect_error(coffer({"key", "new", path("k.pem")}), 2, "not overwritten");
  EXPECT_EQ(text(path("k.pem")), before);
  auto shown = coffer({"key", "public", path("k.pem")});
  EXPECT_THAT(shown.out, ::testing::StartsWith("-----BEGIN PUBLIC KEY-----"));
  expect_error(coffer({"key", "new", path("no/folder/k.pem")}), 2, "cannot write");
}

TEST_F(Command, SignsInOneStepAndInTwo) {
  ASSERT_EQ(coffer({"key", "new", path("k.pem")}).status, 0);
  auto whole = coffer(sign({"--key", path("k.pem"), "-o", path("whole.enclave"), "--svn", "3"}));
  ASSERT_EQ(whole.status, 0) << whole.err;
  EXPECT_THAT(whole.out, HasSubstr("mrenclave"));
  EXPECT_THAT(whole.out, HasSubstr("svn         3"));
  auto image = image::CofferImage::read(path("whole.enclave"));
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(sgx::verify(image->sigstruct()), sgx::LeafError::kSuccess);
  EXPECT_EQ(image->sigstruct().isv_svn, 3);

  auto digest = coffer(sign({"--print-digest", "-o", path("two.enclave"), "--svn", "3"}));
  ASSERT_EQ(digest.status, 0) << digest.err;
  ASSERT_EQ(digest.out.size(), 65u);
  std::ofstream(path("digest")) << digest.out;
  // The key that lives elsewhere is openssl's.
  const std::string elsewhere =
      "cd " + folder_.string() +
      " && xxd -r -p digest > raw && openssl pkeyutl -sign -inkey k.pem -in raw -out signature"
      " -pkeyopt digest:sha256 && openssl pkey -in k.pem -pubout -out k.pub";
  ASSERT_EQ(std::system(elsewhere.c_str()), 0);
  const std::vector<std::string> second = {"--signature", path("signature"), "--public-key", path("k.pub"), "-o"};
  auto arguments = second;
  arguments.insert(arguments.begin(), {"sign", path("two.enclave")});
  arguments.push_back(path("two.enclave"));
  auto attached = coffer(arguments);
  EXPECT_EQ(attached.status, 0) << attached.err;
  EXPECT_EQ(text(path("two.enclave")), text(path("whole.enclave")));

  // Over another image, the answer is no.
  arguments = sign(second);
  arguments.push_back(path("other.enclave"));
  expect_error(coffer(arguments), 1, "--print-digest");
  EXPECT_FALSE(std::filesystem::exists(path("other.enclave")));
}

TEST_F(Command, SettingsComeFromTheFileAndOptionsGoBefore) {
  ASSERT_EQ(coffer({"key", "new", path("k.pem")}).status, 0);
  std::ofstream(path("coffer.toml")) << "svn = 4\nproduct_id = 9\nthreads = 2\n";
  auto made = coffer(sign(
      {"--key", path("k.pem"), "--config", path("coffer.toml"), "--svn", "5", "--debug", "-o", path("x.enclave")}));
  ASSERT_EQ(made.status, 0) << made.err;
  auto image = image::CofferImage::read(path("x.enclave"));
  ASSERT_TRUE(image);
  EXPECT_EQ(image->sigstruct().isv_svn, 5);
  EXPECT_EQ(image->sigstruct().isv_prod_id, 9);
  EXPECT_EQ(image->layout().thread_count, 2u + boundary::kServiceThreads);
  EXPECT_TRUE(image->debug());

  std::ofstream(path("wrong.toml")) << "svn = 4\nheap = 9\n";
  expect_error(coffer(sign({"--key", path("k.pem"), "--config", path("wrong.toml"), "-o", path("y.enclave")})), 2,
               "wrong.toml:2: unknown key heap");
}

TEST_F(Command, ANewProjectBuildsAndItsSettingsHold) {
  auto made = coffer({"new", path("first-try")});
  ASSERT_EQ(made.status, 0) << made.err;
  const std::string build =
      "make -s -C " + path("first-try") + " && " + path("first-try/first-try") + " you > " + path("output");
  ASSERT_EQ(std::system(build.c_str()), 0);
  EXPECT_THAT(text(path("output")), HasSubstr("Hello, you"));
  ASSERT_EQ(coffer({"key", "new", path("k.pem")}).status, 0);
  auto image = coffer({"sign", path("first-try/first-try"), "--kernel", program("image_test_kernel"), "--key",
                       path("k.pem"), "--config", path("first-try/coffer.toml"), "-o", path("x.enclave")});
  EXPECT_EQ(image.status, 0) << image.err;
  expect_error(coffer({"new", path("first-try")}), 2, "not an empty folder");
  expect_error(coffer({"new", path("run")}), 2, "cannot be a program's name");
  expect_error(coffer({"new", path("a b")}), 2, "cannot be a program's name");
}

}  // namespace
}  // namespace coffer::cli
