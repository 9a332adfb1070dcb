#include "base/descriptor_passing.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <filesystem>

namespace coffer {
namespace {

class DescriptorPassing : public ::testing::Test {
 protected:
  DescriptorPassing() {
    std::array<int, 2> pair{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()), 0);
    here_ = FileDescriptor(pair[0]);
    there_ = FileDescriptor(pair[1]);
  }
  FileDescriptor here_, there_;
};

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

constexpr std::array<std::byte, 3> kMessage = {std::byte{1}, std::byte{2}, std::byte{3}};

TEST_F(DescriptorPassing, AMessageArrivesWithItsDescriptors) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  const FileDescriptor read_end(pipe[0]);
  const FileDescriptor write_end(pipe[1]);
  ASSERT_TRUE(send_with_descriptors(here_.get(), kMessage, pipe));
  std::array<std::byte, 3> got{};
  auto descriptors = receive_with_descriptors(there_.get(), got);
  ASSERT_TRUE(descriptors) << descriptors.error().message;
  EXPECT_EQ(got, kMessage);
  ASSERT_EQ(descriptors->size(), 2U);
  EXPECT_EQ(::fcntl((*descriptors)[0].get(), F_GETFD), FD_CLOEXEC);
  ASSERT_EQ(::write((*descriptors)[1].get(), "x", 1), 1);
  char letter = 0;
  ASSERT_EQ(::read(read_end.get(), &letter, 1), 1);
  EXPECT_EQ(letter, 'x');
}

TEST_F(DescriptorPassing, NoDescriptorsIsAMessageToo) {
  ASSERT_TRUE(send_with_descriptors(here_.get(), kMessage, {}));
  std::array<std::byte, 3> got{};
  auto descriptors = receive_with_descriptors(there_.get(), got);
  ASSERT_TRUE(descriptors);
  EXPECT_TRUE(descriptors->empty());
}

TEST_F(DescriptorPassing, WrongSizesAreRefusedAndNoDescriptorStays) {
  const std::size_t before = open_descriptors();
  for (const std::size_t size : {std::size_t{2}, std::size_t{4}}) {
    ASSERT_TRUE(send_with_descriptors(here_.get(), kMessage, std::array{here_.get(), there_.get()}));
    std::vector<std::byte> got(size);
    EXPECT_FALSE(receive_with_descriptors(there_.get(), got)) << size;
    EXPECT_EQ(open_descriptors(), before);
  }
}

TEST_F(DescriptorPassing, AClosedEndIsLost) {
  here_.reset();
  std::array<std::byte, 3> got{};
  auto descriptors = receive_with_descriptors(there_.get(), got);
  ASSERT_FALSE(descriptors);
  EXPECT_EQ(descriptors.error().kind, ErrorKind::kLost);
}

TEST_F(DescriptorPassing, MoreDescriptorsThanFitAreRefused) {
  const std::vector<int> many(kMaxPassedDescriptors + 1, here_.get());
  EXPECT_FALSE(send_with_descriptors(here_.get(), kMessage, many));
}

}  // namespace
}  // namespace coffer
