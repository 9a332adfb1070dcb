// The enclave that the bridge is measured with.
#include <cstdlib>
#include <vector>

#include "bridge_enclave.h"

namespace {

void must(const coffer::Outcome<void>& outcome) {
  if (!outcome) std::abort();
}

std::vector<std::uint8_t>& room(std::size_t size) {
  static std::vector<std::uint8_t> bytes;
  if (bytes.size() < size) bytes.resize(size, 1);
  return bytes;
}

}  // namespace

namespace bridge {

void nothing() {}
void nothing_switchless() {}
std::uint64_t five(std::int32_t a, std::uint64_t b, double c, std::uint8_t d, std::int64_t e) {
  return static_cast<std::uint64_t>(a) + b + static_cast<std::uint64_t>(c) + d + static_cast<std::uint64_t>(e);
}
void take(std::span<const std::uint8_t>) {}
void give(std::span<std::uint8_t>) {}

void repeat_nothing(std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) must(host_nothing());
}
void repeat_switchless(std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) must(host_nothing_switchless());
}
void repeat_take(std::uint64_t count, std::size_t size) {
  const std::span<const std::uint8_t> data(room(size).data(), size);
  for (std::uint64_t i = 0; i < count; ++i) must(host_take(data));
}
void repeat_give(std::uint64_t count, std::size_t size) {
  const std::span<std::uint8_t> data(room(size).data(), size);
  for (std::uint64_t i = 0; i < count; ++i) must(host_give(data));
}

}  // namespace bridge
