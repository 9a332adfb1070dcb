// Files that are mapped shared, over the real file layer and ordinary memory.
#include "enclave/kernel/fs/shared_mappings.h"

#include <sys/mman.h>

#include <cstring>
#include <string>

#include "enclave/kernel/testing/file_fixture.h"

namespace coffer::kernel::fs {
namespace {

using kernel::testing::call;

constexpr std::uint64_t kPage = 4096;

class HostMemory final : public MappingMemory {
 public:
  std::uint64_t reserve(std::size_t size) override {
    void* made = ::mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made == MAP_FAILED) return 0;
    reserved += size;
    return reinterpret_cast<std::uint64_t>(made);
  }
  Expected<void> reserve_at(std::uint64_t address, std::size_t size, bool replace) override {
    const int fixed = replace ? MAP_FIXED : MAP_FIXED_NOREPLACE;
    void* made = ::mmap(reinterpret_cast<void*>(address), size, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed, -1, 0);
    if (made == MAP_FAILED) return error(errno);
    reserved += size;
    return {};
  }
  void release(std::uint64_t address, std::size_t size) override {
    EXPECT_EQ(::munmap(reinterpret_cast<void*>(address), size), 0);
    reserved -= size;
  }
  void empty(std::uint64_t address, std::size_t size) override {
    EXPECT_EQ(::madvise(reinterpret_cast<void*>(address), size, MADV_DONTNEED), 0);
    EXPECT_EQ(::mprotect(reinterpret_cast<void*>(address), size, PROT_NONE), 0);
    ++emptied;
  }
  bool protect(std::uint64_t address, std::size_t size, int protection) override {
    return !refuses && ::mprotect(reinterpret_cast<void*>(address), size, protection) == 0;
  }
  bool prepare(std::uint64_t, std::size_t, bool write) override { return !write || !read_only; }

  std::size_t reserved = 0, emptied = 0;
  bool refuses = false, read_only = false;
};

// Parameter: on a plain mount, and in memory.
class SharedMappingTest : public kernel::testing::FileTest, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    FileTest::SetUp();
    use_mapping_memory(&memory_);
  }
  void TearDown() override {
    EXPECT_FALSE(has_shared_mappings()) << "a test leaves a mapping behind";
    use_mapping_memory(nullptr);
    FileTest::TearDown();
  }
  std::string path(const std::string& name) const { return std::string(GetParam()) + name; }
  std::int64_t make(const std::string& name, std::string_view text) const {
    EXPECT_EQ(store(path(name).c_str(), text), static_cast<std::int64_t>(text.size()));
    return open(path(name).c_str(), O_RDWR);
  }
  static Ref<Description> description(std::int64_t number) { return files().descriptors.get(number).value(); }
  static char* map(std::int64_t number, std::uint64_t offset, std::uint64_t length,
                   int protection = PROT_READ | PROT_WRITE) {
    const auto mapped = map_shared(*description(number), offset, length, protection);
    EXPECT_TRUE(mapped.has_value()) << mapped.error();
    return reinterpret_cast<char*>(mapped.value_or(0));
  }
  static int map_error(std::int64_t number, std::uint64_t offset, std::uint64_t length, int protection) {
    const auto mapped = map_shared(*description(number), offset, length, protection);
    return mapped ? 0 : mapped.error();
  }
  static std::uint64_t at(const void* pointer) { return reinterpret_cast<std::uint64_t>(pointer); }
  HostMemory memory_;
};

TEST_P(SharedMappingTest, WritesReachTheFileAtSyncAndUnmap) {
  const auto fd = make("file", "hello world");
  char* bytes = map(fd, 0, 11);
  EXPECT_EQ(std::string_view(bytes, 11), "hello world");
  EXPECT_EQ(bytes[11], 0);
  bytes[0] = 'H';
  ASSERT_TRUE(sync_shared(at(bytes), 11, true));
  EXPECT_EQ(content(path("file").c_str()), "Hello world");
  bytes[6] = 'W';
  bytes[11] = '!';  // behind the end: nowhere
  EXPECT_EQ(call(SYS_close, fd), 0);
  unmap_shared(at(bytes), 11);
  EXPECT_EQ(content(path("file").c_str()), "Hello World");
  EXPECT_EQ(memory_.reserved, 0u);
}

TEST_P(SharedMappingTest, ReadAndWriteSeeAndChangeTheMapping) {
  const auto fd = make("file", std::string(10'000, 'a'));
  const auto other = open(path("file").c_str(), O_RDWR);
  char* bytes = map(fd, 0, 10'000);
  bytes[5000] = 'b';
  char one = 0;
  EXPECT_EQ(call(SYS_pread64, other, &one, 1, 5000), 1);
  EXPECT_EQ(one, 'b');
  bytes[4999] = 'c';  // on the page that is written to
  EXPECT_EQ(call(SYS_pwrite64, other, "xyz", 3, 5001), 3);
  EXPECT_EQ(std::string_view(bytes + 4998, 7), "acbxyza");
  EXPECT_EQ(call(SYS_lseek, other, 8190, SEEK_SET), 8190);
  EXPECT_EQ(call(SYS_write, other, "1234", 4), 4);  // over the pages' border
  EXPECT_EQ(std::string_view(bytes + 8190, 4), "1234");
  EXPECT_EQ(call(SYS_fsync, other), 0);
  unmap_shared(at(bytes), 10'000);
  std::string expected(10'000, 'a');
  expected.replace(4999, 5, "cbxyz").replace(8190, 4, "1234");
  EXPECT_EQ(content(path("file").c_str()), expected);
}

TEST_P(SharedMappingTest, AppendsAndTruncationsShow) {
  const auto fd = make("file", "begin");
  const auto appends = open(path("file").c_str(), O_WRONLY | O_APPEND);
  char* bytes = map(fd, 0, 3 * kPage);
  bytes[0] = 'B';
  EXPECT_EQ(call(SYS_write, appends, " end", 4), 4);
  EXPECT_EQ(std::string_view(bytes, 9), "Begin end");
  EXPECT_EQ(call(SYS_ftruncate, fd, 2), 0);
  EXPECT_EQ(std::string(bytes, 9), std::string("Be\0\0\0\0\0\0\0", 9));
  EXPECT_EQ(call(SYS_ftruncate, fd, 2 * kPage + 3), 0);
  bytes[2 * kPage] = 'x';
  bytes[2 * kPage + 5] = 'y';
  const auto emptied = open(path("file").c_str(), O_WRONLY | O_TRUNC);
  EXPECT_EQ(bytes[0], 0);
  EXPECT_EQ(bytes[2 * kPage], 0);
  EXPECT_EQ(call(SYS_pwrite64, emptied, "z", 1, kPage), 1);
  EXPECT_EQ(bytes[kPage], 'z');
  unmap_shared(at(bytes), 3 * kPage);
  EXPECT_EQ(content(path("file").c_str()), std::string(kPage, '\0') + "z");
}

TEST_P(SharedMappingTest, MappingsOfOneFileAreOneMemory) {
  const auto fd = make("file", std::string(4 * kPage, '.'));
  const auto other = open(path("file").c_str(), O_RDWR);
  char* whole = map(fd, 0, 4 * kPage);
  char* part = map(other, kPage, 2 * kPage);
  EXPECT_EQ(part, whole + kPage);
  part[0] = '1';
  EXPECT_EQ(whole[kPage], '1');
  unmap_shared(at(whole), 4 * kPage);
  EXPECT_EQ(part[0], '1') << "the other mapping stays";
  EXPECT_GT(memory_.emptied, 0u) << "what only the first had is gone";
  part[kPage] = '2';
  unmap_shared(at(part), 2 * kPage);
  std::string expected(4 * kPage, '.');
  expected[kPage] = '1';
  expected[2 * kPage] = '2';
  EXPECT_EQ(content(path("file").c_str()), expected);
}

TEST_P(SharedMappingTest, AFileThatGrowsIsMappedPieceByPiece) {
  const auto fd = make("file", "");
  std::vector<char*> pieces;
  for (std::uint64_t i = 0; i < 20; ++i) {
    ASSERT_EQ(call(SYS_ftruncate, fd, (i + 1) * 8 * kPage), 0);
    pieces.push_back(map(fd, i * 8 * kPage, 8 * kPage));
    pieces.back()[100] = static_cast<char>('a' + i);
  }
  EXPECT_EQ(pieces[1], pieces[0] + 8 * kPage);
  char one = 0;
  for (std::uint64_t i = 0; i < 20; ++i) {
    EXPECT_EQ(call(SYS_pread64, fd, &one, 1, i * 8 * kPage + 100), 1);
    EXPECT_EQ(one, static_cast<char>('a' + i));
  }
  for (char* piece : pieces) unmap_shared(at(piece), 8 * kPage);
}

TEST_P(SharedMappingTest, FarPartsOfAFileHavePlacesOfTheirOwn) {
  const auto fd = make("file", "x");
  constexpr std::uint64_t kFar = std::uint64_t{1} << 32;
  ASSERT_EQ(call(SYS_ftruncate, fd, 8192), 0);
  char* near = map(fd, 0, kPage);
  char* far = map(fd, kFar, kPage);  // nothing of it is in the file
  EXPECT_NE(near, far);
  far[0] = 'f';
  near[1] = 'n';
  EXPECT_EQ(map_error(fd, kFar - 8 * kPage, 16 * kPage, PROT_READ), ENOMEM) << "partly at a place of its own";
  unmap_shared(at(far), kPage);
  unmap_shared(at(near), kPage);
  char two[2];
  EXPECT_EQ(call(SYS_pread64, fd, two, 2, 0), 2);
  EXPECT_EQ(std::string_view(two, 2), "xn");
}

TEST_P(SharedMappingTest, AMappingStandsWhereTheProgramWantsIt) {
  const auto fd = make("file", std::string(4 * kPage, 'a'));
  const auto second = make("second", std::string(2 * kPage, 'b'));
  const std::uint64_t room = memory_.reserve(16 * kPage);
  const auto map_at = [&](std::int64_t number, std::uint64_t page, std::uint64_t pages, std::uint64_t place,
                          bool replace) {
    const auto mapped = map_shared(*description(number), page * kPage, pages * kPage, PROT_READ | PROT_WRITE,
                                   FixedPlace{room + place * kPage, replace});
    return mapped ? static_cast<std::int64_t>((*mapped - room) / kPage) : -mapped.error();
  };
  const auto byte = [&](std::uint64_t page) { return reinterpret_cast<char*>(room + page * kPage); };
  EXPECT_EQ(map_at(fd, 0, 2, 4, false), -EEXIST) << "the room is there";
  EXPECT_EQ(map_at(fd, 0, 2, 4, true), 4);
  EXPECT_EQ(*byte(4), 'a');
  *byte(5) = 'c';
  // It grows at its place, as databases do; what was written before is not lost.
  EXPECT_EQ(map_at(fd, 0, 4, 4, true), 4);
  EXPECT_EQ(*byte(5), 'c');
  *byte(7) = 'd';
  EXPECT_EQ(map_at(fd, 1, 1, 5, true), 5) << "a part of it at its own place";
  EXPECT_EQ(*byte(5), 'c');
  EXPECT_EQ(map_at(fd, 1, 1, 5, false), -EEXIST);
  EXPECT_EQ(map_at(fd, 1, 1, 10, true), -ENOMEM) << "a page has one address";
  EXPECT_EQ(map_at(second, 0, 2, 7, true), -ENOMEM) << "half of the other file's place";
  EXPECT_EQ(*byte(7), 'd');
  EXPECT_EQ(map_at(fd, 0, 1, 0, true), -ENOMEM);
  EXPECT_FALSE(give_way(room + 6 * kPage, 4 * kPage));
  // Another file in the whole of its place.
  EXPECT_EQ(map_at(second, 0, 4, 4, true), 4);
  EXPECT_EQ(*byte(5), 'b');
  char one = 0;
  EXPECT_EQ(call(SYS_pread64, fd, &one, 1, 3 * kPage), 1);
  EXPECT_EQ(one, 'd');
  *byte(5) = 'e';
  EXPECT_TRUE(give_way(room, 16 * kPage));
  EXPECT_FALSE(has_shared_mappings());
  EXPECT_EQ(call(SYS_pread64, second, &one, 1, kPage), 1);
  EXPECT_EQ(one, 'e');
  memory_.release(room, 16 * kPage);
}

TEST_P(SharedMappingTest, RightsAreTheDescriptors) {
  make("file", "content");
  const auto reads = open(path("file").c_str(), O_RDONLY);
  const auto writes = open(path("file").c_str(), O_WRONLY);
  EXPECT_EQ(map_error(reads, 0, 7, PROT_READ | PROT_WRITE), EACCES);
  EXPECT_EQ(map_error(writes, 0, 7, PROT_WRITE), EACCES);
  EXPECT_EQ(map_error(reads, 0, 7, PROT_READ | PROT_EXEC), EACCES);
  EXPECT_EQ(map_error(reads, 0, 0, PROT_READ), EINVAL);
  EXPECT_EQ(map_error(reads, 100, 7, PROT_READ), EINVAL);
  EXPECT_EQ(map_error(reads, ~std::uint64_t{0} - 4095, 7, PROT_READ), EOVERFLOW);
  EXPECT_EQ(map_error(open(GetParam()), 0, 7, PROT_READ), ENODEV) << "a directory";
  EXPECT_EQ(map_error(0, 0, 7, PROT_READ), ENODEV) << "a stream";
  char* bytes = map(reads, 0, 7, PROT_READ);
  EXPECT_EQ(protect_shared(at(bytes), 7, PROT_READ | PROT_WRITE).error(), EACCES);
  const auto both = open(path("file").c_str(), O_RDWR);
  char* again = map(both, 0, 7);
  EXPECT_EQ(again, bytes);
  again[0] = 'C';
  unmap_shared(at(again), 7);
  unmap_shared(at(bytes), 7);
  EXPECT_EQ(content(path("file").c_str()), "Content");
}

TEST_P(SharedMappingTest, ProtectionsComeAndGo) {
  const auto fd = make("file", "content");
  char* bytes = map(fd, 0, 7);
  bytes[0] = 'C';
  ASSERT_TRUE(protect_shared(at(bytes), kPage, PROT_READ));
  EXPECT_EQ(content(path("file").c_str()), "Content");
  memory_.read_only = true;
  EXPECT_EQ(call(SYS_pwrite64, fd, "K", 1, 0), 1);
  EXPECT_EQ(bytes[0], 'K');
  memory_.read_only = false;
  memory_.refuses = true;
  EXPECT_EQ(protect_shared(at(bytes), kPage, PROT_READ | PROT_WRITE).error(), ENOMEM);
  EXPECT_EQ(map_error(fd, kPage, 10, PROT_READ | PROT_WRITE), ENOMEM);
  memory_.refuses = false;
  unmap_shared(at(bytes), 7);
}

TEST_P(SharedMappingTest, ExitWritesBack) {
  const auto fd = make("file", "content");
  char* bytes = map(fd, 0, 7);
  bytes[0] = 'C';
  call(SYS_close, fd);
  sync_all_files();
  EXPECT_EQ(content(path("file").c_str()), "Content");
  unmap_shared(at(bytes), 7);
}

INSTANTIATE_TEST_SUITE_P(Mounts, SharedMappingTest, ::testing::Values("/data/", "/tmp/"),
                         [](const auto& given) { return given.param == std::string("/data/") ? "Plain" : "Memory"; });

}  // namespace
}  // namespace coffer::kernel::fs
