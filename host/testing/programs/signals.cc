// A program of signals, for the tests of the kernel's side of them: argv[1] says which. Each prints one line that is
// the same outside an enclave.
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cfenv>
#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace {

using Handler = void (*)(int, siginfo_t*, void*);

void handle(int signal, Handler handler, int flags = 0) {
  struct sigaction action{};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | flags;
  if (::sigaction(signal, &action, nullptr) != 0) std::abort();
}

volatile sig_atomic_t count = 0;
void count_it(int, siginfo_t*, void*) { count = count + 1; }

sigset_t set_of(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : signals) sigaddset(&set, signal);
  return set;
}

std::uint64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint64_t reg(const ucontext_t* context, int index) {
  return static_cast<std::uint64_t>(context->uc_mcontext.gregs[index]);
}

// Where nothing is. The compiler does not know.
volatile std::uintptr_t nowhere = 0;
void write_nowhere(std::uintptr_t offset) { *reinterpret_cast<volatile int*>(nowhere + offset) = 1; }

// --- what a handler is told

siginfo_t told;
ucontext_t context_told;
sigjmp_buf back;
void note_and_jump(int, siginfo_t* info, void* context) {
  told = *info;
  context_told = *static_cast<ucontext_t*>(context);
  siglongjmp(back, 1);
}

void report(const char* what, std::uint64_t address) {
  std::printf("%s signal %d code %d address %s trap %llu\n", what, told.si_signo, told.si_code,
              reinterpret_cast<std::uint64_t>(told.si_addr) == address ? "right" : "wrong",
              static_cast<unsigned long long>(reg(&context_told, REG_TRAPNO)));
}

__attribute__((noinline)) void divide(volatile int* zero) { *zero = 5 / *zero; }

int faults() {
  for (int signal : {SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGBUS}) handle(signal, note_and_jump);
  volatile int zero = 0;
  if (sigsetjmp(back, 1) == 0) write_nowhere(0x10);
  report("null", 0x10);
  auto* page = static_cast<char*>(::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (sigsetjmp(back, 1) == 0) page[5] = 1;
  report("none", reinterpret_cast<std::uint64_t>(page) + 5);
  if (sigsetjmp(back, 1) == 0) divide(&zero);
  report("divide", reg(&context_told, REG_RIP));
  if (sigsetjmp(back, 1) == 0) {
    feenableexcept(FE_DIVBYZERO);
    volatile double d = 0;
    d = 1 / d;
  }
  report("sse", reg(&context_told, REG_RIP));
  if (sigsetjmp(back, 1) == 0) asm volatile("ud2");
  report("illegal", reg(&context_told, REG_RIP));
  if (sigsetjmp(back, 1) == 0) asm volatile("int3");
  report("breakpoint", 0);
  if (sigsetjmp(back, 1) == 0) reinterpret_cast<void (*)()>(0x20)();
  report("jump", 0x20);
  std::printf("rip %llu\n", static_cast<unsigned long long>(reg(&context_told, REG_RIP)));
  return 0;
}

// --- a handler that repairs and goes on

char* guarded = nullptr;
void open_page(int, siginfo_t* info, void*) {
  count = count + 1;
  ::mprotect(guarded, 4096, PROT_READ | PROT_WRITE);
  if (info->si_addr != guarded + 7) std::_Exit(9);
}
void skip_instruction(int, siginfo_t*, void* raw) {
  auto* context = static_cast<ucontext_t*>(raw);
  context->uc_mcontext.gregs[REG_RIP] += 2;
  context->uc_mcontext.gregs[REG_R12] = 4711;
}
int repair() {
  guarded = static_cast<char*>(::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  handle(SIGSEGV, open_page);
  guarded[7] = 'x';
  handle(SIGILL, skip_instruction);
  std::uint64_t r12 = 0;
  asm volatile("xor %%r12, %%r12\n\tud2\n\tmov %%r12, %0" : "=r"(r12)::"r12");
  std::printf("%d %c %llu\n", static_cast<int>(count), guarded[7], static_cast<unsigned long long>(r12));
  return 0;
}

// --- a stack that overflows

volatile char sink = 0;
volatile int deepest = 1 << 30;
__attribute__((noinline)) int overflow(int depth) {
  volatile char big[2048];
  big[0] = static_cast<char>(depth);
  sink = sink + big[0];
  return depth == deepest ? 0 : overflow(depth + 1) + big[0];
}
int altstack() {
  std::vector<char> memory(64 * 1024);
  stack_t stack{};
  stack.ss_sp = memory.data();
  stack.ss_size = memory.size();
  stack_t before{};
  if (::sigaltstack(&stack, &before) != 0) return 1;
  handle(SIGSEGV, note_and_jump, SA_ONSTACK);
  if (sigsetjmp(back, 1) == 0) std::printf("%d\n", overflow(0));
  if (sigsetjmp(back, 1) == 0) std::printf("%d\n", overflow(0));
  stack_t now{};
  ::sigaltstack(nullptr, &now);
  std::printf("disabled before %d, again and again, on it now %d, size %zu\n", before.ss_flags == SS_DISABLE,
              now.ss_flags, now.ss_size);
  return told.si_signo == SIGSEGV ? 0 : 1;
}

// --- masks, order, nesting

std::string trace;
void write_down(int signal, siginfo_t* info, void*) {
  trace +=
      std::to_string(signal) + (info->si_code == SI_QUEUE ? "q" + std::to_string(info->si_value.sival_int) : "") + " ";
}
void nest(int signal, siginfo_t*, void*) {
  trace += "(" + std::to_string(signal) + " ";
  std::raise(SIGUSR2);
  std::raise(signal);  // blocked while it is handled
  trace += ") ";
}
int masks() {
  for (int signal : {SIGUSR2, SIGTERM, SIGRTMIN, SIGRTMIN + 1}) handle(signal, write_down);
  sigset_t all = set_of({SIGUSR2, SIGTERM, SIGRTMIN, SIGRTMIN + 1});
  sigset_t old;
  ::sigprocmask(SIG_BLOCK, &all, &old);
  for (int i = 0; i < 3; ++i) {
    std::raise(SIGUSR2);
    ::sigqueue(::getpid(), SIGRTMIN, {.sival_int = i});
  }
  ::sigqueue(::getpid(), SIGRTMIN + 1, {.sival_int = 9});
  ::kill(::getpid(), SIGTERM);
  sigset_t pending;
  ::sigpending(&pending);
  std::printf("pending %d %d %d; ", sigismember(&pending, SIGUSR2), sigismember(&pending, SIGRTMIN),
              sigismember(&pending, SIGHUP));
  ::sigprocmask(SIG_SETMASK, &old, nullptr);
  handle(SIGUSR1, [](int signal, siginfo_t* i, void* c) {
    static int depth = 0;
    if (depth++ == 0) nest(signal, i, c);
  });
  std::raise(SIGUSR1);
  handle(SIGHUP, write_down, static_cast<int>(SA_RESETHAND));
  std::raise(SIGHUP);
  struct sigaction now{};
  ::sigaction(SIGHUP, nullptr, &now);
  std::printf("%sreset %d\n", trace.c_str(), now.sa_handler == SIG_DFL);
  return 0;
}

int waits() {
  sigset_t set = set_of({SIGUSR1, SIGUSR2});
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  timespec soon{0, 1'000'000};
  errno = 0;
  const int none = ::sigtimedwait(&set, nullptr, &soon);
  std::printf("%d %d ", none, errno == EAGAIN);
  ::sigqueue(::getpid(), SIGUSR2, {.sival_int = 5});
  siginfo_t info{};
  const int got = ::sigwaitinfo(&set, &info);
  std::printf("%d %d %d ", got, info.si_value.sival_int, info.si_code);
  std::thread other([main = ::pthread_self()] { ::pthread_kill(main, SIGUSR1); });
  std::printf("%d ", ::sigwaitinfo(&set, nullptr));
  other.join();
  handle(SIGUSR1, count_it);
  std::raise(SIGUSR1);
  sigset_t nothing = set_of({});
  const int suspended = ::sigsuspend(&nothing);
  sigset_t after;
  ::sigprocmask(SIG_BLOCK, nullptr, &after);
  std::printf("%d %d %d %d ", suspended, errno == EINTR, static_cast<int>(count), sigismember(&after, SIGUSR1));
  const int file = ::signalfd(-1, &set, SFD_NONBLOCK);
  signalfd_siginfo read_info{};
  const bool empty = ::read(file, &read_info, sizeof(read_info)) < 0 && errno == EAGAIN;
  ::kill(::getpid(), SIGUSR2);
  pollfd ready{file, POLLIN, 0};
  const int polled = ::poll(&ready, 1, 1000);
  const auto size = ::read(file, &read_info, sizeof(read_info));
  std::printf("%d %d %zd %u\n", empty, polled, size, read_info.ssi_signo);
  return 0;
}

// --- interrupted calls

template <class Call>
void interrupted(const char* name, int flags, Call call) {
  handle(SIGALRM, count_it, flags);
  const itimerval soon{{0, 0}, {0, 20'000}};
  ::setitimer(ITIMER_REAL, &soon, nullptr);
  errno = 0;
  const long result = call();
  std::printf("%s %ld %s; ", name, result, result < 0 ? strerrorname_np(errno) : "");
}
int interruptions() {
  int ends[2];
  if (::pipe(ends) != 0) return 1;
  char byte = 0;
  interrupted("read", 0, [&] { return ::read(ends[0], &byte, 1); });
  std::thread writer([&] {
    while (count < 2) std::this_thread::yield();
    (void)!::write(ends[1], "x", 1);
  });
  interrupted("restarted", SA_RESTART, [&] { return ::read(ends[0], &byte, 1); });
  writer.join();
  interrupted("nanosleep", SA_RESTART, [&] {
    timespec left{};
    const timespec long_time{100, 0};
    const int result = ::nanosleep(&long_time, &left);
    return left.tv_sec > 90 && left.tv_sec < 100 ? result : 77;
  });
  interrupted("poll", SA_RESTART, [&] {
    pollfd one{ends[0], POLLIN, 0};
    return ::poll(&one, 1, 60'000);
  });
  // Blocked but for the time of the wait: the signal is there before, and ends the wait at once.
  sigset_t alarm_only = set_of({SIGALRM});
  sigset_t nothing = set_of({});
  ::sigprocmask(SIG_BLOCK, &alarm_only, nullptr);
  interrupted("ppoll", SA_RESTART, [&] {
    pollfd one{ends[0], POLLIN, 0};
    return ::ppoll(&one, 1, nullptr, &nothing);
  });
  ::sigprocmask(SIG_UNBLOCK, &alarm_only, nullptr);
  interrupted("pause", SA_RESTART, [] { return ::pause(); });
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  ::pthread_mutex_lock(&mutex);
  std::thread unlocker([&] {
    while (count < 7) std::this_thread::yield();
    ::pthread_mutex_unlock(&mutex);
  });
  interrupted("mutex", 0, [&] { return ::pthread_mutex_lock(&mutex); });
  unlocker.join();
  // Ignored signals interrupt nothing.
  ::signal(SIGALRM, SIG_IGN);
  const itimerval soon{{0, 0}, {0, 5'000}};
  ::setitimer(ITIMER_REAL, &soon, nullptr);
  const timespec short_time{0, 30'000'000};
  const std::uint64_t begin = now_ns();
  const int slept = ::nanosleep(&short_time, nullptr);
  std::printf("ignored %d %d, %d signals\n", slept, now_ns() - begin >= 30'000'000, static_cast<int>(count));
  return 0;
}

// --- timers

int timers() {
  handle(SIGALRM, count_it);
  const itimerval often{{0, 2'000}, {0, 2'000}};
  ::setitimer(ITIMER_REAL, &often, nullptr);
  while (count < 20) {
  }
  const itimerval never{};
  itimerval last{};
  ::setitimer(ITIMER_REAL, &never, &last);
  const int so_far = count;
  std::printf("interval %d %d; ", last.it_interval.tv_usec == 2000, so_far >= 20);

  static volatile sig_atomic_t value = 0;
  handle(SIGRTMIN + 2, [](int, siginfo_t* info, void*) {
    const int number = info->si_value.sival_int;
    value = info->si_code == SI_TIMER ? number : -1;
  });
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGRTMIN + 2;
  event.sigev_value.sival_int = 42;
  timer_t timer{};
  if (::timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) return 1;
  itimerspec once{{0, 0}, {0, 3'000'000}};
  ::timer_settime(timer, 0, &once, nullptr);
  while (value == 0) {
  }
  itimerspec left{};
  ::timer_gettime(timer, &left);
  std::printf("timer %d %ld; ", static_cast<int>(value), left.it_value.tv_nsec);
  // Blocked for ten periods: one signal, and the rest as overrun.
  sigset_t set = set_of({SIGRTMIN + 2});
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  itimerspec fast{{0, 1'000'000}, {0, 1'000'000}};
  ::timer_settime(timer, 0, &fast, nullptr);
  const timespec wait{0, 30'000'000};
  ::nanosleep(&wait, nullptr);
  siginfo_t info{};
  ::sigwaitinfo(&set, &info);
  std::printf("overrun %d %d; ", info.si_overrun >= 9, ::timer_getoverrun(timer) == info.si_overrun);
  const int deleted = ::timer_delete(timer);
  const int deleted_again = ::timer_delete(timer);
  std::printf("delete %d %d; ", deleted, deleted_again);

  const int file = ::timerfd_create(CLOCK_MONOTONIC, 0);
  itimerspec period{{0, 2'000'000}, {0, 2'000'000}};
  ::timerfd_settime(file, 0, &period, nullptr);
  ::nanosleep(&wait, nullptr);
  std::uint64_t times = 0;
  const ssize_t size = ::read(file, &times, sizeof(times));
  std::printf("timerfd %zd %d; ", size, times >= 14 && times < 10'000);

  timespec until{};
  ::clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += 0;
  until.tv_nsec += 20'000'000;
  if (until.tv_nsec >= 1'000'000'000) {
    until.tv_nsec -= 1'000'000'000;
    ++until.tv_sec;
  }
  const int slept = ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
  timespec after{};
  ::clock_gettime(CLOCK_MONOTONIC, &after);
  const bool late = after.tv_sec > until.tv_sec || (after.tv_sec == until.tv_sec && after.tv_nsec >= until.tv_nsec);
  const unsigned before = ::alarm(100);
  const unsigned left_of_alarm = ::alarm(0);
  std::printf("absolute %d %d; alarm %u %u\n", slept, late, before, left_of_alarm);
  return 0;
}

// A profiling timer counts this process's own work.
int profile() {
  handle(SIGPROF, count_it, SA_RESTART);
  const itimerval often{{0, 10'000}, {0, 10'000}};
  ::setitimer(ITIMER_PROF, &often, nullptr);
  volatile std::uint64_t work = 0;
  while (count < 5) work = work + 1;
  std::printf("profiled\n");
  return 0;
}

// --- signals between threads, and to threads that compute

int threads() {
  static std::atomic<int> hits{0};
  static thread_local int mine = 0;
  handle(SIGUSR1, [](int, siginfo_t*, void*) {
    ++mine;
    ++hits;
  });
  constexpr int kThreads = 4;
  constexpr int kRounds = 50;
  std::atomic<bool> over{false};
  std::atomic<int> right{0};
  std::vector<std::thread> all;
  for (int i = 0; i < kThreads; ++i) {
    all.emplace_back([&, i] {
      while (!over) {
        if (i % 2 == 0) {
          volatile int spin = 0;
          for (int n = 0; n < 1000; ++n) spin = spin + n;
        } else {
          const timespec nap{0, 50'000'000};
          ::nanosleep(&nap, nullptr);
        }
      }
      if (mine == kRounds) ++right;
    });
  }
  for (int round = 1; round <= kRounds; ++round) {
    for (auto& thread : all) ::pthread_kill(thread.native_handle(), SIGUSR1);
    while (hits < round * kThreads) std::this_thread::yield();
  }
  over = true;
  for (auto& thread : all) thread.join();
  std::printf("%d %d\n", hits.load(), right.load());
  return 0;
}

// --- every register through a storm of signals

struct alignas(64) Vectors {
  std::uint64_t words[16][8];
};
// What the running thread expects; the handler spoils all registers it may.
void spoil(int, siginfo_t*, void*) {
  count = count + 1;
  asm volatile(
      "pcmpeqd %%xmm0, %%xmm0\n\tpcmpeqd %%xmm1, %%xmm1\n\tpcmpeqd %%xmm2, %%xmm2\n\tpcmpeqd %%xmm3, %%xmm3\n\t"
      "pcmpeqd %%xmm8, %%xmm8\n\tpcmpeqd %%xmm15, %%xmm15\n\tmov $-1, %%rax\n\tmov %%rax, %%rcx\n\tmov %%rax, %%rdx\n\t"
      "mov %%rax, %%rsi\n\tmov %%rax, %%rdi\n\tmov %%rax, %%r8\n\tmov %%rax, %%r9\n\tmov %%rax, %%r10\n\t"
      "mov %%rax, %%r11\n\tstd\n\tcld" ::
          : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3", "xmm8",
            "xmm15", "cc");
}

// All general registers but RSP, all XMM registers and the red zone hold known values for a while; how many differ
// then.
__attribute__((noinline)) long hold_registers(long rounds) {
  long wrong = 0;
  alignas(64) std::uint64_t seen[16 * 2];
  std::uint64_t general[14];
  asm volatile(
      "mov $0x1111111111111111, %%rax\n\t"
      "movq %%rax, %%xmm0\n\tmovq %%rax, %%xmm15\n\tmovq %%rax, %%xmm7\n\t"
      "punpcklqdq %%xmm0, %%xmm0\n\tpunpcklqdq %%xmm15, %%xmm15\n\tpunpcklqdq %%xmm7, %%xmm7\n\t"
      "mov %[rounds], %%rcx\n\t"
      "mov $2, %%rax\n\tmov $3, %%rdx\n\tmov $4, %%rbx\n\tmov $8, %%r8\n\tmov $9, %%r9\n\tmov $10, %%r10\n\t"
      "mov $11, %%r11\n\tmov $12, %%r12\n\tmov $13, %%r13\n\tmov $14, %%r14\n\t"
      "movq $77, -64(%%rsp)\n\tmovq $78, -128(%%rsp)\n"
      "1:\n\t"
      "sub $1, %%rcx\n\t"
      "jnz 1b\n\t"
      "movdqa %%xmm0, 0(%[seen])\n\tmovdqa %%xmm15, 16(%[seen])\n\tmovdqa %%xmm7, 32(%[seen])\n\t"
      "mov %%rax, 0(%[general])\n\tmov %%rdx, 8(%[general])\n\tmov %%rbx, 16(%[general])\n\tmov %%r8, "
      "24(%[general])\n\t"
      "mov %%r9, 32(%[general])\n\tmov %%r10, 40(%[general])\n\tmov %%r11, 48(%[general])\n\tmov %%r12, "
      "56(%[general])\n\t"
      "mov %%r13, 64(%[general])\n\tmov %%r14, 72(%[general])\n\tmov %%rcx, 80(%[general])\n\t"
      "mov -64(%%rsp), %%rax\n\tmov %%rax, 88(%[general])\n\tmov -128(%%rsp), %%rax\n\tmov %%rax, 96(%[general])"
      :
      : [rounds] "r"(rounds), [seen] "S"(seen), [general] "D"(general)
      : "rax", "rcx", "rdx", "rbx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "xmm0", "xmm7", "xmm15", "memory",
        "cc");
  for (int i = 0; i < 6; ++i) wrong += seen[i] != 0x1111111111111111 ? 1 : 0;
  const std::uint64_t expected[13] = {2, 3, 4, 8, 9, 10, 11, 12, 13, 14, 0, 77, 78};
  for (int i = 0; i < 13; ++i) wrong += general[i] != expected[i] ? 1 : 0;
  return wrong;
}

int storm() {
  handle(SIGUSR1, spoil);
  handle(SIGALRM, spoil);
  std::atomic<bool> over{false};
  std::thread sender([&, main = ::pthread_self()] {
    while (!over) {
      ::pthread_kill(main, SIGUSR1);
      volatile int pause = 20'000;
      while (pause > 0) pause = pause - 1;
    }
  });
  const itimerval often{{0, 500}, {0, 500}};
  ::setitimer(ITIMER_REAL, &often, nullptr);
  long wrong = 0;
  long sum = 0;
  while (count < 2000) {
    wrong += hold_registers(20'000);
    // And through system calls, on whatever path.
    for (int i = 0; i < 50; ++i) sum += ::syscall(SYS_getuid) - static_cast<long>(::getuid());
  }
  over = true;
  sender.join();
  std::printf("%ld wrong %ld\n", wrong, sum);
  return wrong == 0 ? 0 : 1;
}

// --- from outside

volatile sig_atomic_t stop = 0;
int daemon_life() {
  static volatile sig_atomic_t winch = 0;
  static volatile sig_atomic_t hup = 0;
  handle(SIGTERM, [](int, siginfo_t*, void*) { stop = 1; });
  handle(SIGHUP, [](int, siginfo_t*, void*) { hup = hup + 1; });
  handle(SIGWINCH, [](int, siginfo_t*, void*) { winch = winch + 1; });
  ::signal(SIGINT, SIG_IGN);
  std::puts("ready");
  std::fflush(stdout);
  int reported = 0;
  while (stop == 0) {
    const timespec nap{0, 5'000'000};
    ::nanosleep(&nap, nullptr);
    if (hup != reported) {
      reported = hup;
      std::printf("reloaded %d\n", reported);
      std::fflush(stdout);
    }
  }
  std::printf("stopped %d %d\n", static_cast<int>(hup), static_cast<int>(winch));
  return 5;
}

int compute_until_term() {
  handle(SIGTERM, [](int, siginfo_t*, void*) { stop = 1; });
  std::puts("ready");
  std::fflush(stdout);
  while (stop == 0) {
  }
  std::puts("computed");
  return 6;
}

int wait_for_term() {
  sigset_t set = set_of({SIGTERM, SIGUSR1});
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  std::puts("ready");
  std::fflush(stdout);
  int signal = 0;
  ::sigwait(&set, &signal);
  std::printf("got %d\n", signal);
  return 7;
}

int read_until_term() {
  handle(SIGTERM, [](int, siginfo_t*, void*) { stop = 1; });
  std::puts("ready");
  std::fflush(stdout);
  char byte = 0;
  const ssize_t got = ::read(0, &byte, 1);
  std::printf("read %zd %s\n", got, got < 0 ? strerrorname_np(errno) : "");
  return 8;
}

// --- deaths

int die(const std::string& how) {
  if (how == "blocked") {
    sigset_t set = set_of({SIGSEGV});
    handle(SIGSEGV, count_it);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    write_nowhere(8);
  }
  if (how == "ignored") {
    ::signal(SIGFPE, SIG_IGN);
    volatile int zero = 0;
    divide(&zero);
  }
  if (how == "in-handler") {
    handle(SIGSEGV, [](int, siginfo_t*, void*) { write_nowhere(16); });
    write_nowhere(8);
  }
  if (how == "no-stack") {
    handle(SIGSEGV, count_it);
    return overflow(0);
  }
  if (how == "alarm") {
    ::alarm(1);
    while (true) ::pause();
  }
  if (how == "pipe") {
    int ends[2];
    (void)!::pipe(ends);
    ::close(ends[0]);
    (void)!::write(ends[1], "x", 1);
  }
  if (how == "kill") ::kill(::getpid(), SIGKILL);
  if (how == "return-to-nowhere") {
    handle(SIGUSR1, [](int, siginfo_t*, void* raw) {
      auto* context = static_cast<ucontext_t*>(raw);
      context->uc_mcontext.gregs[REG_RIP] = 0x1234;
    });
    std::raise(SIGUSR1);
  }
  return 0;
}

// --- what else a program asks

int questions() {
  errno = 0;
  const long child = ::fork();
  if (child == 0) ::_exit(0);
  std::printf("fork %ld %s; ", child, strerrorname_np(errno));
  ::signal(SIGPIPE, SIG_IGN);
  int ends[2];
  if (::pipe(ends) != 0) return 1;
  ::close(ends[0]);
  const ssize_t written = ::write(ends[1], "x", 1);
  std::printf("pipe %zd %s; ", written, strerrorname_np(errno));
  rusage usage{};
  const int told_usage = ::getrusage(RUSAGE_SELF, &usage);
  std::printf("rusage %d %d; ", told_usage, usage.ru_maxrss > 0);
  std::printf("priority %d scheduler %d max %d\n", ::getpriority(PRIO_PROCESS, 0), ::sched_getscheduler(0),
              ::sched_get_priority_max(SCHED_FIFO));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::map<std::string, int (*)()> lives = {
      {"faults", faults},         {"repair", repair},        {"altstack", altstack},  {"masks", masks},
      {"waits", waits},           {"timers", timers},        {"profile", profile},    {"interruptions", interruptions},
      {"threads", threads},       {"storm", storm},          {"daemon", daemon_life}, {"compute", compute_until_term},
      {"sigwait", wait_for_term}, {"read", read_until_term}, {"questions", questions}};
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "die" && argc > 2) return die(argv[2]);
  const auto life = lives.find(what);
  return life != lives.end() ? life->second() : 99;
}
