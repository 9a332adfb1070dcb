// A program in the hands of a hostile host. It does what programs do with their kernel, believes nothing that could be
// a lie, and watches over its own memory. The answer is its exit status:
//   0, 3   it went to its end, or met errors that it could not go on with
//   66     its memory changed under it
//   67     a call said that it had worked, and what it gave was wrong
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <coffer/calls.h>
#include <coffer/enclave.h>
#include <coffer/monotonic_counter.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <mutex>
#include <source_location>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

namespace {

enum Verdict : int { kGood = 0, kErrors = 3, kCorrupt = 66, kWrong = 67 };

std::uint64_t next(std::uint64_t& state) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

// Memory whose contents are known: on the heap, in the program's data, on the stack.
class Canary {
 public:
  Canary(std::uint64_t* begin, std::size_t count, std::uint64_t seed) : begin_(begin), count_(count), seed_(seed) {
    std::uint64_t state = seed_;
    for (std::size_t i = 0; i < count_; ++i) begin_[i] = next(state);
  }
  void check() const {
    std::uint64_t state = seed_;
    for (std::size_t i = 0; i < count_; ++i) {
      if (begin_[i] != next(state)) ::_exit(kCorrupt);
    }
  }

 private:
  std::uint64_t* begin_;
  std::size_t count_;
  std::uint64_t seed_;
};

// Says which claim failed, as far as the host passes that on.
void must(bool right, const std::source_location& where = std::source_location::current()) {
  if (right) return;
  std::array<char, 32> line{};
  const int length = std::snprintf(line.data(), line.size(), "wrong in line %u\n", static_cast<unsigned>(where.line()));
  (void)!::write(STDERR_FILENO, line.data(), static_cast<std::size_t>(length));
  ::_exit(kWrong);
}

std::array<std::uint64_t, 4096> data_words;
std::vector<std::uint64_t> heap_words(1 << 16);
const Canary data_canary(data_words.data(), data_words.size(), 11);
const Canary heap_canary(heap_words.data(), heap_words.size(), 22);

void check_all() {
  data_canary.check();
  heap_canary.check();
}

constexpr char kGuard = '\x5e';
// A buffer with guarded space around it.
template <std::size_t kSize>
struct Guarded {
  std::array<char, kSize + 8192> bytes;
  Guarded() { bytes.fill(kGuard); }
  char* data() { return bytes.data() + 4096; }
  // Nothing but the first `used` bytes was written to.
  void check(ssize_t used) const {
    must(used <= static_cast<ssize_t>(kSize));
    const std::size_t begin = 4096;
    const std::size_t end = begin + (used > 0 ? static_cast<std::size_t>(used) : 0);
    for (std::size_t i = 0; i < bytes.size(); ++i) must((i >= begin && i < end) || bytes[i] == kGuard);
  }
};

void read_guarded(int fd) {
  static Guarded<100'000> buffer;
  buffer.bytes.fill(kGuard);
  const ssize_t got = ::read(fd, buffer.data(), 100'000);
  must(got >= -1);
  buffer.check(got);
}

void plain_files(int round) {
  const int fd = ::open("/plain/file", O_RDWR | O_CREAT, 0600);
  must(fd >= -1 && (fd == -1 || fd > 2));
  if (fd >= 0) {
    static const std::array<char, 70'000> text{};
    const ssize_t put = ::pwrite(fd, text.data(), text.size(), round);
    must(put >= -1 && put <= static_cast<ssize_t>(text.size()));
    const off_t at = ::lseek(fd, 5, SEEK_SET);
    must(at == 5 || at == -1);
    const off_t before = ::lseek(fd, 0, SEEK_CUR);
    Guarded<1000> buffer;
    const ssize_t got = ::read(fd, buffer.data(), 1000);
    buffer.check(got);
    if (got >= 0) must(::lseek(fd, 0, SEEK_CUR) == before + got);
    struct stat status{};
    if (::fstat(fd, &status) == 0) must(status.st_size >= 0 && status.st_mtim.tv_nsec < 1'000'000'000);
    (void)::fchmod(fd, 0600);
    (void)!::ftruncate(fd, 100);
    (void)::fsync(fd);
    (void)::close(fd);
  }
  struct stat status{};
  if (::stat("/plain/file", &status) == 0) must(status.st_size >= 0);
  Guarded<300> target;
  const ssize_t length = ::readlink("/plain/link", target.data(), 300);
  target.check(length);
  (void)::chmod("/plain/file", 0640);
  const timespec times[2] = {{1, 2}, {3, 4}};
  (void)::utimensat(AT_FDCWD, "/plain/file", times, AT_SYMLINK_NOFOLLOW);
  (void)::symlink("file", "/plain/link");
  (void)::symlink("/plain/loop", "/plain/loop");
  if (const int behind_links = ::open("/plain/loop/file", O_RDONLY); behind_links >= 0) (void)::close(behind_links);
  (void)::link("/plain/file", "/plain/second");
  (void)::unlink("/plain/second");
  (void)::mkdir("/plain/folder", 0700);
  (void)::rename("/plain/file", "/plain/other");
  (void)::unlink("/plain/other");
  if (DIR* folder = ::opendir("/plain")) {
    for (int i = 0; i < 1000; ++i) {
      const dirent* entry = ::readdir(folder);
      if (entry == nullptr) break;
      const std::string_view name(entry->d_name);
      must(!name.empty() && name.size() < 256 && name.find('/') == std::string_view::npos);
    }
    (void)::closedir(folder);
  }
}

// A connection with itself, as far as the host lets it come about. Nothing waits long.
void sockets() {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const int set = ::epoll_create1(0);
  must((listener == -1 || listener > 2) && (client == -1 || client > 2));
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  const int set_on = ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  must(set_on == 0 || set_on == -1);
  (void)::bind(listener, reinterpret_cast<sockaddr*>(&name), sizeof(name));
  (void)::listen(listener, 4);
  Guarded<sizeof(sockaddr_in)> told;
  socklen_t size = sizeof(sockaddr_in);
  if (::getsockname(listener, reinterpret_cast<sockaddr*>(told.data()), &size) == 0) {
    told.check(sizeof(sockaddr_in));
    std::memcpy(&name, told.data(), sizeof(name));
    (void)::connect(client, reinterpret_cast<sockaddr*>(&name), sizeof(name));
  }
  pollfd waiting[] = {{listener, POLLIN, 0}, {0, POLLIN, 0}};
  must(::poll(waiting, 2, 5) <= 2);
  const int server = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
  epoll_event wanted{};
  wanted.events = EPOLLIN | EPOLLOUT;
  wanted.data.u64 = 4711;
  (void)::epoll_ctl(set, EPOLL_CTL_ADD, server, &wanted);
  static const std::array<char, 3000> text{};
  const ssize_t sent = ::send(client, text.data(), text.size(), MSG_NOSIGNAL);
  must(sent >= -1 && sent <= static_cast<ssize_t>(text.size()));
  epoll_event found[2];
  const int count = ::epoll_wait(set, found, 2, 5);
  must(count <= 2);
  for (int i = 0; i < count; ++i) {
    must(found[i].data.u64 == 4711 && (found[i].events & ~(EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0);
  }
  Guarded<sizeof(int)> there;
  if (::ioctl(server, FIONREAD, there.data()) == 0) {
    there.check(sizeof(int));
    int bytes = 0;
    std::memcpy(&bytes, there.data(), sizeof(bytes));
    must(bytes >= 0);
  }
  const int closed = ::shutdown(client, SHUT_WR);
  must(closed == 0 || closed == -1);
  Guarded<1000> buffer;
  buffer.check(::recv(server, buffer.data(), 1000, 0));
  int value = 0;
  size = sizeof(value);
  if (::getsockopt(client, SOL_SOCKET, SO_ERROR, &value, &size) == 0) must(size <= sizeof(value));
  for (const int fd : {listener, client, server, set}) (void)::close(fd);
}

// What comes back without an error is what was written, whatever the host did to it meanwhile.
void sealed_files(std::uint64_t seed) {
  std::vector<std::uint64_t> words(3000);
  for (auto& word : words) word = next(seed);
  const std::size_t size = words.size() * sizeof(words[0]);
  const int fd = ::open("/sealed/file", O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (fd < 0) return;
  bool written = ::pwrite(fd, words.data(), size, 0) == static_cast<ssize_t>(size);
  written = ::fsync(fd) == 0 && written;
  std::vector<std::uint64_t> back(words.size());
  const ssize_t got = ::pread(fd, back.data(), size, 0);
  must(got <= static_cast<ssize_t>(size));
  if (written && got >= 0) {
    must(got == static_cast<ssize_t>(size));
    must(back == words);
  }
  (void)::close(fd);
}

// Calls out: what the host says of them is its word, but for where and how much.
void host_calls(std::uint64_t round) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{40}, std::size_t{5000}}) {
    const coffer::calls::SharedBlock question(size);
    const coffer::calls::SharedBlock answer(size);
    if (question.bytes().size() != size || answer.bytes().size() != size) continue;
    if (size != 0) std::memset(question.bytes().data(), 7, size);
    const auto came = coffer::calls::call_host(round, question.bytes(), answer.bytes());
    if (came) must(came->written <= size);
  }
  void* memory = coffer::calls::allocate_shared(3000);
  if (memory == nullptr) return;
  must(coffer::calls::in_shared_memory(memory, 3000));
  std::memset(memory, 5, 3000);
  coffer::calls::release_shared(memory);
}

void time_goes_on() {
  static timespec last{};
  timespec now{};
  if (::clock_gettime(CLOCK_MONOTONIC, &now) != 0) return;
  must(now.tv_nsec >= 0 && now.tv_nsec < 1'000'000'000);
  must(now.tv_sec > last.tv_sec || (now.tv_sec == last.tv_sec && now.tv_nsec >= last.tv_nsec));
  last = now;
  timespec wall{};
  if (::clock_gettime(CLOCK_REALTIME, &wall) == 0) must(wall.tv_nsec >= 0 && wall.tv_nsec < 1'000'000'000);
}

time_t seconds_now() {
  timespec now{};
  must(::clock_gettime(CLOCK_MONOTONIC, &now) == 0);
  return now.tv_sec;
}

std::atomic<int> alarms{0};
void note_alarm(int signal, siginfo_t* info, void*) {
  must(signal == SIGALRM && info->si_signo == SIGALRM && info->si_code == SI_KERNEL);
  ++alarms;
}

// A timer's signal may be late, or lost by a host that never wakes for it; another than was asked for never comes.
void timers_go_off() {
  struct sigaction action{};
  action.sa_sigaction = note_alarm;
  action.sa_flags = SA_SIGINFO;
  must(::sigaction(SIGALRM, &action, nullptr) == 0);
  alarms = 0;
  constexpr time_t kLater = 5;
  const time_t begun = seconds_now();
  const itimerval once{{0, 0}, {0, 500}};
  if (::setitimer(ITIMER_REAL, &once, nullptr) != 0) return;
  for (int i = 0; i < 5 && alarms == 0; ++i) {
    const timespec moment{0, 1'000'000};
    (void)::nanosleep(&moment, nullptr);
  }
  // Sooner than the one that is going: the kernel's own thread is woken for it.
  const itimerval later{{0, 0}, {kLater, 0}};
  const itimerval sooner{{0, 0}, {0, 300}};
  const itimerval never{};
  (void)::setitimer(ITIMER_REAL, &later, nullptr);
  (void)::setitimer(ITIMER_REAL, &sooner, nullptr);
  (void)::usleep(1000);
  (void)::setitimer(ITIMER_REAL, &never, nullptr);
  // Each of the three once at most, and the one of 5 s only where the clock says that they are over: the host's may
  // jump.
  const int came = alarms;
  must(came <= (seconds_now() - begun >= kLater ? 3 : 2));
}

void randomness_is_random() {
  std::array<std::uint64_t, 4> one{}, other{};
  must(::getrandom(one.data(), sizeof(one), 0) == sizeof(one));
  must(::getrandom(other.data(), sizeof(other), 0) == sizeof(other));
  must(one != other && one[0] != 0);
}

// Frees memory at one place and needs it at another, which together is more than the enclave may have: pages go back to
// the platform and come from there, empty.
void memory_comes_and_goes() {
  constexpr std::size_t kSize = std::size_t{24} << 20;
  constexpr std::size_t kPage = 4096;
  for (std::uint64_t round = 1; round <= 4; ++round) {
    void* made = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED) return;
    auto* words = static_cast<std::uint64_t*>(made);
    for (std::size_t i = 0; i < kSize / sizeof(*words); i += kPage / sizeof(*words)) {
      must(words[i] == 0 && words[i + 1] == 0);
      words[i] = words[i + 1] = i * round + 1;
    }
    for (std::size_t i = 0; i < kSize / sizeof(*words); i += kPage / sizeof(*words)) {
      must(words[i] == i * round + 1 && words[i + 1] == words[i]);
    }
    // The last page stays, so that the next mapping, which does not fit below it, is at another place.
    (void)::munmap(made, kSize - kPage);
  }
}

std::mutex counter_lock;
long counter = 0;

// A thread with a canary on its stack and a counter that only a working mutex keeps right.
void work() {
  std::array<std::uint64_t, 1024> words;
  const Canary canary(words.data(), words.size(), 33);
  for (int i = 0; i < 200; ++i) {
    const std::scoped_lock guard(counter_lock);
    const long before = counter;
    if (i % 50 == 0) std::this_thread::yield();
    counter = before + 1;
    canary.check();
  }
}

void threads_work() {
  std::vector<std::thread> threads;
  counter = 0;
  long started = 0;
  for (int i = 0; i < 3; ++i) {
    try {
      threads.emplace_back(work);
      ++started;
    } catch (const std::system_error&) {
      break;  // the host started none
    }
  }
  for (std::thread& thread : threads) thread.join();
  must(counter == started * 200);
}

long handle(const coffer::Call& call, std::span<std::byte> output, std::size_t& written) {
  check_all();
  std::uint64_t sum = 0;
  for (std::byte b : call.input) sum = sum * 31 + static_cast<std::uint64_t>(b);
  written = output.size();
  std::memset(output.data(), static_cast<int>(sum & 0xff), output.size());
  return static_cast<long>(sum & 0x7fffffff);
}

void counters_only_grow() {
  const auto made = coffer::MonotonicCounter::create();
  if (!made) ::_exit(kErrors);
  std::uint64_t known = 0;
  for (int round = 0; round < 6; ++round) {
    const auto now = made->read();
    if (!now) ::_exit(kErrors);
    must(*now == known);
    const auto next = made->increment();
    if (!next) ::_exit(kErrors);
    must(*next == known + 1);
    known = *next;
  }
  if (!made->destroy()) ::_exit(kErrors);
  must(!made->read());
}

}  // namespace

int main(int argc, char** argv) {
  std::array<std::uint64_t, 2048> stack_words;
  const Canary stack_canary(stack_words.data(), stack_words.size(), 44);
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode == "spin") {  // inside for ever, without a call
    constexpr std::string_view kReady = "spinning\n";
    (void)!::write(1, kReady.data(), kReady.size());
    while (true) check_all();
  }
  if (mode == "memory") {
    memory_comes_and_goes();
    check_all();
    ::_exit(kGood);
  }
  if (mode == "counters") {
    counters_only_grow();
    check_all();
    ::_exit(kGood);
  }
  if (mode == "serve") {
    std::vector<std::byte> buffer(1 << 17);
    coffer::serve(buffer, handle);
  }
  constexpr int kRounds = 4;
  for (int round = 0; round < kRounds; ++round) {
    plain_files(round);
    host_calls(static_cast<std::uint64_t>(round));
    sockets();
    sealed_files(static_cast<std::uint64_t>(round) + 1);
    time_goes_on();
    randomness_is_random();
    timers_go_off();
    read_guarded(0);
    if (mode == "threads" || round == 1) threads_work();
    constexpr std::string_view kWords = "a line of output\n";
    const ssize_t put = ::write(1, kWords.data(), kWords.size());
    must(put >= -1 && put <= static_cast<ssize_t>(kWords.size()));
    const timespec moment{0, 1000};
    (void)::nanosleep(&moment, nullptr);
    time_goes_on();
    check_all();
    stack_canary.check();
  }
  ::_exit(kGood);
}
