// Who called whom.
#include <unwind.h>

#include "enclave/sdk/sanitizer/inside/runtime.h"

namespace coffer::sanitizer {
namespace {

// A call's place: the byte before the return address is the call's own, whose line is wanted.
bool add(CallStack& stack, std::uintptr_t return_address) {
  const std::uintptr_t offset = return_address - 1 - code_base;
  if (return_address <= code_base || offset > UINT32_MAX || stack.count == CallStack::kMost) return false;
  stack.frames[stack.count++] = static_cast<std::uint32_t>(offset);
  return true;
}

struct Walk {
  CallStack stack;
  std::uintptr_t from;
  bool begun;
};

}  // namespace

CallStack quick_stack(const Caller& caller) {
  CallStack stack;
  if (!add(stack, caller.pc)) return stack;
  struct Frame {
    const Frame* outer;
    std::uintptr_t pc;
  };
  const StackRange range = current_stack();
  const auto* frame = reinterpret_cast<const Frame*>(caller.frame);
  const auto lies_in_stack = [&range](const Frame* at) {
    const auto address = reinterpret_cast<std::uintptr_t>(at);
    return address % sizeof(std::uintptr_t) == 0 && address >= range.begin && address < range.end &&
           range.end - address >= sizeof(Frame);
  };
  // The first return address is the caller's own.
  if (!lies_in_stack(frame)) return stack;
  for (const Frame* outer = frame->outer; outer > frame && lies_in_stack(outer); outer = outer->outer) {
    frame = outer;
    if (!add(stack, frame->pc)) break;
  }
  return stack;
}

CallStack exact_stack(const Caller& caller) {
  Walk walk{.stack = {}, .from = caller.pc, .begun = false};
  _Unwind_Backtrace(
      [](_Unwind_Context* context, void* argument) -> _Unwind_Reason_Code {
        auto& self = *static_cast<Walk*>(argument);
        const std::uintptr_t pc = _Unwind_GetIP(context);
        if (pc == self.from) self.begun = true;
        if (!self.begun) return _URC_NO_REASON;
        return add(self.stack, pc) ? _URC_NO_REASON : _URC_END_OF_STACK;
      },
      &walk);
  return walk.stack.count != 0 ? walk.stack : quick_stack(caller);
}

StackDepot::Id keep_stack(const Caller& caller) {
  const CallStack stack = options.fast_unwind ? quick_stack(caller) : exact_stack(caller);
  return stacks.keep(stack.view());
}

}  // namespace coffer::sanitizer
