// What generated code costs: calls with arguments against the empty call, buffers against memcpy, switchless calls
// whose workers sleep against the usual ones.
//
// The buffers' own time is that of the call with them less that of the call without, the median of many neighbours: it
// is to be within 1 / 0.8 of the copies that are needed. An ECALL's buffer needs two, into the block that both sides
// reach and out of it; what goes out has to be zeroed before, so that no byte of the enclave's goes with it. An OCALL's
// needs one, for the host works in the block.
#include <fmt/format.h>
#include <sys/mman.h>

#include <cstring>
#include <functional>
#include <new>
#include <vector>

#include "bench/items.h"
#include "bench/round_trips.h"
#include "bridge_host.h"

namespace bridge {

void host_nothing() {}
void host_nothing_switchless() {}
void host_take(std::span<const std::uint8_t>) {}
void host_give(std::span<std::uint8_t>) {}
using In = std::span<const std::uint8_t>;
using Out = std::span<std::uint8_t>;
void host_take_eight(In, In, In, In, In, In, In, In) {}
void host_give_eight(Out, Out, Out, Out, Out, Out, Out, Out) {}

}  // namespace bridge

namespace coffer::bench {

namespace {

constexpr double kMicrosecond = 1e3;
constexpr double kArgumentsReach = 1.2;
constexpr double kCopiesReach = 0.8;
constexpr double kSwitchlessReach = 1.1;

using Call = std::function<Result<void>()>;

Result<double> time_of(int count, const Call& call) {
  const auto start = Clock::now();
  for (int i = 0; i < count; ++i) {
    if (auto called = call(); !called) return std::unexpected(called.error());
  }
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count() / count;
}

Result<Loaded> bridging(Bench& bench, RungKind rung) {
  const bool debug = rung == RungKind::kInline;
  auto image = make_image(bench.workshop(), {.name = debug ? "bridge-debug.enclave" : "bridge.enclave",
                                             .heap = std::uint64_t{128} << 20,
                                             .debug = debug,
                                             .program = "bench-bridge",
                                             .bind = {},
                                             .encrypted_mount = ""});
  if (!image) return std::unexpected(image.error());
  auto loaded = load(image->path, {.rung = rung});
  if (!loaded) return loaded;
  loaded->enclave.set_spin(std::chrono::nanoseconds(0));
  if (auto started = loaded->enclave.start({}); !started) return std::unexpected(started.error());
  for (int i = 0; i < 100; ++i) {
    if (auto warm = bridge::nothing(loaded->enclave); !warm) return std::unexpected(warm.error());
  }
  return loaded;
}

const char* rung_name(RungKind rung) { return rung == RungKind::kInline ? "inline" : "process"; }

Result<std::vector<Row>> arguments(Bench& bench, RungKind rung) {
  const Pinned pinned;
  auto loaded = bridging(bench, rung);
  if (!loaded) return std::unexpected(loaded.error());
  Enclave& enclave = loaded->enclave;
  const int batch = rung == RungKind::kInline ? 1000 : 100;
  const auto best = sample_by_turns(
      bench.budget(2),
      [&] {
        return time_of(batch, [&]() -> Result<void> {
          const auto sum = bridge::five(enclave, 1, 2, 3.0, 4, 5);
          if (!sum) return std::unexpected(sum.error());
          return *sum == 15 ? Result<void>() : fail(ErrorKind::kSystem, "a call with five arguments gave a wrong sum");
        });
      },
      [&] { return time_of(batch, [&] { return bridge::nothing(enclave); }); });
  if (!best) return std::unexpected(best.error());
  return std::vector{compare_cost(std::string("ECALL, five arguments, ") + rung_name(rung), "us",
                                  best->ours / kMicrosecond, "ECALL without arguments", best->theirs / kMicrosecond,
                                  kArgumentsReach)};
}

// Begins with a page, as large blocks do in the arena: memcpy takes twice as long where its destination lies 16 bytes
// behind its source, apart from whole pages, and where malloc puts either is chance. Processes made later share it.
class Pages {
 public:
  explicit Pages(std::size_t size)
      : bytes_(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)), size_(size) {
    if (bytes_ == MAP_FAILED) throw std::bad_alloc();
    std::memset(bytes_, 1, size_);
  }
  ~Pages() { ::munmap(bytes_, size_); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  [[nodiscard]] std::span<std::uint8_t> span() const { return {static_cast<std::uint8_t*>(bytes_), size_}; }

 private:
  void* bytes_;
  std::size_t size_;
};

// How much goes over: one large buffer, or so many small ones in one call that the difference to a call without is no
// tenth of a microsecond of five.
struct Load {
  const char* name;
  std::size_t size, buffers;
  int batch;
};
constexpr Load kLoads[] = {{"8 x 4 KiB", 4096, 8, 50}, {"1 MiB", std::size_t{1} << 20, 1, 10}};

using Bytes = std::span<std::uint8_t>;

void copy(const Load& load, Bytes to, Bytes from) {
  for (std::size_t at = 0; at < load.buffers * load.size; at += load.size) {
    std::memcpy(to.data() + at, from.data() + at, load.size);
  }
  asm volatile("" : : "r"(to.data()), "r"(from.data()) : "memory");
}
void zero(const Load& load, Bytes bytes) {
  for (std::size_t at = 0; at < load.buffers * load.size; at += load.size) std::memset(bytes.data() + at, 0, load.size);
  asm volatile("" : : "r"(bytes.data()) : "memory");
}

// What has to be done with the buffers anyway: by the side that calls, by the other, and when that has answered.
struct Needed {
  const char* name;
  using Step = void (*)(const Load& load, Bytes here, Bytes between, Bytes there);
  Step before, there, after;
};
constexpr Needed::Step kNothing = [](const Load&, Bytes, Bytes, Bytes) {};
constexpr Needed::Step kOver = [](const Load& load, Bytes here, Bytes between, Bytes) { copy(load, between, here); };
constexpr Needed::Step kBack = [](const Load& load, Bytes here, Bytes between, Bytes) { copy(load, here, between); };
constexpr Needed::Step kIn = [](const Load& load, Bytes, Bytes between, Bytes there) { copy(load, there, between); };
constexpr Needed::Step kOut = [](const Load& load, Bytes, Bytes between, Bytes there) {
  zero(load, there);
  copy(load, between, there);
};

struct Direction {
  const char* name;
  Needed needed;
  // Nanoseconds of one of the load's batch of calls: with its buffers, and without any.
  std::function<Result<double>(Enclave&, const Load&, Bytes data)> with;
  std::function<Result<double>(Enclave&, const Load&)> without;
};

// Of calls from outside.
Result<double> with_buffers(Enclave& enclave, const Load& load, Bytes data, auto one, auto eight) {
  const auto part = [&](std::size_t i) { return data.subspan(i * load.size, load.size); };
  return time_of(load.batch, [&]() -> Result<void> {
    if (load.buffers == 1) return one(enclave, data);
    return eight(enclave, part(0), part(1), part(2), part(3), part(4), part(5), part(6), part(7));
  });
}
// Of calls from inside, which the enclave repeats.
Result<double> repeated(const Load& load, const std::function<Result<void>(std::uint64_t count)>& calls) {
  const auto all = time_of(1, [&] { return calls(static_cast<std::uint64_t>(load.batch)); });
  if (!all) return all;
  return *all / load.batch;
}

std::vector<Direction> directions() {
  const auto nothing = [](Enclave& enclave, const Load& load) {
    return time_of(load.batch, [&] { return bridge::nothing(enclave); });
  };
  const auto nothing_out = [](Enclave& enclave, const Load& load) {
    return repeated(load, [&](std::uint64_t count) { return bridge::repeat_nothing(enclave, count); });
  };
  const auto from_inside = [](auto one, auto eight) {
    return [one, eight](Enclave& enclave, const Load& load, Bytes) {
      return repeated(load, [&](std::uint64_t count) {
        return load.buffers == 1 ? one(enclave, count, load.size) : eight(enclave, count, load.size);
      });
    };
  };
  return {{"ECALL [in]",
           {"2 memcpy", kOver, kIn, kNothing},
           [](Enclave& e, const Load& l, Bytes d) { return with_buffers(e, l, d, bridge::take, bridge::take_eight); },
           nothing},
          {"ECALL [out]",
           {"memset, 2 memcpy", kNothing, kOut, kBack},
           [](Enclave& e, const Load& l, Bytes d) { return with_buffers(e, l, d, bridge::give, bridge::give_eight); },
           nothing},
          {"OCALL [in]",
           {"memcpy", kOver, kNothing, kNothing},
           from_inside(bridge::repeat_take, bridge::repeat_take_eight),
           nothing_out},
          {"OCALL [out]",
           {"memcpy", kNothing, kNothing, kBack},
           from_inside(bridge::repeat_give, bridge::repeat_give_eight),
           nothing_out}};
}

// Nanoseconds for one call's buffers. Of a cell's the same is asked of two processes that take turns on one CPU: each
// finds the caches as the other and the scheduler have left them, so the same copies take longer there.
Result<double> time_needed(Bench& bench, const Needed& needed, const Load& load, RungKind rung) {
  const std::size_t all = load.size * load.buffers;
  const Pages here(all), between(all), there(all);
  const auto step = [&](Needed::Step what) {
    return [&, what] { what(load, here.span(), between.span(), there.span()); };
  };
  const auto before = step(needed.before), other = step(needed.there), after = step(needed.after);
  if (rung == RungKind::kInline) {
    const auto plain = [&] {
      return time_of(load.batch, [&]() -> Result<void> {
        before();
        other();
        after();
        return {};
      });
    };
    const auto best = sample_by_turns(bench.budget(0.3), plain, plain);
    if (!best) return std::unexpected(best.error());
    return std::min(best->ours, best->theirs);
  }
  const auto trips = RoundTrips::start(Waiting::kFutex, other);
  if (!trips) return std::unexpected(trips.error());
  return median_difference(
      bench.budget(0.4), [&]() -> Result<double> { return (*trips)->measure_work(load.batch, before, after); },
      [&]() -> Result<double> { return (*trips)->measure(load.batch); });
}

Result<Row> buffer_row(Bench& bench, Enclave& enclave, const Direction& direction, const Load& load, RungKind rung) {
  const Pages data(load.size * load.buffers);
  const auto own = median_difference(
      bench.budget(0.8), [&] { return direction.with(enclave, load, data.span()); },
      [&] { return direction.without(enclave, load); });
  if (!own) return std::unexpected(own.error());
  const auto needed = time_needed(bench, direction.needed, load, rung);
  if (!needed) return std::unexpected(needed.error());
  const char* const where = rung == RungKind::kInline ? "" : ", two processes";
  return compare_cost(std::string(direction.name) + " " + load.name + ", " + rung_name(rung), "us",
                      std::max(*own, 1.0) / kMicrosecond, std::string(direction.needed.name) + where,
                      *needed / kMicrosecond, 1 / kCopiesReach);
}

Result<std::vector<Row>> buffers(Bench& bench, RungKind rung) {
  const Pinned pinned;
  auto loaded = bridging(bench, rung);
  if (!loaded) return std::unexpected(loaded.error());
  std::vector<Row> rows;
  for (const Load& load : kLoads) {
    for (const Direction& direction : directions()) {
      auto row = buffer_row(bench, loaded->enclave, direction, load, rung);
      if (!row) return std::unexpected(row.error());
      rows.push_back(std::move(*row));
    }
  }
  return rows;
}

// Calls so far apart that nobody wakes a worker for them: three, and a pause. Nanoseconds for one.
Result<double> seldom(const Call& call) {
  constexpr int kCalls = 3;
  constexpr std::chrono::microseconds kPause(300);
  for (const auto until = Clock::now() + kPause; Clock::now() < until;) {
  }
  return time_of(kCalls, call);
}

// Workers that are there and sleep: the price of looking whether one is awake.
Result<std::vector<Row>> idle_switchless(Bench& bench, RungKind rung) {
  const Pinned pinned;
  auto loaded = bridging(bench, rung);
  if (!loaded) return std::unexpected(loaded.error());
  Enclave& enclave = loaded->enclave;
  if (auto used = enclave.use_switchless({.host_workers = 1, .enclave_workers = 1, .looks = 1}); !used) {
    return std::unexpected(used.error());
  }
  const auto many = [&](auto repeat) { return seldom([&] { return repeat(enclave, std::uint64_t{1}); }); };
  const auto ecalls = medians_by_turns(
      bench.budget(1.5), [&] { return seldom([&] { return bridge::nothing_switchless(enclave); }); },
      [&] { return seldom([&] { return bridge::nothing(enclave); }); });
  if (!ecalls) return std::unexpected(ecalls.error());
  // One in each ECALL, whose own time is taken off.
  const auto ocalls = medians_by_turns(
      bench.budget(1.5), [&] { return many(bridge::repeat_switchless); }, [&] { return many(bridge::repeat_nothing); });
  if (!ocalls) return std::unexpected(ocalls.error());
  const auto row = [&](const char* kind, double ours, double theirs) {
    return compare_cost(fmt::format("switchless {}, workers asleep, {}", kind, rung_name(rung)), "us",
                        ours / kMicrosecond, kind, theirs / kMicrosecond, kSwitchlessReach);
  };
  return std::vector{row("OCALL", ocalls->ours - ecalls->theirs, ocalls->theirs - ecalls->theirs),
                     row("ECALL", ecalls->ours, ecalls->theirs)};
}

}  // namespace

std::vector<Item> bridge_items() {
  std::vector<Item> items;
  for (const RungKind rung : {RungKind::kInline, RungKind::kProcess}) {
    const std::string name = rung_name(rung);
    items.push_back({"bridge: arguments, " + name, [rung](Bench& bench) { return arguments(bench, rung); }});
    items.push_back({"bridge: buffers, " + name, [rung](Bench& bench) { return buffers(bench, rung); }});
    items.push_back({"bridge: switchless, " + name, [rung](Bench& bench) { return idle_switchless(bench, rung); }});
  }
  return items;
}

}  // namespace coffer::bench
