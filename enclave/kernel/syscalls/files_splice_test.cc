// splice, tee and vmsplice: what an application sees.
#include <gtest/gtest.h>
#include <sys/uio.h>

#include <thread>

#include "enclave/kernel/fs/pipe.h"
#include "enclave/kernel/testing/file_fixture.h"

namespace coffer::kernel {
namespace {

using testing::call;

class Splices : public testing::FileTest {
 protected:
  struct Ends {
    int reader = -1, writer = -1;
  };
  static Ends pipe(int flags = 0) {
    int ends[2] = {};
    EXPECT_EQ(call(SYS_pipe2, ends, flags), 0);
    return {ends[0], ends[1]};
  }
  static std::int64_t splice(std::int64_t from, std::int64_t to, std::size_t length, unsigned flags = 0) {
    return call(SYS_splice, from, nullptr, to, nullptr, length, flags);
  }
  static std::string taken(int reader, std::size_t length) {
    std::string text(length, '?');
    const auto count = call(SYS_read, reader, text.data(), length);
    return count < 0 ? "error " + std::to_string(-count) : text.substr(0, static_cast<std::size_t>(count));
  }
};

TEST_F(Splices, FilesGoThroughPipesToFiles) {
  std::string all;
  while (all.size() < 300'000) all += std::to_string(all.size()) + ' ';
  ASSERT_EQ(store("/data/from", all), static_cast<std::int64_t>(all.size()));
  const auto from = open("/data/from");
  const auto to = open("/tmp/to", O_CREAT | O_RDWR);
  const Ends ends = pipe();
  for (std::size_t done = 0; done < all.size();) {
    const auto in = splice(from, ends.writer, all.size());
    ASSERT_GT(in, 0);
    ASSERT_LE(in, static_cast<std::int64_t>(fs::kPipeCapacity));
    ASSERT_EQ(splice(ends.reader, to, all.size()), in);
    done += static_cast<std::size_t>(in);
  }
  EXPECT_EQ(splice(from, ends.writer, 10), 0);  // the end of the file
  EXPECT_EQ(content("/tmp/to"), all);
}

TEST_F(Splices, OffsetsMoveAndPositionsStay) {
  ASSERT_EQ(store("/data/from", "0123456789"), 10);
  const auto from = open("/data/from");
  const auto to = open("/tmp/to", O_CREAT | O_RDWR);
  const Ends ends = pipe();
  std::int64_t in = 3;
  EXPECT_EQ(call(SYS_splice, from, &in, ends.writer, nullptr, 4, 0), 4);
  EXPECT_EQ(in, 7);
  EXPECT_EQ(call(SYS_lseek, from, 0, SEEK_CUR), 0);
  std::int64_t out = 2;
  EXPECT_EQ(call(SYS_splice, ends.reader, nullptr, to, &out, 100, 0), 4);
  EXPECT_EQ(out, 6);
  EXPECT_EQ(content("/tmp/to"), std::string("\0\0003456", 6));
  EXPECT_EQ(call(SYS_splice, from, nullptr, ends.writer, &out, 1, 0), -ESPIPE);
}

TEST_F(Splices, WhatCannotBePassedOnStaysInThePipe) {
  const Ends ends = pipe();
  ASSERT_EQ(call(SYS_write, ends.writer, "precious", 8), 8);
  const auto reading = open("/image/measured");
  EXPECT_EQ(splice(ends.reader, reading, 8), -EBADF);
  std::int64_t far = std::int64_t{1} << 50;
  const auto file = open("/tmp/file", O_CREAT | O_RDWR);
  EXPECT_EQ(call(SYS_splice, ends.reader, nullptr, file, &far, 8, 0), -EFBIG);
  EXPECT_EQ(call(SYS_write, ends.writer, " words", 6), 6);
  EXPECT_EQ(taken(ends.reader, 3), "pre");
  EXPECT_EQ(taken(ends.reader, 100), "cious words");
  const Ends full = pipe();
  const std::string filling(fs::kPipeCapacity - 3, 'x');
  ASSERT_EQ(call(SYS_write, full.writer, filling.data(), filling.size()), static_cast<std::int64_t>(filling.size()));
  ASSERT_EQ(call(SYS_write, ends.writer, "12345", 5), 5);
  EXPECT_EQ(splice(ends.reader, full.writer, 5, SPLICE_F_NONBLOCK), 3);
  EXPECT_EQ(splice(ends.reader, full.writer, 5, SPLICE_F_NONBLOCK), -EAGAIN);
  EXPECT_EQ(taken(ends.reader, 100), "45");
}

TEST_F(Splices, TeeLeavesWhatItCopies) {
  const Ends from = pipe();
  const Ends to = pipe();
  ASSERT_EQ(call(SYS_write, from.writer, "twice", 5), 5);
  EXPECT_EQ(call(SYS_tee, from.reader, to.writer, 100, 0), 5);
  EXPECT_EQ(call(SYS_tee, from.reader, to.writer, 2, 0), 2);
  EXPECT_EQ(taken(to.reader, 100), "twicetw");
  EXPECT_EQ(taken(from.reader, 100), "twice");
  EXPECT_EQ(call(SYS_tee, from.reader, to.writer, 100, SPLICE_F_NONBLOCK), -EAGAIN);
  call(SYS_close, from.writer);
  EXPECT_EQ(call(SYS_tee, from.reader, to.writer, 100, 0), 0);
}

TEST_F(Splices, MemoryGoesIntoPipesAndOut) {
  const Ends ends = pipe();
  char first[] = "first ";
  char second[] = "second";
  const iovec pieces[2] = {{first, 6}, {second, 6}};
  EXPECT_EQ(call(SYS_vmsplice, ends.writer, pieces, 2, SPLICE_F_GIFT), 12);
  char a[7] = {};
  char b[100] = {};
  const iovec rooms[2] = {{a, 6}, {b, 99}};
  EXPECT_EQ(call(SYS_vmsplice, ends.reader, rooms, 2, 0), 12);
  EXPECT_STREQ(a, "first ");
  EXPECT_STREQ(b, "second");
  EXPECT_EQ(call(SYS_vmsplice, ends.reader, rooms, 2, SPLICE_F_NONBLOCK), -EAGAIN);
}

TEST_F(Splices, WrongArgumentsAreRefused) {
  const Ends ends = pipe();
  const auto file = open("/tmp/file", O_CREAT | O_RDWR);
  const auto appending = open("/tmp/file", O_WRONLY | O_APPEND);
  EXPECT_EQ(splice(file, file, 1), -EINVAL);
  EXPECT_EQ(splice(ends.reader, ends.writer, 1), -EINVAL);
  EXPECT_EQ(splice(ends.reader, file, 1, 16), -EINVAL);
  EXPECT_EQ(splice(ends.writer, file, 1), -EBADF);
  EXPECT_EQ(splice(file, ends.reader, 1), -EBADF);
  EXPECT_EQ(splice(99, file, 1), -EBADF);
  EXPECT_EQ(splice(ends.reader, appending, 1), -EINVAL);
  EXPECT_EQ(splice(ends.reader, file, 0), 0);
  EXPECT_EQ(call(SYS_splice, file, 16, ends.writer, nullptr, 1, 0), -EFAULT);
  EXPECT_EQ(call(SYS_tee, ends.reader, ends.writer, 1, 0), -EINVAL);
  EXPECT_EQ(call(SYS_tee, file, ends.writer, 1, 0), -EINVAL);
  EXPECT_EQ(call(SYS_vmsplice, file, nullptr, 0, 0), -EBADF);
  call(SYS_close, ends.reader);
  EXPECT_EQ(splice(file, ends.writer, 1), -EPIPE);
}

TEST_F(Splices, WaitsForWhoReadsAndWhoWrites) {
  const Ends ends = pipe();
  const auto to = open("/tmp/to", O_CREAT | O_RDWR);
  std::string all(1'000'000, 'y');
  std::thread writer([&] {
    for (std::size_t done = 0; done < all.size();) {
      const auto count = call(SYS_write, ends.writer, all.data() + done, all.size() - done);
      ASSERT_GT(count, 0);
      done += static_cast<std::size_t>(count);
    }
    call(SYS_close, ends.writer);
  });
  std::int64_t moved = 0;
  while ((moved = splice(ends.reader, to, all.size())) > 0) {
  }
  writer.join();
  EXPECT_EQ(moved, 0);
  EXPECT_EQ(content("/tmp/to"), all);
}

}  // namespace
}  // namespace coffer::kernel
