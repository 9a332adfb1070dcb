// The host's side of a running enclave: its threads, the requests they leave with, calls into it.
#pragma once

#include <coffer/host.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "boundary/call_frames.h"
#include "host/files/file_service.h"
#include "host/idle_threads.h"
#include "host/image/coffer_image.h"
#include "host/network/network_service.h"
#include "host/operate/crash_report.h"
#include "host/operate/status.h"
#include "host/rung.h"
#include "host/shared_memory.h"
#include "host/start_info.h"
#include "host/switchless.h"

namespace coffer::host {

// Thread-safe as Enclave is.
class Runtime {
 public:
  Runtime(image::CofferImage image, std::unique_ptr<Rung> rung, std::byte* exchange);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  [[nodiscard]] Result<void> start(const RunOptions& options);
  [[nodiscard]] Result<ExitStatus> wait();
  [[nodiscard]] Result<CallResult> call(std::uint64_t index, std::span<const std::byte> input,
                                        std::span<std::byte> output);
  [[nodiscard]] Result<void> wait_until_serving();
  [[nodiscard]] std::optional<ExitStatus> exit_status() const;
  void serve_host_calls(HostCallHandler handler) { host_call_handler_ = std::move(handler); }
  [[nodiscard]] Result<void> use_switchless(const Switchless& workers);
  [[nodiscard]] Result<CallResult> call_switchless(std::uint64_t index, std::span<const std::byte> input,
                                                   std::span<std::byte> output);
  [[nodiscard]] void* allocate_shared(std::uint64_t size) { return shared_.allocate(size); }
  void release_shared(void* memory) { shared_.release(memory); }
  void destroy();
  [[nodiscard]] bool raise(int signal);
  [[nodiscard]] Rung& rung() { return *rung_; }
  [[nodiscard]] const Rung& rung() const { return *rung_; }
  [[nodiscard]] const image::CofferImage& image() const { return image_; }
  // Who knows the function at an offset of this enclave: asked where a DEBUG enclave dies, by the thread that carried
  // it. Before start().
  void name_functions(std::function<std::string(std::uint64_t)> namer) { function_name_ = std::move(namer); }
  // For those who operate it; from any thread.
  [[nodiscard]] operate::Counters counters() const;
  // After the end by a fault or abort: all that is known but the enclave's name and id.
  [[nodiscard]] std::optional<operate::CrashReport> crash_report() const;
  [[nodiscard]] std::uint32_t live_threads() const { return live_threads_.load(std::memory_order_relaxed); }

 private:
  enum class Phase { kLoaded, kRunning, kEnded };
  // What drive() came back for.
  enum class Pause { kNextCall, kNestedReturn, kThreadOver };
  // Of one enclave thread, written by the host thread that drives it.
  struct alignas(64) HostCounters {
    std::atomic<std::uint64_t> ecalls{0}, ocalls{0};
  };
  struct CallBuffer {
    std::byte* block = nullptr;
    std::uint64_t size = 0;
  };
  // Where a call's data stands for the enclave.
  struct CallPlaces {
    const std::byte* input = nullptr;
    std::byte* output = nullptr;
  };
  // What host threads are doing for an enclave thread; of the thread that drives it.
  struct CallState {
    bool has_caller = false;       // a call() waits for what it comes to
    std::uint32_t nested = 0;      // calls that were made from host calls of it, and are not over
    std::exception_ptr exception;  // what a host call threw
  };
  class HostCallScope;

  Result<void> prepare_start(const RunOptions& options);
  // Carries enclave thread `thread` until it waits for a call or is over.
  Pause drive(std::uint32_t thread, Registers& registers);
  Pause carry(std::uint32_t thread, Registers& registers);
  // Answers one request in place. False: the thread is over.
  bool serve(std::uint32_t thread, Registers& registers);
  [[nodiscard]] const boundary::ExchangeArea& area(std::uint32_t thread) const;
  void host_thread(std::uint32_t thread, Registers registers);
  std::int64_t spawn(std::uint32_t caller, std::uint64_t thread);
  // kWaitEvent of the enclave kernel's own thread: the next signal, or 0.
  std::int64_t wait_for_event(std::uint64_t timeout_ns);
  void wake_event_waiter();
  [[nodiscard]] ExitStatus exit_of(std::uint32_t thread, const Registers& registers) const;
  void end(const ExitStatus& status);
  // The end by a signal: what the enclave left of it in its thread's area is kept for crash_report().
  void end_by_signal(std::uint32_t thread, int signal, std::uint64_t rip, std::uint64_t address);
  void end_lost();
  void cancel_waits();
  void log(std::uint32_t thread, std::uint64_t length);
  std::optional<std::uint32_t> take_idle_thread();
  std::optional<std::uint32_t> wait_for_idle_thread();
  // The end of a call, or of the first way to where calls are waited for. The last that a caller does here.
  void give_back(std::uint32_t thread, Pause pause);
  bool prepare_buffer(std::uint32_t thread, std::uint64_t size);
  void serve_host_call(std::uint32_t thread, Registers& registers);
  Result<CallResult> nested_call(std::uint32_t thread, std::uint64_t index, std::span<const std::byte> input,
                                 std::span<std::byte> output);
  CallResult collect(std::uint32_t thread, const Registers& registers, const CallPlaces& places,
                     std::span<std::byte> output);
  // Bytes that place() needs.
  [[nodiscard]] std::uint64_t room_for(std::span<const std::byte> input, std::span<std::byte> output) const;
  // The spans themselves where the enclave reaches them, else places in `block`, to which the input is copied.
  [[nodiscard]] bool in_place(std::span<const std::byte> span) const;
  [[nodiscard]] CallPlaces place(std::span<const std::byte> input, std::span<std::byte> output, std::byte* block) const;
  std::span<std::byte> exchange(std::uint32_t thread) const;
  // What a call says that the enclave did not survive.
  [[nodiscard]] std::unexpected<Error> lost_call() const;
  // Where a debugger of this process is told of calls; null where the enclave runs elsewhere.
  [[nodiscard]] boundary::DebuggerFrames* debugger_frames(std::uint32_t thread) const;

  image::CofferImage image_;
  std::unique_ptr<Rung> rung_;
  SharedMemory shared_;
  std::byte* exchange_;
  std::unique_ptr<FileService> files_;
  std::unique_ptr<NetworkService> network_;
  StartBlock start_block_;
  int log_descriptor_ = 2;

  mutable std::mutex lock_;
  std::condition_variable changed_;  // the phase, or what a call waits for
  std::atomic<Phase> phase_{Phase::kLoaded};
  bool starting_ = false;
  std::optional<ExitStatus> status_;
  std::optional<operate::CrashReport> crash_;
  bool destroyed_ = false;
  std::vector<std::thread> threads_;   // by enclave thread
  IdleThreads idle_;                   // enclave threads that wait for a call
  std::uint32_t serving_ = 0;          // enclave threads that wait for a call or are in one
  std::uint32_t waiting_ = 0;          // host threads that wait for an idle one, or for all of them
  std::vector<CallBuffer> buffers_;    // by enclave thread
  std::vector<CallState> calls_;       // by enclave thread
  HostCallHandler host_call_handler_;  // set before the start
  std::unique_ptr<SwitchlessService> switchless_owner_;
  std::byte* switchless_memory_ = nullptr;
  std::atomic<std::uint64_t> switchless_ecalls_{0};      // by any thread, so none of host_counters_
  std::atomic<SwitchlessService*> switchless_{nullptr};  // the same, once it has begun
  std::unique_ptr<HostCounters[]> host_counters_;        // by enclave thread
  std::atomic<std::uint32_t> live_threads_{0};           // that began and are not over

  std::function<std::string(std::uint64_t)> function_name_;  // set before the start

  std::condition_variable event_;  // for the three below, and the end
  bool takes_signals_ = false;     // the kernel has asked for its thread
  bool event_wake_ = false;
  std::deque<int> signals_;
};

}  // namespace coffer::host
