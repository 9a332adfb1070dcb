// A thousand launches leave nothing behind: no page, process, descriptor, thread or file. And what they compute inside
// is what they compute outside.
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>

#include <gtest/gtest.h>

#include "host/testing/enclaves.h"
#include "host/testing/holdings.h"

namespace coffer::host {
namespace {

using testing::files_left;
using testing::Holdings;
using testing::holdings_of;
using testing::Setting;
using testing::Streams;

class Launches : public ::testing::TestWithParam<Setting> {};

TEST_P(Launches, LeaveNothingBehind) {
  image::Settings settings = testing::usual_settings();
  settings.name = "small";
  settings.threads = 2;
  const auto image = testing::enclave_of("life", settings);
  const auto launch = [&](int i) {
    auto enclave = Enclave::load(image, GetParam().options());
    ASSERT_TRUE(enclave) << enclave.error().message;
    if (i % 10 == 9) return;  // loaded and dropped
    const Streams streams;
    const auto status = enclave->run(streams.options({"exit", std::to_string(i % 200)}));
    ASSERT_TRUE(status) << status.error().message;
    ASSERT_EQ(status->code, i % 200) << status->detail;
  };
  for (int i = 0; i < 20; ++i) launch(i);  // what the library and the allocator keep, they keep from here
  const Holdings before = holdings_of(::getpid());
  const std::size_t files_before = files_left();
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr int kLaunches = 100;
#else
  constexpr int kLaunches = 1000;
#endif
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kLaunches && !HasFatalFailure(); ++i) launch(i);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  const Holdings after = holdings_of(::getpid());
  EXPECT_EQ(after.descriptors, before.descriptors);
  EXPECT_EQ(after.threads, before.threads);
  EXPECT_EQ(after.children, before.children);
  EXPECT_EQ(files_left(), files_before);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  // The allocator may keep a few heaps more; a page a launch would be 4000 KiB, a mapping a launch 1000.
  EXPECT_LE(after.mappings, before.mappings + 20);
  EXPECT_LE(after.resident_kib, before.resident_kib + 2000);
#endif
  std::printf("%d launches, %.1f ms each\n", kLaunches, took.count() / kLaunches);
  EXPECT_LT(took.count(), 120'000) << "a launch takes far longer than it should, even on a busy machine";
}

INSTANTIATE_TEST_SUITE_P(Rungs, Launches, ::testing::ValuesIn(testing::fast_settings()), testing::setting_name);

std::string output_outside(const std::filesystem::path& program) {
  FILE* pipe = ::popen(program.c_str(), "re");
  if (pipe == nullptr) return "popen failed";
  std::string text;
  std::array<char, 4096> piece{};
  while (const std::size_t got = std::fread(piece.data(), 1, piece.size(), pipe)) text.append(piece.data(), got);
  const int status = ::pclose(pipe);
  return status == 0 ? text : "exit status " + std::to_string(status);
}

class Computing : public ::testing::TestWithParam<Setting> {};

TEST_P(Computing, GivesTheSameInsideAndOutside) {
  static const std::string outside = output_outside(testing::program_file("compute"));
  ASSERT_GT(outside.size(), 400u) << outside;
  const Streams streams;
  Enclave enclave = testing::load("compute", GetParam());
  const auto status = enclave.run(streams.options({}));
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(status->code, 0) << streams.errors();
  EXPECT_EQ(streams.output(), outside);
}

INSTANTIATE_TEST_SUITE_P(Rungs, Computing, ::testing::ValuesIn(testing::all_settings()), testing::setting_name);

}  // namespace
}  // namespace coffer::host
