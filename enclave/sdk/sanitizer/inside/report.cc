// What was found, for people and for `coffer symbolize`.
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>

#include "enclave/sdk/sanitizer/inside/runtime.h"
#include "enclave/sdk/sanitizer/inside/text.h"

namespace coffer::sanitizer {
namespace {

constinit Lock reporting;

const char* kind_of(Poison poison) {
  switch (poison) {
    case Poison::kHeap:
      return "heap-buffer-overflow";
    case Poison::kFreed:
      return "heap-use-after-free";
    case Poison::kStackLeft:
      return "stack-buffer-underflow";
    case Poison::kStackMiddle:
    case Poison::kStackRight:
      return "stack-buffer-overflow";
    case Poison::kStackAfterReturn:
      return "stack-use-after-return";
    case Poison::kStackAfterScope:
      return "stack-use-after-scope";
    case Poison::kAllocaLeft:
    case Poison::kAllocaRight:
      return "dynamic-stack-buffer-overflow";
    case Poison::kGlobal:
      return "global-buffer-overflow";
    case Poison::kContainer:
      return "container-overflow";
    case Poison::kUser:
      return "use-after-poison";
    case Poison::kNone:
      break;
  }
  return "unknown-crash";
}

// The reason at `bad`; where a granule ends early, it is in the next one.
Poison reason(std::uintptr_t bad) {
  const auto here = static_cast<std::int8_t>(shadow.at(bad));
  const std::uintptr_t next = bad / kGranule * kGranule + kGranule;
  const std::uint8_t byte = here > 0 && shadow.covers(next) ? shadow.at(next) : shadow.at(bad);
  constexpr Poison kAll[] = {Poison::kAllocaLeft,  Poison::kAllocaRight,     Poison::kStackLeft,
                             Poison::kStackMiddle, Poison::kStackRight,      Poison::kStackAfterReturn,
                             Poison::kUser,        Poison::kStackAfterScope, Poison::kGlobal,
                             Poison::kHeap,        Poison::kContainer,       Poison::kFreed};
  for (const Poison one : kAll) {
    if (static_cast<std::uint8_t>(one) == byte) return one;
  }
  return Poison::kNone;
}

void print(Text& text, std::span<const std::uint32_t> stack) {
  std::uint64_t number = 0;
  for (const std::uint32_t frame : stack) text << "    #" << number++ << " " << Hex{frame} << "\n";
  if (stack.empty()) text << "    (not known)\n";
}

std::uint64_t relative(std::uintptr_t address) { return address - code_base; }

void print_begin(Text& text, const char* kind, std::uintptr_t address) {
  text << "=================================================================\n";
  text << "ERROR: AddressSanitizer: " << kind << " on address " << Hex{address};
  if (in_enclave) text << " (enclave offset " << Hex{relative(address)} << ")";
  text << " in thread T" << current_thread() << "\n";
}

void describe_block(Text& text, const Neighbour& near) {
  const Block& block = *near.block;
  text << "the address is " << near.distance << " bytes "
       << (near.side == Neighbour::Side::kBefore   ? "before"
           : near.side == Neighbour::Side::kInside ? "inside of"
                                                   : "after")
       << " the block of " << block.size << " bytes at " << Hex{relative(block.begin())} << "\n";
  if (near.freed) {
    text << "freed by thread T" << block.freeing_thread << " here:\n";
    print(text, stacks.find(block.freed));
    text << "previously ";
  }
  text << "allocated by thread T" << block.allocating_thread << " here:\n";
  print(text, stacks.find(block.allocated));
}

void describe(Text& text, std::uintptr_t address) {
  if (const Neighbour near = heap.near(address); near.block != nullptr) return describe_block(text, near);
  GlobalVariable global;
  if (reason(address) == Poison::kGlobal && find_global(address, &global)) {
    const bool after = address >= global.begin + global.size;
    text << "the address is " << (after ? address - global.begin - global.size : global.begin - address) << " bytes "
         << (after ? "after" : "before") << " the global variable " << global.name << " of " << global.size
         << " bytes, of " << global.module << "\n";
    return;
  }
  const StackRange stack = current_stack();
  if (address >= stack.begin && address < stack.end) {
    text << "the address is on the stack of thread T" << current_thread() << "\n";
  }
}

void print_end(Text& text) {
  if (in_enclave) text << "names and lines: give this text to coffer symbolize - --image IMAGE\n";
}

void finish() {
  if (options.abort_on_error) {
    signal(SIGABRT, SIG_DFL);
    raise(SIGABRT);
  }
  if (options.halt_on_error) end_program(options.exit_code);
}

}  // namespace

void report_access(std::uintptr_t address, std::size_t size, Access access, const Caller& caller) {
  const LockGuard guard(reporting);
  const std::uintptr_t bad = shadow.first_bad(address, size).value_or(address);
  const CallStack stack = exact_stack(caller);
  {
    Text text;
    print_begin(text, kind_of(reason(bad)), bad);
    text << (access == Access::kRead ? "READ" : "WRITE") << " of size " << size << " at " << Hex{relative(address)}
         << ":\n";
    print(text, stack.view());
    describe(text, bad);
    print_end(text);
  }
  finish();
}

void report_release(const char* kind, std::uintptr_t address, const Caller& caller) {
  const LockGuard guard(reporting);
  const CallStack stack = exact_stack(caller);
  {
    Text text;
    print_begin(text, kind, address);
    print(text, stack.view());
    describe(text, address);
    print_end(text);
  }
  finish();
}

}  // namespace coffer::sanitizer
