# SANITIZE of coffer_add_enclave: a project builds against an installation, each kind of memory error is found on both
# rungs and named with its function, leaks are found and what is still reachable is not, a program without errors says
# what it said without, and a production image with the checks is refused.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cmake --install "$COFFER_BUILD" --prefix "$PWD/prefix" >install.txt 2>&1 || fail "$(tail -5 install.txt)"
COFFER=$PWD/prefix/bin/coffer
unset COFFER_LIBEXEC COFFER_RUNG COFFER_SYMBOLS

mkdir project
cat >project/bugs.h <<'SOURCE'
#pragma once
#include <cstddef>
int do_what(const char* what);  // "clean", or the name of a bug
SOURCE
cat >project/bugs.cc <<'SOURCE'
#include "bugs.h"

#include <pthread.h>

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#define APART __attribute__((noinline))
namespace {
volatile int zero = 0;
int table[10] = {1, 2, 3};
void* kept;
struct Node {
  Node* next;
};
struct Shape {
  virtual ~Shape() = default;
};
void hide(void* memory) { asm volatile("" : : "r"(memory) : "memory"); }
char* fresh(int size) {
  auto* memory = static_cast<char*>(std::malloc(static_cast<std::size_t>(size + zero)));
  hide(memory);
  return memory;
}

APART int heap_read(int at) {
  int* values = new int[10]();
  hide(values);
  const int value = values[at];
  delete[] values;
  return value;
}
APART void heap_write(int at) {
  char* memory = fresh(13);
  memory[at] = 1;
  hide(memory);
  std::free(memory);
}
APART int after_free() {
  int* value = new int(4);
  hide(value);
  delete value;
  hide(value);
  return *value;
}
APART int stack_read(int at) {
  int values[5];
  std::iota(values, values + 5, zero);
  hide(values);
  return values[at];
}
APART int out_of_scope() {
  int* gone = nullptr;
  {
    int value = 3 + zero;
    gone = &value;
    hide(gone);
  }
  return *gone;
}
APART int variable_array(int size) {
  char values[size];
  std::memset(values, 1, static_cast<std::size_t>(size));
  hide(values);
  return values[size];
}
APART int global_read(int at) { return table[at]; }
APART void free_twice() {
  char* memory = fresh(5);
  std::free(memory);
  hide(memory);
  std::free(memory);
}
APART void free_inside() {
  char* memory = fresh(50) + 16;
  hide(memory);
  std::free(memory);
}
APART void free_other_way() {
  char* memory = new char[5];
  hide(memory);
  std::free(memory);
}
APART void copy_too_much(std::size_t size) {
  char* memory = fresh(5);
  const std::string text(size, 'x');
  std::strcpy(memory, text.c_str());
  hide(memory);
  std::free(memory);
}
APART int overflow(int value) { return value + 0x7fffffff; }
APART void lose(int size) {
  char* volatile memory = fresh(size);
  memory = nullptr;
}
APART void lose_ring() {
  auto* first = new Node{nullptr};
  first->next = new Node{first};
  hide(first);
}

// Nothing of what follows is an error.
APART void throw_from(int depth) {
  char local[100];
  std::memset(local, depth, sizeof local);
  hide(local);
  if (depth == 0) throw std::runtime_error(std::string(60, 'q'));
  throw_from(depth - 1);
}
APART int library_throws(int depth) {
  char local[64];
  std::memset(local, depth, sizeof local);
  hide(local);
  return depth == 0 ? std::stoi("no number") : library_throws(depth - 1) + local[3];
}
APART long use_stack() {
  char local[6000];
  std::memset(local, 1, sizeof local);
  hide(local);
  return std::accumulate(local, local + sizeof local, 0L);
}
std::jmp_buf back;
APART void jump(int depth) {
  char local[50];
  std::memset(local, depth, sizeof local);
  hide(local);
  if (depth == 0) std::longjmp(back, 1);
  jump(depth - 1);
}
void* stop_early(void*) {
  char local[200];
  std::memset(local, 1, sizeof local);
  hide(local);
  pthread_exit(nullptr);
}
APART long work(int rounds) {
  long sum = 0;
  std::map<int, std::string> words;
  for (int i = 0; i < rounds; ++i) {
    words[i % 97] += static_cast<char>('a' + i % 26);
    try {
      i % 2 == 0 ? throw_from(i % 20) : static_cast<void>(library_throws(i % 20));
    } catch (const std::exception& error) {
      sum += static_cast<long>(std::strlen(error.what()));
    }
    sum += use_stack();
  }
  for (const auto& [number, word] : words) sum += number * static_cast<long>(word.size());
  return sum;
}
APART int clean() {
  static std::mutex lock;
  long sum = 0;
  for (int round = 0; round < 3; ++round) {  // stacks are used again
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back([&sum, i] {
        const long part = work(150 + i);
        const std::scoped_lock guard(lock);
        sum += part;
      });
    }
    for (std::thread& thread : threads) thread.join();
    pthread_t thread;
    pthread_create(&thread, nullptr, stop_early, nullptr);
    pthread_join(thread, nullptr);
  }
  if (setjmp(back) == 0) jump(10);
  sum += use_stack();
  char* memory = static_cast<char*>(std::calloc(10, 10));
  memory = static_cast<char*>(std::realloc(memory, 1000));
  sum += memory[99];
  memory[999] = 1;
  std::free(memory);
  void* aligned = nullptr;
  if (posix_memalign(&aligned, 4096, 100) != 0) return 1;
  std::free(aligned);
  std::free(std::aligned_alloc(64, 128));
  delete new Shape;
  if (kept == nullptr) kept = std::make_unique<std::string>("still reachable at the end").release();
  std::printf("the sum is %ld\n", sum);
  std::fflush(stdout);
  return 0;
}
}  // namespace

int do_what(const char* what) {
  const std::string_view word(what);
  if (word == "clean") return clean();
  if (word == "heap_read") return heap_read(10 + zero);
  if (word == "heap_write") heap_write(13 + zero);
  if (word == "after_free") return after_free();
  if (word == "stack_read") return stack_read(5 + zero);
  if (word == "out_of_scope") return out_of_scope();
  if (word == "variable_array") return variable_array(40 + zero);
  if (word == "global_read") return global_read(10 + zero);
  if (word == "free_twice") free_twice();
  if (word == "free_inside") free_inside();
  if (word == "free_other_way") free_other_way();
  if (word == "copy_too_much") copy_too_much(5);
  if (word == "overflow") return overflow(5) == 0 ? 1 : 0;
  if (word == "lose") lose(77);
  if (word == "lose_ring") lose_ring();
  if (word == "in_thread") std::thread([] { heap_write(13 + zero); }).join();
  return 0;
}
SOURCE
cat >project/alone.cc <<'SOURCE'
#include "bugs.h"
int main(int argc, char** argv) { return do_what(argc > 1 ? argv[1] : "clean"); }
SOURCE
cat >project/parts.edl <<'SOURCE'
enclave {
    trusted {
        public int run([in, string] const char* what);
        public size_t leaked();
    };
};
SOURCE
cat >project/inside.cc <<'SOURCE'
#include <coffer/sanitizer.h>

#include <string>

#include "bugs.h"
#include "parts_enclave.h"

namespace parts {
int run(std::string_view what) { return do_what(std::string(what).c_str()); }
std::size_t leaked() { return coffer::check_for_leaks().value_or(12345); }
}  // namespace parts
SOURCE
cat >project/outside.cc <<'SOURCE'
#include <cstdio>
#include <thread>
#include <vector>

#include "parts_host.h"

// parts IMAGE WORD...: calls with each word; `leaked` asks for leaks, `both` makes two calls at once.
int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  const auto rung = coffer::rung_for_launch(true);
  auto enclave = coffer::Enclave::load(argv[1], {.rung = *rung});
  if (!enclave) return std::fprintf(stderr, "%s\n", enclave.error().message.c_str()), 2;
  if (auto started = enclave->start({}); !started) return 3;
  for (int i = 2; i < argc; ++i) {
    const std::string_view word(argv[i]);
    if (word == "leaked") {
      const auto leaked = parts::leaked(*enclave);
      if (!leaked) return 4;
      std::printf("%zu bytes\n", *leaked);
      continue;
    }
    if (word == "both") {
      std::thread other([&enclave] { (void)parts::run(*enclave, "clean"); });
      (void)parts::run(*enclave, "clean");
      other.join();
      continue;
    }
    const auto result = parts::run(*enclave, argv[i]);
    if (result) continue;
    std::printf("%s\n", result.error().message.c_str());
    const auto ended = enclave->wait();
    return ended ? ended->code : 5;
  }
}
SOURCE
cat >project/CMakeLists.txt <<'SOURCE'
cmake_minimum_required(VERSION 3.20)
project(sanitized LANGUAGES CXX)
set(CMAKE_CXX_STANDARD 23)
find_package(Coffer REQUIRED COMPONENTS host enclave)
set(key ${CMAKE_CURRENT_BINARY_DIR}/key.pem)

add_library(bugs STATIC bugs.cc)
target_compile_options(bugs PRIVATE -O1 -fPIE -Wno-pragmas)
coffer_sanitize_target(bugs address,undefined)

add_executable(alone alone.cc)
target_link_libraries(alone PRIVATE bugs Coffer::enclave)
coffer_add_enclave(alone KEY ${key} NEW_KEY DEBUG SANITIZE address,undefined,leak OPTIONS --heap-max 128M --threads 24)

add_executable(inside inside.cc)
target_link_libraries(inside PRIVATE bugs Coffer::enclave)
coffer_add_edl(parts.edl ENCLAVE inside)
coffer_add_enclave(inside KEY ${key} NEW_KEY DEBUG SANITIZE address undefined OPTIONS --heap-max 128M --threads 24)
add_executable(parts outside.cc)
target_link_libraries(parts PRIVATE Coffer::host)
coffer_add_edl(parts.edl HOST parts)
SOURCE
cmake -S project -B build -DCMAKE_PREFIX_PATH="$PWD/prefix" >cmake.txt 2>&1 || fail "configuring: $(tail -20 cmake.txt)"
cmake --build build >build.txt 2>&1 || fail "building: $(grep -E 'error|undefined|refused|coffer:' build.txt | head -20)"
# The same program without any check says what the others have to say.
g++ -std=c++20 -O1 -static-pie -w -o plain project/bugs.cc project/alone.cc
"$COFFER" sign plain --key build/key.pem --heap-max 128M --threads 24 -o plain.enclave >/dev/null
expect_status 0 "$COFFER" run plain.enclave clean
expected=$(cat out.txt)
grep -q '^the sum is [0-9]*$' out.txt || fail "printed: $(cat out.txt)"

# expect_error FUNCTION KIND: the last command's standard error is one report of that kind, in that function.
expect_error() {
  [[ $(grep -c 'ERROR: AddressSanitizer' err.txt) == 1 ]] || fail "$1: not one report: $(cat err.txt)"
  grep -q "ERROR: AddressSanitizer: .*$2" err.txt || fail "$1: not $2: $(cat err.txt)"
  "$COFFER" symbolize - --image "$image" <err.txt >named.txt 2>&1 || fail "$1: $(cat named.txt)"
  grep -Eq "^    #[01] 0x[0-9a-f]+ (\(anonymous namespace\)::)?$1\(.*bugs.cc:[0-9]+" named.txt ||
    fail "$1: its function is not named: $(cat named.txt)"
}
bugs=("heap_read heap-buffer-overflow" "heap_write heap-buffer-overflow" "after_free heap-use-after-free"
  "stack_read stack-buffer-overflow" "out_of_scope stack-use-after-scope" "variable_array dynamic-stack-buffer-overflow"
  "global_read global-buffer-overflow" "free_twice double-free" "free_inside bad-free"
  "free_other_way alloc-dealloc-mismatch" "copy_too_much heap-buffer-overflow")

# A program alone.
image=build/alone.enclave
for rung in process inline; do
  expect_status 0 "$COFFER" run --rung $rung $image clean
  expect_output "$expected"
  ! grep -q 'ERROR\|runtime error' err.txt || fail "an error where there is none: $(cat err.txt)"
  for bug in "${bugs[@]}"; do
    read -r function kind <<<"$bug"
    expect_status 1 "$COFFER" run --rung $rung $image "$function"
    expect_error "$function" "$kind"
  done
done
# Who allocated and who freed, sizes and threads.
expect_status 1 "$COFFER" run $image after_free
grep -q '^READ of size 4 at 0x[0-9a-f]*:$' err.txt || fail "$(cat err.txt)"
grep -q '0 bytes inside of the block of 4 bytes' err.txt || fail "$(cat err.txt)"
grep -q '^freed by thread T0 here:$' err.txt || fail "$(cat err.txt)"
grep -q '^previously allocated by thread T0 here:$' err.txt || fail "$(cat err.txt)"
expect_status 1 "$COFFER" run $image in_thread
expect_error heap_write heap-buffer-overflow
grep -Eq '^WRITE of size 1 ' err.txt || fail "$(cat err.txt)"
grep -q '0 bytes after the block of 13 bytes' err.txt || fail "$(cat err.txt)"
grep -q 'allocated by thread T1 here' err.txt || fail "$(cat err.txt)"
expect_status 0 "$COFFER" run $image overflow
grep -q 'bugs.cc:[0-9:]*: runtime error: signed integer overflow' err.txt || fail "$(cat err.txt)"
# Leaks: their own status, their size, their function; a ring is one.
expect_status 23 "$COFFER" run $image lose
grep -q '^Direct leak of 77 byte(s) in 1 object(s)' err.txt || fail "$(cat err.txt)"
"$COFFER" symbolize - --image $image <err.txt >named.txt
grep -q ' lose(int)\|::lose(int)' named.txt || fail "$(cat named.txt)"
expect_status 23 "$COFFER" run --rung inline $image lose_ring
grep -q '16 byte(s) leaked in 2 allocation(s)' err.txt || fail "$(cat err.txt)"

# In two parts, with calls from two threads at once.
image=build/inside.enclave
for rung in process inline; do
  export COFFER_RUNG=$rung
  expect_status 0 build/parts $image clean leaked both leaked
  expect_output "$expected"$'\n0 bytes\n'"$expected"$'\n'"$expected"$'\n0 bytes'
  ! grep -q 'ERROR\|runtime error' err.txt || fail "an error where there is none: $(cat err.txt)"
  expect_status 0 build/parts $image lose leaked lose leaked
  [[ $(grep bytes out.txt | xargs) == '77 bytes 154 bytes' ]] || fail "leaked: $(cat out.txt)"
  for bug in "${bugs[@]}"; do
    read -r function kind <<<"$bug"
    expect_status 1 build/parts $image clean "$function"
    expect_error "$function" "$kind"
    grep -q 'the enclave ended' out.txt || fail "the caller was told: $(cat out.txt)"
  done
done
unset COFFER_RUNG

# What is given in ASAN_OPTIONS holds, where the image lets it in; the program's own does always.
cat >options.toml <<'SETTINGS'
debug = true
heap_max = "64M"
[environment]
allow = ["ASAN_OPTIONS", "LSAN_OPTIONS"]
SETTINGS
"$COFFER" sign build/alone --key build/key.pem --config options.toml -o options.enclave >/dev/null
expect_status 7 env ASAN_OPTIONS=exitcode=7 "$COFFER" run options.enclave heap_read
expect_status 9 env LSAN_OPTIONS=exitcode=9 "$COFFER" run options.enclave lose
expect_status 0 env ASAN_OPTIONS=detect_leaks=0 "$COFFER" run options.enclave lose

# Production images are refused: where the project is configured, and where the image is signed.
expect_status 2 "$COFFER" sign build/alone --key build/key.pem -o production.enclave
expect_error_line 'alone: looks for memory errors .* sign with --debug'
refused() {  # LINE PATTERN
  sed "s/^coffer_add_enclave(alone .*/$1/" project/CMakeLists.txt >refused.txt
  mkdir -p refused && cp project/* refused && cp refused.txt refused/CMakeLists.txt
  if cmake -S refused -B refused-build -DCMAKE_PREFIX_PATH="$PWD/prefix" >cmake.txt 2>&1; then fail "not refused: $1"; fi
  tr -s ' \n' ' ' <cmake.txt | grep -q "$2" || fail "$1: $(cat cmake.txt)"
}
refused 'coffer_add_enclave(alone KEY ${key} SANITIZE address)' 'SANITIZE is for debug images: add DEBUG'
refused 'coffer_add_enclave(alone KEY ${key} DEBUG SANITIZE adress)' 'SANITIZE adress: not known'
refused 'coffer_add_enclave(alone KEY ${key} DEBUG SANITIZE)' 'SANITIZE what?'

# What the page shows: its project, its session, its commands by hand.
mkdir shown by-hand
{
  snippet docs/sdk/debugging.md leaks.cc
  cat <<'SOURCE'
__attribute__((noinline)) int* begin(int value) {
  int* made = new int(value);
  return made;
}
__attribute__((noinline)) void finish(int* value) { delete value; }
__attribute__((noinline)) int read_again(int* value) { return *value; }
int main(int argc, char**) {
  int* value = begin(argc);
  if (argc > 1) {
    check_now();
    delete value;
    return 0;
  }
  finish(value);
  asm volatile("" : "+r"(value));
  const int read = read_again(value);
  std::printf("%d\n", read);
  return 0;
}
SOURCE
} >shown/inside.cc
{
  printf 'cmake_minimum_required(VERSION 3.20)\nproject(shown LANGUAGES CXX)\nset(CMAKE_CXX_FLAGS -O1)\n'
  printf 'find_package(Coffer REQUIRED COMPONENTS enclave)\n'
  snippet docs/sdk/debugging.md sanitize.cmake
} >shown/CMakeLists.txt
cmake -S shown -B shown-build -DCMAKE_PREFIX_PATH="$PWD/prefix" >cmake.txt 2>&1 || fail "configuring: $(tail -20 cmake.txt)"
cmake --build shown-build >build.txt 2>&1 || fail "building what the page shows: $(tail -20 build.txt)"
cp shown/inside.cc shown/signer.pem by-hand
snippet docs/sdk/debugging.md by-hand.sh >by-hand.sh
(cd by-hand && PREFIX=$OLDPWD/prefix PATH=$OLDPWD/prefix/bin:$PATH bash -e ../by-hand.sh) >build.txt 2>&1 ||
  fail "by hand: $(cat build.txt)"
# Numbers, and folders before file names, are other ones each time.
shape() { sed -E 's/__libc_start_main_impl/__libc_start_main/; s/\(enclave offset 0x[0-9a-f]+\)/(enclave offset N)/; s/0x[0-9a-f]+/N/g; s/:[0-9]+$/:N/; s/at [^ ]*inside\.cc/at inside.cc/'; }
snippet docs/sdk/debugging.md sanitized.txt >shown.txt
command=$(sed -n '1s/^\$ //p' shown.txt)
for folder in shown-build by-hand; do
  (cd $folder && PATH=$OLDPWD/prefix/bin:$PATH bash -c "$command") >session.txt
  grep -v 'coffer: note\|^names and lines' session.txt | shape >session.shape
  sed 1d shown.txt | shape | diff - session.shape >differs.txt || fail "the page shows another session: $(cat differs.txt)"
  expect_status 0 "$COFFER" run $folder/inside.enclave one
  expect_output '0 bytes are lost'
done
