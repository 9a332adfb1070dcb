// What generated code costs: calls with arguments against the empty call, buffers against memcpy, switchless calls
// without a worker against the usual ones.
//
// A buffer's own time is that of the call with it less that of the call without: it is to be within 1 / 0.8 of the
// copies that are needed. An ECALL's buffer needs two, into the block that both sides reach and out of it; what goes
// out has to be zeroed before, so that no byte of the enclave's goes with it. An OCALL's needs one, for the host works
// in the block.
#include <cstring>
#include <functional>
#include <vector>

#include "bench/items.h"
#include "bridge_host.h"

namespace bridge {

void host_nothing() {}
void host_nothing_switchless() {}
void host_take(std::span<const std::uint8_t>) {}
void host_give(std::span<std::uint8_t>) {}

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

// What has to be done with a buffer anyway.
struct Needed {
  const char* name;
  int copies;
  bool zeroed;
};

// Nanoseconds.
Result<double> time_needed(const Needed& needed, std::vector<std::uint8_t>& from, std::vector<std::uint8_t>& by_way_of,
                           std::vector<std::uint8_t>& to, int count) {
  return time_of(count, [&]() -> Result<void> {
    if (needed.zeroed) std::memset(from.data(), 0, from.size());
    asm volatile("" : : "r"(from.data()) : "memory");
    std::memcpy(by_way_of.data(), from.data(), from.size());
    asm volatile("" : : "r"(by_way_of.data()) : "memory");
    if (needed.copies > 1) std::memcpy(to.data(), by_way_of.data(), from.size());
    asm volatile("" : : "r"(to.data()) : "memory");
    return {};
  });
}

struct Direction {
  const char* name;
  Needed needed;
  // Nanoseconds of one of `count` calls with a buffer of `size`; of 0, without one.
  std::function<Result<double>(Enclave&, std::vector<std::uint8_t>&, std::size_t size, int count)> measure;
};

std::vector<Direction> directions() {
  const auto repeated = [](auto with, auto without) {
    return
        [with, without](Enclave& enclave, std::vector<std::uint8_t>&, std::size_t size, int count) -> Result<double> {
          const auto start = Clock::now();
          const auto done = size == 0 ? without(enclave, static_cast<std::uint64_t>(count))
                                      : with(enclave, static_cast<std::uint64_t>(count), size);
          if (!done) return std::unexpected(done.error());
          return std::chrono::duration<double, std::nano>(Clock::now() - start).count() / count;
        };
  };
  return {
      {"ECALL [in]",
       {"2 memcpy", 2, false},
       [](Enclave& enclave, std::vector<std::uint8_t>& data, std::size_t size, int count) {
         return time_of(count, [&] { return size == 0 ? bridge::nothing(enclave) : bridge::take(enclave, data); });
       }},
      {"ECALL [out]",
       {"memset, 2 memcpy", 2, true},
       [](Enclave& enclave, std::vector<std::uint8_t>& data, std::size_t size, int count) {
         return time_of(count, [&] { return size == 0 ? bridge::nothing(enclave) : bridge::give(enclave, data); });
       }},
      {"OCALL [in]", {"memcpy", 1, false}, repeated(bridge::repeat_take, bridge::repeat_nothing)},
      {"OCALL [out]", {"memcpy", 1, false}, repeated(bridge::repeat_give, bridge::repeat_nothing)},
  };
}

Result<std::vector<Row>> buffers(Bench& bench, RungKind rung) {
  const Pinned pinned;
  auto loaded = bridging(bench, rung);
  if (!loaded) return std::unexpected(loaded.error());
  std::vector<Row> rows;
  for (const std::size_t size : {std::size_t{4096}, std::size_t{1} << 20}) {
    std::vector<std::uint8_t> data(size, 1), by_way_of(size, 2), to(size, 3);
    const int batch = size == 4096 ? 200 : 10;
    for (const Direction& direction : directions()) {
      const auto best = sample_by_turns(
          bench.budget(0.8), [&] { return direction.measure(loaded->enclave, data, size, batch); },
          [&] { return direction.measure(loaded->enclave, data, 0, batch); });
      if (!best) return std::unexpected(best.error());
      const auto needed = [&] { return time_needed(direction.needed, data, by_way_of, to, batch); };
      const auto plain = sample_by_turns(bench.budget(0.3), needed, needed);
      if (!plain) return std::unexpected(plain.error());
      const double own = std::max(best->ours - best->theirs, 1.0);
      rows.push_back(
          compare_cost(std::string(direction.name) + (size == 4096 ? " 4 KiB, " : " 1 MiB, ") + rung_name(rung), "us",
                       own / kMicrosecond, direction.needed.name, std::min(plain->ours, plain->theirs) / kMicrosecond,
                       1 / kCopiesReach));
    }
  }
  return rows;
}

// Workers that sleep all the while: the price of looking whether one is awake.
Result<std::vector<Row>> idle_switchless(Bench& bench, RungKind rung) {
  const Pinned pinned;
  auto loaded = bridging(bench, rung);
  if (!loaded) return std::unexpected(loaded.error());
  Enclave& enclave = loaded->enclave;
  if (auto used = enclave.use_switchless({.host_workers = 0, .enclave_workers = 0}); !used) {
    return std::unexpected(used.error());
  }
  const int batch = rung == RungKind::kInline ? 1000 : 100;
  const auto ocalls = sample_by_turns(
      bench.budget(1.5),
      [&]() -> Result<double> {
        return time_of(1, [&] { return bridge::repeat_switchless(enclave, static_cast<std::uint64_t>(batch)); });
      },
      [&]() -> Result<double> {
        return time_of(1, [&] { return bridge::repeat_nothing(enclave, static_cast<std::uint64_t>(batch)); });
      });
  if (!ocalls) return std::unexpected(ocalls.error());
  const auto ecalls = sample_by_turns(
      bench.budget(1.5), [&] { return time_of(batch, [&] { return bridge::nothing_switchless(enclave); }); },
      [&] { return time_of(batch, [&] { return bridge::nothing(enclave); }); });
  if (!ecalls) return std::unexpected(ecalls.error());
  const std::string name = std::string(", no worker awake, ") + rung_name(rung);
  return std::vector{compare_cost("switchless OCALL" + name, "us", ocalls->ours / batch / kMicrosecond, "OCALL",
                                  ocalls->theirs / batch / kMicrosecond, kSwitchlessReach),
                     compare_cost("switchless ECALL" + name, "us", ecalls->ours / kMicrosecond, "ECALL",
                                  ecalls->theirs / kMicrosecond, kSwitchlessReach)};
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
