// Files that a carrier reads and writes itself: bounds, whose answer it is, and handles that change files meanwhile.
#include "processor/carrier/shared_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <string_view>
#include <thread>
#include <vector>

namespace coffer::processor {
namespace {

using boundary::EnterCommand;
using boundary::Request;

constexpr std::uint64_t kHandle = 5;

FileDescriptor file_of(std::string_view content) {
  FileDescriptor file(::memfd_create("shared", MFD_CLOEXEC));
  EXPECT_EQ(::write(file.get(), content.data(), content.size()), static_cast<ssize_t>(content.size()));
  return file;
}

Registers asking(Request request, std::uint64_t handle, std::uint64_t offset, std::uint64_t length) {
  return {static_cast<std::uint64_t>(request), handle, offset, length, 77};
}
void expect_answer(const Registers& registers, std::uint64_t result) {
  EXPECT_EQ(registers.rdi, static_cast<std::uint64_t>(EnterCommand::kReturn));
  EXPECT_EQ(registers.rsi, result);
  EXPECT_EQ(registers.rdx, 0U);
  EXPECT_EQ(registers.r8, 0U);
  EXPECT_EQ(registers.r9, 0U);
}

class SharedFilesTest : public ::testing::Test {
 protected:
  // The host has to answer, and sees what was asked.
  void expect_not_served(const Registers& asked) {
    Registers registers = asked;
    EXPECT_FALSE(files_.serve(registers, area_));
    EXPECT_EQ(std::memcmp(&registers, &asked, sizeof(asked)), 0);
  }

  SharedFiles files_;
  std::array<std::byte, 16> area_{};
};

TEST_F(SharedFilesTest, ReadsAndWritesAtPositions) {
  ASSERT_TRUE(files_.add(kHandle, file_of("0123456789")));
  Registers registers = asking(Request::kFileRead, kHandle, 3, 4);
  ASSERT_TRUE(files_.serve(registers, area_));
  expect_answer(registers, 4);
  EXPECT_EQ(std::memcmp(area_.data(), "3456", 5), 0);  // and nothing behind it
  registers = asking(Request::kFileRead, kHandle, 8, 16);
  ASSERT_TRUE(files_.serve(registers, area_));
  expect_answer(registers, 2);
  registers = asking(Request::kFileRead, kHandle, 10, 16);
  ASSERT_TRUE(files_.serve(registers, area_));
  expect_answer(registers, 0);
  std::memcpy(area_.data(), "xyz", 3);
  registers = asking(Request::kFileWrite, kHandle, 9, 3);
  ASSERT_TRUE(files_.serve(registers, area_));
  expect_answer(registers, 3);
  registers = asking(Request::kFileRead, kHandle, 8, 16);
  ASSERT_TRUE(files_.serve(registers, area_));
  expect_answer(registers, 4);
  EXPECT_EQ(std::memcmp(area_.data(), "8xyz", 4), 0);
}

TEST_F(SharedFilesTest, WhatIsNotHereIsTheHosts) {
  ASSERT_TRUE(files_.add(kHandle, file_of("content")));
  for (const std::uint64_t handle : {std::uint64_t{0}, std::uint64_t{2}, kHandle + 1,
                                     std::uint64_t{boundary::kMaxSharedHandles}, ~std::uint64_t{0}}) {
    expect_not_served(asking(Request::kFileRead, handle, 0, 1));
  }
}

TEST_F(SharedFilesTest, NothingGoesBeyondTheExchangeArea) {
  ASSERT_TRUE(files_.add(kHandle, file_of("content that is longer than the area")));
  for (const Request request : {Request::kFileRead, Request::kFileWrite}) {
    for (const std::uint64_t length : {area_.size() + 1, std::size_t{1} << 31, ~std::size_t{0}}) {
      expect_not_served(asking(request, kHandle, 0, length));
    }
  }
  Registers registers = asking(Request::kFileRead, kHandle, 0, area_.size());
  EXPECT_TRUE(files_.serve(registers, area_));
}

TEST_F(SharedFilesTest, TheCurrentPositionAndImpossibleOnesAreTheHosts) {
  ASSERT_TRUE(files_.add(kHandle, file_of("content")));
  for (const std::uint64_t offset : {boundary::kCurrentPosition, std::uint64_t{1} << 63}) {
    expect_not_served(asking(Request::kFileRead, kHandle, offset, 1));
    expect_not_served(asking(Request::kFileWrite, kHandle, offset, 1));
  }
}

TEST_F(SharedFilesTest, TheHostSaysWhyATransferFailed) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  const FileDescriptor writer(ends[1]);
  ASSERT_TRUE(files_.add(kHandle, FileDescriptor(ends[0])));
  expect_not_served(asking(Request::kFileRead, kHandle, 0, 1));  // no pipe has positions
  ASSERT_TRUE(files_.add(kHandle + 1, FileDescriptor(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC))));
  expect_not_served(asking(Request::kFileWrite, kHandle + 1, 0, 1));
}

TEST_F(SharedFilesTest, HandlesAreTakenOnceAndInRange) {
  EXPECT_FALSE(files_.add(2, file_of("a stream's")));
  EXPECT_FALSE(files_.add(boundary::kMaxSharedHandles, file_of("out of range")));
  EXPECT_FALSE(files_.add(~std::uint64_t{0}, file_of("out of range")));
  EXPECT_FALSE(files_.add(kHandle, FileDescriptor()));
  EXPECT_TRUE(files_.add(kHandle, file_of("first")));
  EXPECT_FALSE(files_.add(kHandle, file_of("second")));
  EXPECT_TRUE(files_.add(3, file_of("lowest")));
  EXPECT_TRUE(files_.add(boundary::kMaxSharedHandles - 1, file_of("highest")));
}

TEST_F(SharedFilesTest, AHandleThatIsRemovedIsFree) {
  EXPECT_FALSE(files_.remove(kHandle));
  EXPECT_FALSE(files_.remove(~std::uint64_t{0}));
  FileDescriptor first = file_of("first");
  const int number = first.get();
  ASSERT_TRUE(files_.add(kHandle, std::move(first)));
  EXPECT_TRUE(files_.remove(kHandle));
  EXPECT_EQ(::fcntl(number, F_GETFD), -1);
  expect_not_served(asking(Request::kFileRead, kHandle, 0, 1));
  ASSERT_TRUE(files_.add(kHandle, file_of("second")));
  Registers registers = asking(Request::kFileRead, kHandle, 0, 6);
  ASSERT_TRUE(files_.serve(registers, area_));
  EXPECT_EQ(std::memcmp(area_.data(), "second", 6), 0);
}

// While a handle goes from file to file, a read is of one that had the handle then, whole, or is not served; the
// number of a descriptor that is closed under it would be another file's, which nobody here ever shares.
TEST(SharedFilesThreads, AFileIsNotClosedUnderAReader) {
  SharedFiles files;
  std::atomic<bool> over{false};
  std::atomic<std::uint64_t> served{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      std::array<std::byte, 8> area{};
      while (!over) {
        Registers registers = asking(Request::kFileRead, kHandle, 0, area.size());
        if (!files.serve(registers, area)) continue;
        EXPECT_EQ(registers.rsi, area.size());
        for (const std::byte byte : area) EXPECT_TRUE(byte == area[0] && byte != std::byte{'x'});
        ++served;
      }
    });
  }
  for (int round = 0; round < 3000 || (served < 100 && round < 1'000'000); ++round) {
    ASSERT_TRUE(files.add(kHandle, file_of(std::string(8, static_cast<char>('a' + round % 20)))));
    const FileDescriptor other = file_of("xxxxxxxx");  // takes the number of one that was just closed
    EXPECT_TRUE(files.remove(kHandle));
  }
  over = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_GE(served, 100U);
}

}  // namespace
}  // namespace coffer::processor
