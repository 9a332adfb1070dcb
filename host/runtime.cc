#include "host/runtime.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/hex.h"
#include "boundary/attestation.h"
#include "boundary/calls.h"
#include "host/answer.h"
#include "host/debugger/symbol_list.h"
#include "host/enclave_order.h"
#include "host/image/network_rules.h"

namespace coffer::host {

using boundary::EnterCommand;
using boundary::Request;

namespace {

std::string hexadecimal(std::uint64_t value) {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "0x%llx", static_cast<unsigned long long>(value));
  return text.data();
}

ExitStatus death(int signal, std::uint64_t rip, std::uint64_t address, const std::string& function) {
  ExitStatus status;
  status.signal = signal == 0 ? SIGKILL : signal;
  status.detail = "at enclave offset " + hexadecimal(rip);
  if (!function.empty()) status.detail += " in " + function;
  if (signal == SIGSEGV || signal == SIGBUS) status.detail += ", address " + hexadecimal(address);
  return status;
}

Result<std::vector<boundary::NetworkRule>> parse_limits(const NetworkLimits& limits) {
  std::vector<boundary::NetworkRule> rules;
  const std::pair<const std::vector<std::string>&, boundary::NetworkDirection> lists[] = {
      {limits.bind, boundary::NetworkDirection::kBind}, {limits.connect, boundary::NetworkDirection::kConnect}};
  for (const auto& [patterns, direction] : lists) {
    for (const std::string& pattern : patterns) {
      auto rule = image::parse_network_rule(pattern, direction);
      if (!rule) return std::unexpected(rule.error());
      rules.push_back(*rule);
    }
  }
  return rules;
}

}  // namespace

Runtime::Runtime(image::CofferImage image, std::unique_ptr<Rung> rung, std::byte* exchange)
    : image_(std::move(image)),
      rung_(std::move(rung)),
      shared_(*rung_),
      exchange_(exchange),
      threads_(image_.layout().thread_count),
      idle_(image_.layout().thread_count),
      buffers_(image_.layout().thread_count),
      calls_(image_.layout().thread_count),
      host_counters_(std::make_unique<HostCounters[]>(image_.layout().thread_count)) {
  // The arena's blocks come as their last user left them.
  for (std::uint32_t thread = 0; thread < image_.layout().thread_count; ++thread) {
    std::byte* begin = exchange_ + std::size_t{thread} * sizeof(boundary::ExchangeArea);
    std::memset(begin + boundary::kExchangeSize, 0, sizeof(boundary::ExchangeArea) - boundary::kExchangeSize);
  }
  rung_->watch([this] { end_lost(); });
}

Runtime::~Runtime() {
  destroy();
  if (switchless_owner_) switchless_owner_->stop();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
  {
    std::unique_lock guard(lock_);
    idle_.announce_waiter();
    changed_.wait(guard, [this] { return waiting_ == 0 && idle_.count() == serving_; });
  }
  rung_.reset();  // its watcher calls end_lost()
}

const boundary::ExchangeArea& Runtime::area(std::uint32_t thread) const {
  return reinterpret_cast<const boundary::ExchangeArea*>(exchange_)[thread];
}

operate::Counters Runtime::counters() const {
  const auto read = [](const std::atomic<std::uint64_t>& counter) { return counter.load(std::memory_order_relaxed); };
  operate::Counters sum;
  for (std::uint32_t thread = 0; thread < image_.layout().thread_count; ++thread) {
    sum.ecalls += read(host_counters_[thread].ecalls);
    sum.ocalls += read(host_counters_[thread].ocalls);
    sum.system_calls += read(area(thread).counters.system_calls);
    if (const boundary::CarrierCounters* carrier = rung_->carrier_counters(thread); carrier != nullptr) {
      sum.entries += read(carrier->entries);
      sum.exceptions += read(carrier->exceptions);
      sum.interrupts += read(carrier->interrupts);
      sum.trapped_system_calls += read(carrier->trapped_system_calls);
    }
  }
  sum.ecalls += read(switchless_ecalls_);
  return sum;
}

std::span<std::byte> Runtime::exchange(std::uint32_t thread) const {
  return {exchange_ + std::size_t{thread} * sizeof(boundary::ExchangeArea), boundary::kExchangeSize};
}

Result<void> Runtime::start(const RunOptions& options) {
  {
    const std::scoped_lock guard(lock_);
    if (destroyed_) return fail(ErrorKind::kLost, "the enclave was destroyed");
    if (phase_ != Phase::kLoaded || starting_) return input_error("an enclave runs once; load it again");
    starting_ = true;
  }
  auto begun = prepare_start(options);
  const std::scoped_lock guard(lock_);
  starting_ = false;
  if (!begun || phase_ != Phase::kLoaded) {  // refused, or destroyed meanwhile
    wipe_start_block(rung_->arena(), std::exchange(start_block_, {}));
    return begun ? fail(ErrorKind::kLost, "the enclave was destroyed") : begun;
  }
  const Registers registers{static_cast<std::uint64_t>(EnterCommand::kStart),
                            reinterpret_cast<std::uint64_t>(start_block_.block), start_block_.size, 0, 0};
  live_threads_.store(1, std::memory_order_relaxed);
  try {
    threads_[0] = std::thread([this, registers] { host_thread(0, registers); });
  } catch (const std::system_error& error) {
    phase_ = Phase::kEnded;
    return system_error("cannot start a thread for the enclave", error.code().value());
  }
  phase_ = Phase::kRunning;
  return {};
}

// What the program starts with; an error leaves the enclave as it was.
Result<void> Runtime::prepare_start(const RunOptions& options) {
  auto plans = plan_mounts(image_, options.mounts);
  if (!plans) return std::unexpected(plans.error());
  auto files = std::make_unique<FileService>(
      FileService::Streams{options.standard_input, options.standard_output, options.standard_error});
  for (const MountPlan& plan : *plans) {
    if (auto added = files->add_mount(plan.id, plan.mount.host, plan.read_only); !added) return added;
  }
  files->share_with(
      {.share = [this](std::uint64_t handle, int descriptor) { return rung_->share_file(handle, descriptor); },
       .unshare = [this](std::uint64_t handle) { rung_->unshare_file(handle); }});
  auto network = std::make_unique<NetworkService>(
      FileService::Streams{options.standard_input, options.standard_output, options.standard_error});
  network->allow(image_.network());
  if (options.network) {
    auto permitted = parse_limits(*options.network);
    if (!permitted) return std::unexpected(permitted.error());
    network->narrow(*permitted);
  }
  auto block = write_start_block(rung_->arena(), image_, options, *plans, reinterpret_cast<std::uint64_t>(exchange_),
                                 rung_->shares_process() && is_traced());
  if (!block) return std::unexpected(block.error());
  const std::scoped_lock guard(lock_);
  files_ = std::move(files);
  network_ = std::move(network);
  log_descriptor_ = options.standard_error;
  start_block_ = *block;
  return {};
}

void Runtime::host_thread(std::uint32_t thread, Registers registers) {
  if (drive(thread, registers) != Pause::kNextCall) return;
  {
    const std::scoped_lock guard(lock_);
    ++serving_;
  }
  give_back(thread, Pause::kNextCall);
}

Runtime::Pause Runtime::drive(std::uint32_t thread, Registers& registers) {
  const Pause pause = carry(thread, registers);
  if (pause == Pause::kThreadOver) live_threads_.fetch_sub(1, std::memory_order_relaxed);
  return pause;
}

Runtime::Pause Runtime::carry(std::uint32_t thread, Registers& registers) {
  while (true) {
    before_the_enclave(rung_.get());
    auto entered = rung_->enter(thread, registers);
    after_the_enclave(rung_.get());
    if (!entered || (entered->dead && entered->death.signal == 0)) {
      end_lost();
      return Pause::kThreadOver;
    }
    if (entered->dead) {
      end_by_signal(thread, entered->death.signal, entered->death.rip, entered->death.address);
      return Pause::kThreadOver;
    }
    // A thread that leaves a host call open and waits for the next call, or returns from a call that nobody made, has
    // lost its way.
    const bool nested = calls_[thread].nested != 0;
    if (static_cast<Request>(registers.rdi) == Request::kNextCall && !nested) return Pause::kNextCall;
    if (static_cast<Request>(registers.rdi) == Request::kNestedReturn && nested) return Pause::kNestedReturn;
    boundary::count(host_counters_[thread].ocalls);
    if (!serve(thread, registers)) return Pause::kThreadOver;
  }
}

bool Runtime::serve(std::uint32_t thread, Registers& registers) {
  const auto request = static_cast<Request>(registers.rdi);
  if (FileService::serves(request)) {
    const Answer a =
        files_->serve(request, {registers.rsi, registers.rdx, registers.r8, registers.r9}, exchange(thread));
    answer(registers, a.result, a.extra);
    return true;
  }
  if (NetworkService::serves(request)) {
    const Answer a =
        network_->serve(request, {registers.rsi, registers.rdx, registers.r8, registers.r9}, exchange(thread), thread);
    answer(registers, a.result, a.extra);
    return true;
  }
  switch (request) {
    case Request::kSpawn:
      answer(registers, spawn(thread, registers.rsi));
      return true;
    case Request::kLog:
      log(thread, registers.rsi);
      answer(registers, 0);
      return true;
    case Request::kWaitEvent:
      answer(registers, wait_for_event(registers.rsi));
      return true;
    case Request::kWakeEvent:
      wake_event_waiter();
      answer(registers, 0);
      return true;
    case Request::kHostCall:
      serve_host_call(thread, registers);
      return true;
    case Request::kShareMemory: {
      void* memory = allocate_shared(registers.rsi);
      answer(registers, memory == nullptr ? -ENOMEM : 0, {reinterpret_cast<std::uint64_t>(memory), 0, 0});
      return true;
    }
    case Request::kUnshareMemory:
      release_shared(reinterpret_cast<void*>(registers.rsi));
      answer(registers, 0);
      return true;
    case Request::kNextCall:
    case Request::kNestedReturn:
      end_by_signal(thread, SIGABRT, 0, 0);
      return false;
    case Request::kThreadExit:
      return false;
    case Request::kExit:
      end(exit_of(thread, registers));
      return false;
    case Request::kUnhandled:
      if (rung_->shows_fault(static_cast<int>(registers.rsi & 0x7f))) {
        // The enclave has looked at its exception: entered at it once more, it finds an interrupt, and goes on.
        registers = {static_cast<std::uint64_t>(EnterCommand::kException), 0, 0, 0, 0};
        return true;
      }
      [[fallthrough]];
    case Request::kAbort:
      end_by_signal(thread, static_cast<int>(registers.rsi & 0x7f), registers.rdx, registers.r8);
      return false;
    default:
      answer(registers, -ENOSYS);
      return true;
  }
}

std::int64_t Runtime::spawn(std::uint32_t caller, std::uint64_t thread) {
  if (thread == 0 || thread == caller || thread >= threads_.size()) return -EINVAL;
  const auto index = static_cast<std::uint32_t>(thread);
  std::thread finished;
  {
    const std::scoped_lock guard(lock_);
    if (phase_ != Phase::kRunning) return -EAGAIN;
    finished = std::move(threads_[index]);
  }
  // The TCS is free, so its last host thread has left the enclave or is about to.
  if (finished.joinable()) finished.join();
  const Registers registers{static_cast<std::uint64_t>(EnterCommand::kThread),
                            reinterpret_cast<std::uint64_t>(exchange(index).data()), 0, 0, 0};
  const std::scoped_lock guard(lock_);
  if (phase_ != Phase::kRunning) return -EAGAIN;
  live_threads_.fetch_add(1, std::memory_order_relaxed);
  try {
    threads_[index] = std::thread([this, index, registers] { host_thread(index, registers); });
  } catch (const std::system_error&) {
    live_threads_.fetch_sub(1, std::memory_order_relaxed);
    return -EAGAIN;
  }
  if (index + boundary::kServiceThreads == threads_.size()) takes_signals_ = true;
  return 0;
}

std::int64_t Runtime::wait_for_event(std::uint64_t timeout_ns) {
  constexpr std::uint64_t kLongest = 3'600'000'000'000;  // an early answer only makes the kernel look again
  std::unique_lock guard(lock_);
  event_.wait_for(guard, std::chrono::nanoseconds(std::min(timeout_ns, kLongest)),
                  [this] { return phase_ == Phase::kEnded || event_wake_ || !signals_.empty(); });
  event_wake_ = false;
  if (signals_.empty()) return 0;
  const int signal = signals_.front();
  signals_.pop_front();
  return signal;
}

void Runtime::wake_event_waiter() {
  {
    const std::scoped_lock guard(lock_);
    event_wake_ = true;
  }
  event_.notify_all();
}

bool Runtime::raise(int signal) {
  constexpr std::size_t kMostWaiting = 64;
  if (std::ranges::find(boundary::kHostSignals, signal) == std::end(boundary::kHostSignals)) return false;
  {
    const std::scoped_lock guard(lock_);
    if (phase_ != Phase::kRunning || !takes_signals_) return false;
    // As for any process: a signal that waits already is there once.
    if (signals_.size() >= kMostWaiting || std::ranges::find(signals_, signal) != signals_.end()) return true;
    signals_.push_back(signal);
  }
  event_.notify_all();
  return true;
}

void Runtime::log(std::uint32_t thread, std::uint64_t length) {
  const auto text = exchange(thread).first(std::min<std::uint64_t>(length, 1024));
  std::string line = "coffer: enclave: ";
  for (std::byte b : text) {
    const char c = static_cast<char>(b);
    line += c >= ' ' && c <= '~' ? c : '?';
  }
  line += '\n';
  if (::write(log_descriptor_, line.data(), line.size()) < 0) return;  // nobody left to tell
}

void Runtime::end_by_signal(std::uint32_t thread, int signal, std::uint64_t rip, std::uint64_t address) {
  const boundary::ImageLayout& layout = image_.layout();
  operate::CrashReport crash;
  crash.debug = image_.debug();
  crash.signal = signal == 0 ? SIGKILL : signal;
  crash.address = rip;
  crash.fault_address = address;
  crash.granularity = crash.debug ? 1 : sgx::kPageSize;
  crash.program_base = layout.app_base;
  for (std::uint32_t i = 0; i < layout.segment_count; ++i) {
    const boundary::LayoutSegment& segment = layout.segments[i];
    crash.program_size = std::max(crash.program_size, segment.offset + segment.memory_size - layout.app_base);
  }
  if (crash.debug) {
    // Copied once: other threads of the enclave may still run.
    boundary::CrashRecord record;
    std::memcpy(&record, boundary::crash_place(&area(thread)), sizeof(record));
    crash.machine = operate::read_record(record, exchange(thread));
  }
  if (crash.machine && crash.address == 0) {
    const auto& record = crash.machine->record;
    crash.address = record.registers[static_cast<std::uint32_t>(boundary::CrashRegister::kRip)] - record.base;
  }
  if (crash.debug && rip == 0) rip = crash.address;
  // The record's, which is in the program where the thread itself was behind a patched instruction of it.
  std::uint64_t named = rip;
  if (crash.machine) {
    const auto& record = crash.machine->record;
    named = record.registers[static_cast<std::uint32_t>(boundary::CrashRegister::kRip)] - record.base;
  }
  const std::string function = crash.debug && function_name_ ? function_name_(named) : std::string();
  const bool by_itself = crash.signal == SIGABRT || crash.signal == SIGSEGV || crash.signal == SIGBUS ||
                         crash.signal == SIGILL || crash.signal == SIGFPE || crash.signal == SIGTRAP ||
                         crash.signal == SIGSYS;
  if (by_itself) {
    const std::scoped_lock guard(lock_);
    if (phase_ != Phase::kEnded && !crash_) crash_ = std::move(crash);
  }
  end(death(signal, rip, address, function));
}

std::optional<operate::CrashReport> Runtime::crash_report() const {
  const std::scoped_lock guard(lock_);
  return crash_;
}

// The end that the program chose, with the report that the kernel may have left (boundary/attestation.h).
ExitStatus Runtime::exit_of(std::uint32_t thread, const Registers& registers) const {
  ExitStatus status{.code = static_cast<int>(registers.rsi & 0xff)};
  if (registers.rdx == sizeof(sgx::Report)) {
    const auto report = exchange(thread).first(sizeof(sgx::Report));
    status.attestation.assign(report.begin(), report.end());
  }
  status.attestation_refused = registers.rdx == boundary::kReportRefused;
  return status;
}

void Runtime::end(const ExitStatus& status) {
  {
    const std::scoped_lock guard(lock_);
    if (phase_ == Phase::kEnded) return;
    phase_ = Phase::kEnded;
    status_ = status;
  }
  cancel_waits();
  changed_.notify_all();
  event_.notify_all();
  rung_->destroy();
}

// Host threads that sit in a read() for the enclave come back.
void Runtime::cancel_waits() {
  FileService* files = nullptr;
  NetworkService* network = nullptr;
  {
    const std::scoped_lock guard(lock_);
    files = files_.get();  // set once, and there until the end
    network = network_.get();
  }
  if (files != nullptr) files->cancel_waits();
  if (network != nullptr) network->cancel_waits();
}

void Runtime::end_lost() {
  {
    const std::scoped_lock guard(lock_);
    if (phase_ == Phase::kEnded) return;
    phase_ = Phase::kEnded;
    // Nobody asked for it: the cell was killed from outside, or its filter killed it.
    if (!destroyed_) status_ = ExitStatus{.signal = SIGKILL, .detail = "the cell was killed"};
  }
  cancel_waits();
  changed_.notify_all();
  event_.notify_all();
}

void Runtime::destroy() {
  {
    const std::scoped_lock guard(lock_);
    destroyed_ = true;
    phase_ = Phase::kEnded;
  }
  cancel_waits();
  changed_.notify_all();
  event_.notify_all();
  rung_->destroy();
}

Result<ExitStatus> Runtime::wait() {
  {
    std::unique_lock guard(lock_);
    if (phase_ == Phase::kLoaded) return input_error("the enclave was not started");
    changed_.wait(guard, [this] { return phase_ == Phase::kEnded; });
  }
  const std::scoped_lock guard(lock_);
  wipe_start_block(rung_->arena(), std::exchange(start_block_, {}));
  if (!status_) return fail(ErrorKind::kLost, "the enclave was destroyed");
  return *status_;
}

std::optional<std::uint32_t> Runtime::take_idle_thread() {
  if (phase_.load(std::memory_order_acquire) == Phase::kRunning) {
    if (const auto thread = idle_.take()) return thread;
  }
  return wait_for_idle_thread();
}

std::optional<std::uint32_t> Runtime::wait_for_idle_thread() {
  std::unique_lock guard(lock_);
  if (phase_ == Phase::kLoaded) return std::nullopt;
  ++waiting_;
  idle_.announce_waiter();
  std::optional<std::uint32_t> thread;
  changed_.wait(guard, [&] { return phase_ == Phase::kEnded || (thread = idle_.take()); });
  if (--waiting_ == 0 && !destroyed_) idle_.no_waiter();
  changed_.notify_all();  // the destructor waits for us
  return thread;
}

void Runtime::give_back(std::uint32_t thread, Pause pause) {
  if (pause == Pause::kNextCall && !idle_.give(thread)) return;
  const std::scoped_lock guard(lock_);
  if (pause != Pause::kNextCall) --serving_;
  changed_.notify_all();  // who waits for the end waits here too, and must not be the only one that is told
}

}  // namespace coffer::host
