# Files that are mapped shared and written: the contents reach the file at msync, munmap and exit, and read() and write() of
# the same file agree with them, on every kind of mount, inside as outside.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
compile mapper <<'SOURCE'
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
static int failures = 0;
static void check(bool good, const char* what) {
  if (!good) {
    std::printf("wrong: %s (errno %d)\n", what, errno);
    ++failures;
  }
}
static char* map(int file, std::size_t offset, std::size_t size, int protection = PROT_READ | PROT_WRITE) {
  void* made = mmap(nullptr, size, protection, MAP_SHARED, file, static_cast<off_t>(offset));
  if (made == MAP_FAILED) {
    std::printf("no mapping: %s\n", std::strerror(errno));
    std::exit(1);
  }
  return static_cast<char*>(made);
}
int main(int, char** argv) {
  const std::string path = std::string(argv[1]) + "/file";
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
  check(ftruncate(file, 100'000) == 0, "ftruncate");
  char* bytes = map(file, 0, 100'000);
  std::strcpy(bytes, "from the mapping");
  bytes[99'999] = 'e';
  char text[64] = {};
  check(pread(file, text, 16, 0) == 16 && std::strcmp(text, "from the mapping") == 0, "pread sees the mapping");
  check(pwrite(file, "by a call", 9, 50'000) == 9 && std::memcmp(bytes + 50'000, "by a call", 9) == 0,
        "the mapping sees pwrite");
  const int second = open(path.c_str(), O_RDWR);
  char* other = map(second, 4096, 8192);
  bytes[5000] = 'x';
  check(other[5000 - 4096] == 'x', "another mapping sees the first");
  other[0] = 'y';
  check(bytes[4096] == 'y', "the first sees the other");
  check(msync(bytes, 100'000, MS_SYNC) == 0, "msync");
  check(munmap(other, 8192) == 0, "munmap of one");
  check(bytes[4096] == 'y', "the first stays");
  check(madvise(bytes, 98'304, MADV_DONTNEED) == 0 && bytes[4096] == 'y', "MADV_DONTNEED of a file loses nothing");
  check(mprotect(bytes, 98'304, PROT_READ) == 0 && bytes[0] == 'f', "mprotect");
  check(mprotect(bytes, 98'304, PROT_READ | PROT_WRITE) == 0, "mprotect back");
  bytes[1] = 'R';
  check(munmap(bytes, 100'000) == 0, "munmap");
  check(pread(file, text, 4, 0) == 4 && std::memcmp(text, "fRom", 4) == 0, "munmap wrote back");
  // Grows, piece by piece, as a database does.
  for (int i = 0; i < 8; ++i) {
    check(ftruncate(file, (i + 1) * 32'768) == 0, "growing");
    char* piece = map(file, static_cast<std::size_t>(i) * 32'768, 32'768);
    piece[7] = static_cast<char>('0' + i);
  }
  const int reads = open(path.c_str(), O_RDONLY);
  errno = 0;
  check(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, reads, 0) == MAP_FAILED && errno == EACCES, "EACCES");
  const char* seen = map(reads, 0, 4096, PROT_READ);
  check(seen[7] == '0', "a mapping to read sees the one to write");
  // At an address of the program's own: room first, then the file in it, and more of it as it grows.
  const int grows = open((path + ".grows").c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
  char* room = static_cast<char*>(mmap(nullptr, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  for (std::size_t size = 16'384; size <= 65'536; size *= 2) {
    check(ftruncate(grows, static_cast<off_t>(size)) == 0, "growing");
    check(mmap(room, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, grows, 0) == room, "MAP_FIXED");
    room[size - 1] = 'g';
    check(size == 16'384 || room[size / 2 - 1] == 'g', "the part before is there");
  }
  check(pread(grows, text, 1, 32'767) == 1 && text[0] == 'g', "pread sees the fixed mapping");
  check(mmap(room, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == room && room[0] == 0,
        "memory in its place");
  check(pread(grows, text, 1, 65'535) == 1 && text[0] == 'g', "what was replaced was written back");
  close(grows);
  unlink((path + ".grows").c_str());
  close(file);
  close(second);
  std::puts(failures == 0 ? "all right" : "failed");
  return failures;  // what the pieces hold is written at exit
}
SOURCE
compile looker <<'SOURCE'
#include <cstdio>
#include <string>
int main(int, char** argv) {
  std::FILE* file = std::fopen((std::string(argv[1]) + "/file").c_str(), "rb");
  if (file == nullptr) return 1;
  for (int i = 0; i < 8; ++i) {
    std::fseek(file, i * 32768 + 7, SEEK_SET);
    std::putchar(std::fgetc(file));
  }
  std::fseek(file, 1, SEEK_SET);
  std::putchar(std::fgetc(file));
  std::putchar('\n');
}
SOURCE
config() {
  cat >"$1.toml" <<TOML
name = "$1"
heap_max = "32M"
[[mounts]]
path = "/plain"
kind = "plain"
[[mounts]]
path = "/sealed"
kind = "encrypted"
key = "mrsigner"
TOML
}
for program in mapper looker; do
  config $program
  sign $program --config $program.toml
done
mkdir outside plain sealed
expect_status 0 ./mapper outside
expect_output 'all right'
for mount in plain sealed; do
  expect_status 0 "$COFFER" run mapper.enclave --mount plain:/plain --mount sealed:/sealed -- /$mount
  expect_output 'all right'
  expect_status 0 "$COFFER" run looker.enclave --mount plain:/plain --mount sealed:/sealed -- /$mount
  expect_output 01234567R
done
cmp outside/file plain/file || fail 'the file is another than a run outside leaves'
expect_status 0 "$COFFER" run mapper.enclave --mount plain:/plain --mount sealed:/sealed -- /dev/shm
expect_output 'all right'
