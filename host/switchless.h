// The host's half of calls without a change of sides (boundary/switchless.h): the queues, the workers, when they sleep.
#pragma once

#include <coffer/host.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "boundary/switchless.h"

namespace coffer::host {

// Worker threads of this process that sleep while there is nothing for them. Thread-safe.
class Workers {
 public:
  // `work` looks for calls until there are none for a while.
  Workers(std::uint32_t count, std::function<void()> work);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // A call found no worker. Where that happens often, one is woken.
  void missed();
  void stop();

 private:
  void run();
  std::function<void()> work_;
  std::mutex lock_;
  std::condition_variable wake_;
  std::uint32_t asleep_ = 0, wanted_ = 0;
  bool stopping_ = false;
  std::atomic<std::uint32_t> misses_{0};
  std::atomic<std::int64_t> last_look_{0};  // at the clock
  std::vector<std::thread> threads_;
};

class SwitchlessService {
 public:
  struct Links {
    std::function<CallResult(const HostCall&)> answer;  // an OCALL
    std::function<Result<CallResult>(std::uint64_t, std::span<const std::byte>, std::span<std::byte>)> call;
    std::function<bool(std::uint64_t address, std::uint64_t size)> reaches;
    std::function<bool()> ended;    // the enclave
    const void* enclave = nullptr;  // host/enclave_order.h
  };
  // `memory`: two queues' worth, in memory that the enclave reaches, aligned to 64; the caller's to give back after
  // stop().
  SwitchlessService(std::byte* memory, const Switchless& workers, Links links);
  static constexpr std::size_t kMemory = 2 * sizeof(boundary::SwitchlessQueue);

  // Tells the enclave.
  [[nodiscard]] Result<void> begin();
  // True where a worker looks for calls into the enclave; where not, says that one was missed.
  [[nodiscard]] bool somebody_looks();
  // Nothing where no worker served it. Both spans are in memory that the enclave reaches.
  [[nodiscard]] std::optional<CallResult> call(std::uint64_t index, std::span<const std::byte> input,
                                               std::span<std::byte> output);
  // An OCALL has come the usual way.
  void ocall_came();
  // Ends the workers. Calls into the enclave must end by themselves: it is destroyed, or still serves.
  void stop();

 private:
  void serve_ocalls();
  CallResult serve(const boundary::SwitchlessSlot& slot);

  Links links_;
  boundary::SwitchlessQueue* ecalls_;
  boundary::SwitchlessQueue* ocalls_;
  std::uint32_t looks_;
  std::atomic<std::uint32_t> misses_seen_{0};
  std::atomic<bool> stopping_{false};
  std::optional<Workers> host_workers_, enclave_workers_;
};

}  // namespace coffer::host
