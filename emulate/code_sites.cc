#include "emulate/code_sites.h"

#include <Zydis/Zydis.h>
#include <sys/mman.h>
#include <cstring>

#include "sgx/arch.h"

namespace coffer::emulate {

namespace {

constexpr std::array<std::uint8_t, 2> kCpuid = {0x0f, 0xa2};
constexpr std::array<std::byte, 2> kTrap = {std::byte{0xcc}, std::byte{0x90}};  // int3; nop
constexpr std::size_t kNearest = 16, kFarthest = 48;                            // how far before a site decoding starts

// Where decoding from `start` first reaches or passes `at`; nothing where it meets what is no instruction.
std::optional<std::size_t> decode_to(ByteView code, std::size_t start, std::size_t at) {
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  while (start < at) {
    ZydisDecodedInstruction instruction;
    const ByteView rest = code.subspan(start);
    if (ZYAN_FAILED(ZydisDecoderDecodeInstruction(&decoder, nullptr, rest.data(), rest.size(), &instruction))) {
      return std::nullopt;
    }
    start += instruction.length;
  }
  return start;
}

std::int32_t load(const std::byte* at) {
  std::int32_t value = 0;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

}  // namespace

bool instruction_starts(ByteView code, std::size_t at, std::optional<std::size_t> from) {
  if (from && *from <= at) {
    if (const auto reached = decode_to(code, *from, at)) return *reached == at;
  }
  if (at < kNearest) return at == 0;
  std::size_t agreeing = 0;
  for (std::size_t before = kNearest; before <= kFarthest && before <= at; ++before) {
    const auto reached = decode_to(code, at - before, at);
    if (!reached) continue;  // started in the middle of one
    if (*reached != at) return false;
    ++agreeing;
  }
  return agreeing >= 4;
}

std::optional<std::uint64_t> function_start(const std::byte* header, std::uint64_t address) {
  constexpr std::byte kPcrelInt{0x1b}, kUnsigned{0x03}, kTable{0x3b};
  if (header == nullptr || header[1] != kPcrelInt || header[2] != kUnsigned || header[3] != kTable) return std::nullopt;
  const auto base = reinterpret_cast<std::uint64_t>(header);
  const std::byte* table = header + 12;
  std::uint32_t low = 0;
  std::uint32_t high = static_cast<std::uint32_t>(load(header + 8));
  const auto start_of = [&](std::uint32_t i) {
    return base + static_cast<std::uint64_t>(static_cast<std::int64_t>(load(table + std::size_t{i} * 8)));
  };
  while (low < high) {  // the first entry behind the address
    const std::uint32_t middle = low + (high - low) / 2;
    if (start_of(middle) <= address) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == 0) return std::nullopt;
  return start_of(low - 1);
}

bool SiteTable::add(std::uint64_t address) {
  for (std::size_t step = 0; step < kPlaces; ++step) {
    auto& place = places_[(address + step * 0x9e37) % kPlaces];
    std::uint64_t expected = 0;
    if (place.compare_exchange_strong(expected, address) || expected == address) return true;
  }
  return false;
}

bool SiteTable::contains(std::uint64_t address) const {
  for (std::size_t step = 0; step < kPlaces; ++step) {
    const std::uint64_t found = places_[(address + step * 0x9e37) % kPlaces].load(std::memory_order_acquire);
    if (found == address) return true;
    if (found == 0) return false;
  }
  return false;
}

bool write_code(std::uint64_t address, ByteView bytes, int protection) {
  const std::uint64_t begin = address & ~(sgx::kPageSize - 1);
  const std::uint64_t size = ((address + bytes.size() - 1) | (sgx::kPageSize - 1)) + 1 - begin;
  auto* pages = reinterpret_cast<void*>(begin);
  if (::mprotect(pages, size, PROT_READ | PROT_WRITE | PROT_EXEC) != 0) return false;
  std::memcpy(reinterpret_cast<void*>(address), bytes.data(), bytes.size());
  return ::mprotect(pages, size, protection) == 0;
}

void trap_cpuid(ByteView code, int protection, const std::byte* unwind_header, SiteTable& sites) {
  const auto begin = reinterpret_cast<std::uint64_t>(code.data());
  std::size_t from = 0;
  while (from < code.size()) {
    const void* hit = ::memmem(code.data() + from, code.size() - from, kCpuid.data(), kCpuid.size());
    if (hit == nullptr) return;
    const auto address = reinterpret_cast<std::uint64_t>(hit);
    const std::size_t at = address - begin;
    from = at + 1;
    std::optional<std::size_t> function;
    if (const auto start = function_start(unwind_header, address); start && *start >= begin) function = *start - begin;
    if (!instruction_starts(code, at, function)) continue;
    // The table first: the trap may be met as soon as it is written.
    if (sites.add(address)) (void)write_code(address, kTrap, protection);
  }
}

}  // namespace coffer::emulate
