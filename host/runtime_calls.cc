// Calls into an enclave and out of it (docs/design/sdk.md).
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "host/answer.h"
#include "host/debugger/call_frames.h"
#include "host/runtime.h"

namespace coffer::host {

using boundary::EnterCommand;

namespace {

constexpr std::uint64_t kMostBytes = 0xffff'ffff;  // of one argument or result: the protocol has 32 bits for each

// To follow "the enclave ended".
std::string end_of(const ExitStatus& status) {
  if (status.signal == 0) return ", with exit status " + std::to_string(status.code);
  return ": signal " + std::to_string(status.signal) + " " + status.detail;
}

std::uint64_t number(const void* pointer) { return reinterpret_cast<std::uint64_t>(pointer); }

}  // namespace

// While a handler runs, a call() of its thread into the same enclave is a nested one of this enclave thread.
class Runtime::HostCallScope {
 public:
  HostCallScope(const Runtime& runtime, std::uint32_t thread) : runtime_(&runtime), thread_(thread), outer_(innermost) {
    innermost = this;
  }
  ~HostCallScope() { innermost = outer_; }
  HostCallScope(const HostCallScope&) = delete;
  HostCallScope& operator=(const HostCallScope&) = delete;

  // The enclave thread of `runtime` that waits for what this host thread does; handlers of other enclaves may lie
  // between.
  [[nodiscard]] static std::optional<std::uint32_t> waiting(const Runtime& runtime) {
    for (const HostCallScope* scope = innermost; scope != nullptr; scope = scope->outer_) {
      if (scope->runtime_ == &runtime) return scope->thread_;
    }
    return std::nullopt;
  }

 private:
  const Runtime* runtime_;
  std::uint32_t thread_;
  HostCallScope* outer_;
  static thread_local HostCallScope* innermost;
};
thread_local Runtime::HostCallScope* Runtime::HostCallScope::innermost = nullptr;

boundary::DebuggerFrames* Runtime::debugger_frames(std::uint32_t thread) const {
  if (!rung_->shares_process()) return nullptr;
  return boundary::debugger_frames(reinterpret_cast<boundary::ExchangeArea*>(exchange_) + thread);
}

bool Runtime::in_place(std::span<const std::byte> span) const {
  return span.empty() || rung_->reaches(number(span.data()), span.size());
}

Runtime::CallPlaces Runtime::place(std::span<const std::byte> input, std::span<std::byte> output,
                                   std::byte* block) const {
  CallPlaces places{input.data(), output.data()};
  if (!in_place(input)) {
    std::memcpy(block, input.data(), input.size());
    places.input = block;
  }
  // The result may stand where the argument stood: by then that has been copied in.
  if (!in_place(output)) places.output = block;
  return places;
}

bool Runtime::prepare_buffer(std::uint32_t thread, std::uint64_t size) {
  CallBuffer& buffer = buffers_[thread];
  if (buffer.size >= size) return true;
  if (buffer.block != nullptr) rung_->arena().release(buffer.block);
  buffer = {rung_->arena().allocate(size), size};
  if (buffer.block == nullptr) buffer.size = 0;
  return buffer.block != nullptr;
}

// What a call that is over came to: the registers are the enclave's word.
CallResult Runtime::collect(std::uint32_t thread, const Registers& registers, const CallPlaces& places,
                            std::span<std::byte> output) {
  boundary::count(host_counters_[thread].ecalls);
  const CallResult result{static_cast<std::int64_t>(registers.rsi),
                          std::min<std::uint64_t>(registers.rdx, output.size())};
  if (result.written != 0 && places.output != output.data()) {
    std::memcpy(output.data(), places.output, result.written);
  }
  return result;
}

std::uint64_t Runtime::room_for(std::span<const std::byte> input, std::span<std::byte> output) const {
  return std::max(in_place(input) ? 0 : input.size(), in_place(output) ? 0 : output.size());
}

Result<CallResult> Runtime::call(std::uint64_t index, std::span<const std::byte> input, std::span<std::byte> output) {
  if (const auto waiting = HostCallScope::waiting(*this)) return nested_call(*waiting, index, input, output);
  const auto thread = take_idle_thread();
  if (!thread) return fail(ErrorKind::kLost, "the enclave is not running");
  const bool fits =
      std::max(input.size(), output.size()) <= kMostBytes && prepare_buffer(*thread, room_for(input, output));
  Pause pause = Pause::kNextCall;
  Registers registers;
  CallResult result;
  std::exception_ptr exception;
  if (fits) {
    const CallPlaces places = place(input, output, buffers_[*thread].block);
    answer(registers, static_cast<std::int64_t>(index),
           {number(places.input), input.size() | output.size() << 32, number(places.output)});
    calls_[*thread].has_caller = true;
    call_in_frame(debugger_frames(*thread), [&] { pause = drive(*thread, registers); });
    calls_[*thread].has_caller = false;
    exception = std::exchange(calls_[*thread].exception, nullptr);
    if (pause == Pause::kNextCall) result = collect(*thread, registers, places, output);
  }
  give_back(*thread, pause);
  if (exception) std::rethrow_exception(exception);
  if (!fits) return input_error("the call's buffers are larger than the arena has room for");
  if (pause != Pause::kNextCall) return lost_call();
  return result;
}

Result<void> Runtime::wait_until_serving() {
  const auto thread = take_idle_thread();
  if (thread) {
    give_back(*thread, Pause::kNextCall);
    return {};
  }
  const auto status = exit_status();
  if (!status) return fail(ErrorKind::kLost, "the enclave is not running");
  return fail(ErrorKind::kLost, "the program in the enclave ended before it served calls" + end_of(*status));
}

std::unexpected<Error> Runtime::lost_call() const {
  std::string words = "the enclave ended during the call";
  if (const auto status = exit_status()) words += end_of(*status);
  return fail(ErrorKind::kLost, std::move(words));
}

std::optional<ExitStatus> Runtime::exit_status() const {
  const std::scoped_lock guard(lock_);
  return status_;
}

Result<CallResult> Runtime::nested_call(std::uint32_t thread, std::uint64_t index, std::span<const std::byte> input,
                                        std::span<std::byte> output) {
  // A block of its own: the result of the call around it has its place in the thread's.
  const std::uint64_t room = room_for(input, output);
  std::byte* block = room == 0 ? nullptr : rung_->arena().allocate(room);
  if ((room != 0 && block == nullptr) || std::max(input.size(), output.size()) > kMostBytes) {
    if (block != nullptr) rung_->arena().release(block);
    return input_error("the call's buffers are larger than the arena has room for");
  }
  const CallPlaces places = place(input, output, block);
  Registers registers{static_cast<std::uint64_t>(EnterCommand::kCall), index, number(places.input),
                      input.size() | output.size() << 32, number(places.output)};
  CallState& state = calls_[thread];
  ++state.nested;
  const bool had_caller = std::exchange(state.has_caller, true);
  Pause pause = Pause::kThreadOver;
  call_in_frame(debugger_frames(thread), [&] { pause = carry(thread, registers); });
  state.has_caller = had_caller;
  --state.nested;
  CallResult result;
  if (pause == Pause::kNestedReturn) result = collect(thread, registers, places, output);
  if (block != nullptr) rung_->arena().release(block);
  if (auto exception = std::exchange(state.exception, nullptr)) std::rethrow_exception(exception);
  if (pause != Pause::kNestedReturn) return lost_call();
  return result;
}

void Runtime::serve_host_call(std::uint32_t thread, Registers& registers) {
  const std::uint64_t input_size = registers.r8 & kMostBytes;
  const std::uint64_t room = registers.r8 >> 32;
  const bool reached = (input_size == 0 || rung_->reaches(registers.rdx, input_size)) &&
                       (room == 0 || rung_->reaches(registers.r9, room));
  if (!host_call_handler_ || !reached) {
    answer(registers, reached ? -ENOSYS : -EFAULT);
    return;
  }
  const HostCall call{registers.rsi,
                      {reinterpret_cast<const std::byte*>(registers.rdx), input_size},
                      {reinterpret_cast<std::byte*>(registers.r9), room}};
  if (auto* switchless = switchless_.load(std::memory_order_acquire); switchless != nullptr) switchless->ocall_came();
  CallResult result;
  const HostCallScope scope(*this, thread);
  std::exception_ptr thrown;
  handle_in_frame(debugger_frames(thread), [&]() noexcept {
    try {
      result = host_call_handler_(call);
    } catch (...) {
      thrown = std::current_exception();
    }
  });
  if (thrown) {
    if (!calls_[thread].has_caller) std::rethrow_exception(thrown);
    calls_[thread].exception = thrown;
    result = {.status = -ECANCELED, .written = 0};
  }
  answer(registers, result.status, {std::min<std::uint64_t>(result.written, room), 0, 0});
}

Result<void> Runtime::use_switchless(const Switchless& workers) {
  {
    const std::scoped_lock guard(lock_);
    if (switchless_memory_ != nullptr) return input_error("the enclave has switchless workers already");
    switchless_memory_ = rung_->arena().allocate(SwitchlessService::kMemory);
    if (switchless_memory_ == nullptr) return fail(ErrorKind::kSystem, "the arena is too small for switchless calls");
  }
  auto service = std::make_unique<SwitchlessService>(
      switchless_memory_, workers,
      SwitchlessService::Links{
          .answer =
              [this](const HostCall& c) { return host_call_handler_ ? host_call_handler_(c) : CallResult{-ENOSYS, 0}; },
          .call = [this](std::uint64_t index, std::span<const std::byte> input,
                         std::span<std::byte> output) { return call(index, input, output); },
          .reaches = [this](std::uint64_t address, std::uint64_t size) { return rung_->reaches(address, size); },
          .ended = [this] { return phase_.load(std::memory_order_relaxed) == Phase::kEnded; },
          .enclave = rung_.get()});
  if (auto begun = service->begin(); !begun) {
    service->stop();
    const std::scoped_lock guard(lock_);
    rung_->arena().release(std::exchange(switchless_memory_, nullptr));
    return begun;
  }
  switchless_owner_ = std::move(service);
  switchless_.store(switchless_owner_.get(), std::memory_order_release);
  return {};
}

Result<CallResult> Runtime::call_switchless(std::uint64_t index, std::span<const std::byte> input,
                                            std::span<std::byte> output) {
  auto* switchless = switchless_.load(std::memory_order_acquire);
  if (switchless == nullptr || !switchless->somebody_looks() || !in_place(input) || !in_place(output)) {
    return call(index, input, output);
  }
  if (const auto result = switchless->call(index, input, output)) {
    switchless_ecalls_.fetch_add(1, std::memory_order_relaxed);
    return *result;
  }
  return call(index, input, output);
}

}  // namespace coffer::host
