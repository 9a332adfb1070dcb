// The enclave that the bridge is measured with.
#include <cstdlib>
#include <cstring>
#include <span>

#include "bridge_enclave.h"

namespace {

void must(const coffer::Outcome<void>& outcome) {
  if (!outcome) std::abort();
}

// Begins with a page, as the buffers do that the bridge is compared with.
std::span<std::uint8_t> room(std::size_t size) {
  constexpr std::size_t kPage = 4096;
  static std::span<std::uint8_t> bytes;
  if (bytes.size() < size) {
    std::free(bytes.data());
    bytes = {static_cast<std::uint8_t*>(std::aligned_alloc(kPage, size)), size};
    std::memset(bytes.data(), 1, size);
  }
  return bytes.first(size);
}

using In = std::span<const std::uint8_t>;
using Out = std::span<std::uint8_t>;

}  // namespace

namespace bridge {

void nothing() {}
void nothing_switchless() {}
std::uint64_t five(std::int32_t a, std::uint64_t b, double c, std::uint8_t d, std::int64_t e) {
  return static_cast<std::uint64_t>(a) + b + static_cast<std::uint64_t>(c) + d + static_cast<std::uint64_t>(e);
}
void take(In) {}
void give(Out) {}
void take_eight(In, In, In, In, In, In, In, In) {}
void give_eight(Out, Out, Out, Out, Out, Out, Out, Out) {}

void repeat_nothing(std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) must(host_nothing());
}
void repeat_switchless(std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) must(host_nothing_switchless());
}
void repeat_take(std::uint64_t count, std::size_t size) {
  const In data = room(size);
  for (std::uint64_t i = 0; i < count; ++i) must(host_take(data));
}
void repeat_give(std::uint64_t count, std::size_t size) {
  const Out data = room(size);
  for (std::uint64_t i = 0; i < count; ++i) must(host_give(data));
}
void repeat_take_eight(std::uint64_t count, std::size_t size) {
  const In all = room(8 * size);
  const auto one = [&](std::size_t i) { return all.subspan(i * size, size); };
  for (std::uint64_t i = 0; i < count; ++i) {
    must(host_take_eight(one(0), one(1), one(2), one(3), one(4), one(5), one(6), one(7)));
  }
}
void repeat_give_eight(std::uint64_t count, std::size_t size) {
  const Out all = room(8 * size);
  const auto one = [&](std::size_t i) { return all.subspan(i * size, size); };
  for (std::uint64_t i = 0; i < count; ++i) {
    must(host_give_eight(one(0), one(1), one(2), one(3), one(4), one(5), one(6), one(7)));
  }
}

}  // namespace bridge
