// Serves calls on as many threads as argv[1] says: what a function gets and gives is checked by both sides.
#include <coffer/enclave.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "host/testing/programs/server_functions.h"

namespace {

using namespace coffer::host::testing::server;

// What the ABI promises at the start of a function, whatever the host left in the registers: an empty x87 stack, and
// rounding to nearest with full precision. 0: all well.
long arithmetic() {
  volatile long double one = 1;
  long double sum = 0;
  for (int i = 0; i < 8; ++i) sum = sum * 2 + one;  // NaN where a register is taken already
  if (sum != 255) return 1;
  volatile long double third = one / 3;
  if (third * 3 != one) return 2;  // true to nearest in 64 bits, not in 53
  volatile double half = 0.5;
  if (std::nearbyint(half) != 0 || std::nearbyint(half + 2) != 2) return 3;
  return 0;
}

// The flags that a system call must keep: all that a program can set.
long flags_over_calls() {
  for (const unsigned long flags : {0x202ul, 0x202ul | 0x8d5, 0x202ul | 0x800, 0x202ul | 0xd5, 0x202ul | 0x400,
                                    0x202ul | 0x40000, 0x202ul | 0x40cd5, 0x202ul | 0x44, 0x202ul | 0x881}) {
    unsigned long after = 0;
    asm volatile("push %[flags]\n\tpopfq\n\tmov $39, %%eax\n\tsyscall\n\tpushfq\n\tpop %[after]\n\tpush $2\n\tpopfq"
                 : [after] "=&r"(after)
                 : [flags] "r"(flags)
                 : "rax", "rcx", "r11", "cc", "memory");
    if (after != flags) return static_cast<long>(flags ^ after);
  }
  return 0;
}

constexpr std::size_t kHalf = std::size_t{4} << 20;
std::atomic<long> calls{0};
thread_local long calls_here = 0;

long handle(const coffer::Call& call, std::span<std::byte> output, std::size_t& written) {
  ++calls;
  ++calls_here;
  switch (call.index) {
    case kEcho:  // every byte back, changed; the rest is cut off
      written = std::min(call.input.size(), output.size());
      for (std::size_t i = 0; i < written; ++i) output[i] = call.input[i] ^ std::byte{0x5a};
      return static_cast<long>(call.input.size());
    case kCount:
      return calls;
    case kThrow:
      try {
        throw std::runtime_error("inside a call");
      } catch (const std::runtime_error& error) {
        return static_cast<long>(std::strlen(error.what()));
      }
    case kExit:
      std::_Exit(9);
    case kTooMuch:  // says more than there is room for
      written = output.size() + 100000;
      std::memset(output.data(), 0x77, output.size());
      return 0;
    case kLoop:
      while (true) calls.fetch_add(0);
    case kEnd:
      std::exit(0);
    case kRoom:
      return static_cast<long>(call.output_room);
    case kArithmetic:
      return call.input.empty() ? arithmetic() : flags_over_calls();
    default:
      return -38;
  }
}

void serve_here() {
  std::vector<std::byte> buffer(2 * kHalf);
  coffer::serve(buffer, handle);
}

}  // namespace

int main(int argc, char** argv) {
  const int workers = argc > 1 ? std::stoi(argv[1]) : 1;
  for (int i = 1; i < workers; ++i) std::thread(serve_here).detach();
  serve_here();
}
