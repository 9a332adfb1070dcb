# mprotect inside holds for the processor, not for system calls only: what the program may not write, it cannot write.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
compile program <<'SOURCE'
#include <sys/mman.h>
#include <unistd.h>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
// Read-only after relocation: the address of another object has to be put in first.
static int target = 7;
extern "C" __attribute__((section(".data.rel.ro"), used)) int* const relocated = &target;
int main(int, char** arguments) {
  const std::string what = arguments[1];
  constexpr std::size_t kPage = 4096;
  auto* pages = static_cast<volatile char*>(mmap(nullptr, 4 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (pages == MAP_FAILED) return 90;
  for (std::size_t i = 0; i < 4 * kPage; i += kPage) pages[i] = 'a';
  void* second = const_cast<char*>(pages) + kPage;
  if (what == "relro") {
    *const_cast<int**>(&relocated) = nullptr;
    return 91;
  }
  if (mprotect(second, kPage, what == "none" ? PROT_NONE : PROT_READ) != 0) return 92;
  if (what == "write") pages[kPage] = 'b';
  if (what == "none") return pages[kPage];
  if (what == "neighbours") pages[0] = pages[2 * kPage] = 'b';
  if (what == "system call") {
    int ends[2];
    if (pipe(ends) != 0 || write(ends[1], "x", 1) != 1) return 93;
    if (read(ends[0], second, 1) != -1 || errno != EFAULT) return 94;
  }
  if (pages[kPage] != 'a') return 95;
  if (mprotect(second, kPage, PROT_READ | PROT_WRITE) != 0) return 96;
  pages[kPage] = 'c';
  if (munmap(const_cast<char*>(pages), 4 * kPage) != 0) return 97;
  // Pages that were used before are guards like any other.
  auto* guard = static_cast<volatile char*>(mmap(const_cast<char*>(pages), 4 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
  if (guard != pages) return 98;
  if (what == "guard") guard[0] = 'x';
  if (mprotect(const_cast<char*>(guard), 4 * kPage, PROT_READ | PROT_WRITE) != 0) return 99;
  std::puts(guard[0] == 0 && guard[kPage] == 0 ? "zeroed" : "not zeroed");
}
SOURCE
sign program --debug
for what in relro write none neighbours 'system call' guard; do
  outside=0
  ./program "$what" >outside.txt 2>/dev/null || outside=$?
  for rung in process inline; do
    expect_status "$outside" "$COFFER" run --rung "$rung" program.enclave -- "$what"
    diff -q outside.txt out.txt >/dev/null || fail "$what on $rung: $(cat out.txt)"
  done
done
