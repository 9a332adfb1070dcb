#include "enclave/kernel/fs/received_stream.h"

#include <errno.h>
#include <gtest/gtest.h>

#include <string>

namespace coffer::kernel::fs {
namespace {

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string take(ReceivedStream& stream, std::size_t room = 100, bool peek = false) {
  std::string text(room, '\0');
  text.resize(stream.take(std::as_writable_bytes(std::span(text)), peek));
  return text;
}

TEST(ReceivedStream, PiecesComeOutInTheOrderOfTheirPlaces) {
  ReceivedStream stream;
  EXPECT_TRUE(stream.add(6, bytes("ghi")));
  EXPECT_TRUE(stream.add(3, bytes("def")));
  EXPECT_EQ(take(stream), "");
  EXPECT_FALSE(stream.reaches(3));
  EXPECT_TRUE(stream.add(0, bytes("abc")));
  EXPECT_TRUE(stream.reaches(9));
  EXPECT_EQ(take(stream, 4, true), "abcd");
  EXPECT_EQ(take(stream, 4), "abcd");
  EXPECT_FALSE(stream.has_given(9));
  EXPECT_EQ(take(stream), "efghi");
  EXPECT_TRUE(stream.has_given(9));
}

TEST(ReceivedStream, APieceThatIsNextNeedNotComeIn) {
  ReceivedStream stream;
  EXPECT_TRUE(stream.pass(0, 5));
  EXPECT_FALSE(stream.pass(0, 5));
  EXPECT_FALSE(stream.pass(6, 1));
  EXPECT_TRUE(stream.add(8, bytes("later")));
  EXPECT_TRUE(stream.pass(5, 3));
  EXPECT_EQ(take(stream), "later");
  EXPECT_TRUE(stream.add(13, bytes("x")));
  EXPECT_FALSE(stream.pass(14, 1));  // something waits before it
}

TEST(ReceivedStream, WhatDoesNotFitBreaksIt) {
  for (const std::uint64_t offset : {std::uint64_t{2}, ~std::uint64_t{0}, ReceivedStream::kMost + 100}) {
    ReceivedStream stream;
    EXPECT_TRUE(stream.add(0, bytes("abc")));
    EXPECT_EQ(stream.add(offset, bytes("d")).error(), EIO) << offset;
    EXPECT_TRUE(stream.broken());
    EXPECT_EQ(stream.add(3, bytes("d")).error(), EIO);
    EXPECT_FALSE(stream.pass(3, 1));
  }
  ReceivedStream overlapping;
  EXPECT_TRUE(overlapping.add(2, bytes("cd")));
  EXPECT_EQ(overlapping.add(0, bytes("abc")).error(), EIO);
}

TEST(ReceivedStream, HoldsNoMoreThanItsLimit) {
  ReceivedStream stream;
  const std::string piece(ReceivedStream::kMost / 4, 'x');
  for (std::uint64_t i = 0; i < 4; ++i) EXPECT_TRUE(stream.add(i * piece.size(), bytes(piece)));
  EXPECT_EQ(stream.available(), ReceivedStream::kMost);
  EXPECT_EQ(stream.add(4 * piece.size(), bytes("y")).error(), EIO);
}

}  // namespace
}  // namespace coffer::kernel::fs
