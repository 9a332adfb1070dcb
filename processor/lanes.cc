#include "processor/lanes.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <csignal>

#include <atomic>
#include <mutex>
#include <new>
#include <vector>

#include "base/file.h"
#include "processor/entry.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_OFF 0
#define PR_SYS_DISPATCH_ON 1
#endif

extern "C" {
extern const char coffer_signal_return[];
extern const char coffer_signal_return_end[];
}

namespace coffer::processor {

namespace {

constexpr std::size_t kBlockSize = std::size_t{64} * 1024;
constexpr std::size_t kMaxLanes = 8192;
constexpr std::size_t kLaneRoom = (sizeof(Lane) + 4095) & ~std::size_t{4095};
constexpr std::size_t kStackOffset = kLaneRoom + 4096;  // a guard page between the lane and the stack above it

std::atomic<std::uintptr_t> region_begin{0};
std::mutex region_lock;
std::vector<std::uintptr_t> free_blocks;
std::size_t blocks_made = 0;
std::atomic<bool> user_dispatch{false};
FileDescriptor secret_memory;  // of kMaxLanes blocks; none on `inline`

bool open_part(std::uintptr_t block, std::size_t offset, std::size_t size) {
  auto* where = reinterpret_cast<void*>(block + offset);
  if (secret_memory) {
    const auto position = static_cast<off_t>(block - region_begin + offset);
    if (::mmap(where, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, secret_memory.get(), position) !=
        MAP_FAILED) {
      return true;
    }
  }
  return ::mprotect(where, size, PROT_READ | PROT_WRITE) == 0;
}

std::uintptr_t take_block() {
  const std::scoped_lock guard(region_lock);
  if (region_begin == 0) {
    void* area =
        ::mmap(nullptr, (kMaxLanes + 1) * kBlockSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (area == MAP_FAILED) return 0;
    region_begin = (reinterpret_cast<std::uintptr_t>(area) + kBlockSize - 1) & ~(kBlockSize - 1);
  }
  if (!free_blocks.empty()) {
    const std::uintptr_t block = free_blocks.back();
    free_blocks.pop_back();
    return block;
  }
  if (blocks_made == kMaxLanes) return 0;
  const std::uintptr_t block = region_begin + blocks_made * kBlockSize;
  if (!open_part(block, 0, kLaneRoom) || !open_part(block, kStackOffset, kBlockSize - kStackOffset)) return 0;
  ++blocks_made;
  return block;
}

// Owns the calling thread's block.
class LaneHolder {
 public:
  LaneHolder() = default;
  LaneHolder(const LaneHolder&) = delete;
  LaneHolder& operator=(const LaneHolder&) = delete;
  ~LaneHolder() {
    if (lane_ == nullptr) return;
    lane_of_thread = nullptr;
    if (user_dispatch) ::prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0, 0, 0);
    ::sigaltstack(&previous_stack_, nullptr);
    lane_->~Lane();
    const std::scoped_lock guard(region_lock);
    free_blocks.push_back(reinterpret_cast<std::uintptr_t>(lane_));
  }

  Lane* get() {
    if (lane_ == nullptr) lane_ = make();
    return lane_;
  }

 private:
  Lane* make() {
    const std::uintptr_t block = take_block();
    if (block == 0) return nullptr;
    Lane* lane = new (reinterpret_cast<void*>(block)) Lane;
    asm volatile("rdfsbase %0" : "=r"(lane->host_fs));
    asm volatile("rdgsbase %0" : "=r"(lane->host_gs));
    lane->thread_id = static_cast<int>(::syscall(SYS_gettid));
    stack_t stack{};
    stack.ss_sp = reinterpret_cast<void*>(block + kStackOffset);
    stack.ss_size = kBlockSize - kStackOffset;
    if (::sigaltstack(&stack, &previous_stack_) != 0) return nullptr;
    if (user_dispatch) {
      ::prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, coffer_signal_return,
              coffer_signal_return_end - coffer_signal_return, &lane->dispatch);
    }
    return lane;
  }

  Lane* lane_ = nullptr;
  stack_t previous_stack_{};
};

thread_local LaneHolder holder;

}  // namespace

Lane* make_lane() { return lane_of_thread = holder.get(); }

Lane* lane_of_stack(std::uintptr_t address) {
  const std::uintptr_t begin = region_begin.load(std::memory_order_relaxed);
  if (begin == 0 || address - begin >= kMaxLanes * kBlockSize) return nullptr;
  return reinterpret_cast<Lane*>(address & ~(kBlockSize - 1));
}

void keep_lanes_secret() {
  const std::scoped_lock guard(region_lock);
  secret_memory = FileDescriptor(static_cast<int>(::syscall(SYS_memfd_secret, O_CLOEXEC)));
  if (secret_memory && ::ftruncate(secret_memory.get(), kMaxLanes * kBlockSize) != 0) secret_memory.reset();
}

void use_syscall_user_dispatch() { user_dispatch = true; }

// Read in signal handlers, with the enclave's FS base.
static std::atomic<int> chosen_signal{0};
int interrupt_signal() {
  const int chosen = chosen_signal.load(std::memory_order_relaxed);
  return chosen != 0 ? chosen : SIGRTMIN + 6;
}
void choose_interrupt_signal(int signal) { chosen_signal.store(signal, std::memory_order_relaxed); }

}  // namespace coffer::processor
