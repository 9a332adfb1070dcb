#include "emulate/exit_sites.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "emulate/code_sites.h"
#include "processor/raw_entry.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

namespace coffer::emulate {

using processor::SoftEnclave;
using sgx::kPageSize;
using sgx::SecinfoFlags;

namespace {

constexpr std::size_t kJump = 5;
constexpr std::size_t kWindow = 64;  // bytes before the site that are looked at

// mov $4,%eax and mov $4,%rax
constexpr std::array<std::uint8_t, 5> kShortLoad = {0xb8, 4, 0, 0, 0};
constexpr std::array<std::uint8_t, 7> kLongLoad = {0x48, 0xc7, 0xc0, 4, 0, 0, 0};

// The length of the load that ends at code's end, or 0.
std::size_t load_before(ByteView code) {
  const auto ends_with = [code](const auto& bytes) {
    return code.size() >= bytes.size() &&
           std::memcmp(code.data() + code.size() - bytes.size(), bytes.data(), bytes.size()) == 0;
  };
  if (ends_with(kLongLoad)) return kLongLoad.size();
  return ends_with(kShortLoad) ? kShortLoad.size() : 0;
}

// movabs $sites,%rcx; jmp *0(%rip); .quad coffer_raw_exit
std::array<std::uint8_t, 24> stub_for(const processor::ExitSites* sites) {
  std::array<std::uint8_t, 24> code{0x48, 0xb9, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0x25, 0, 0, 0, 0};
  const auto data = reinterpret_cast<std::uint64_t>(sites);
  const auto target = reinterpret_cast<std::uint64_t>(&processor::coffer_raw_exit);
  std::memcpy(&code[2], &data, sizeof(data));
  std::memcpy(&code[16], &target, sizeof(target));
  return code;
}

// A page that a five-byte jump from anywhere in the enclave reaches.
std::optional<std::uint64_t> page_near(const SoftEnclave& enclave) {
  constexpr std::uint64_t kReach = std::uint64_t{0x7fff0000};
  constexpr std::uint64_t kStep = std::uint64_t{1} << 24;
  constexpr int kTries = 64;
  if (enclave.size() >= kReach) return std::nullopt;
  for (int i = 1; i <= kTries && i * kStep + enclave.size() < kReach; ++i) {
    for (const std::uint64_t at : {enclave.base() - i * kStep, enclave.base() + enclave.size() + (i - 1) * kStep}) {
      void* page = ::mmap(reinterpret_cast<void*>(at), kPageSize, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
      if (page == reinterpret_cast<void*>(at)) return at;
      if (page != MAP_FAILED) ::munmap(page, kPageSize);  // a kernel that does not know the flag
    }
  }
  return std::nullopt;
}

std::optional<std::uint64_t> make_stub(const SoftEnclave& enclave, const processor::ExitSites* sites) {
  const auto page = page_near(enclave);
  if (!page) return std::nullopt;
  const auto code = stub_for(sites);
  std::memcpy(reinterpret_cast<void*>(*page), code.data(), code.size());
  if (::mprotect(reinterpret_cast<void*>(*page), kPageSize, PROT_READ | PROT_EXEC) != 0) return std::nullopt;
  return page;
}

}  // namespace

void quicken_exit(SoftEnclave& enclave, std::uint64_t rip) {
  processor::ExitSites* sites = processor::exit_sites_of(enclave);
  if (sites == nullptr || sites->refused) return;
  const std::uint64_t offset = rip - enclave.base();
  const std::uint64_t begin = offset - std::min(offset, std::uint64_t{kWindow});
  constexpr std::uint8_t kCode = SecinfoFlags::kR | SecinfoFlags::kX;
  std::array<std::byte, kWindow + 3> window{};
  const auto copy = [&](std::uint64_t from) {
    return enclave.copy_out(from, std::span(window).first(offset - from + 3), kCode) == SoftEnclave::Copied::kYes;
  };
  // A window that begins before the code is cut at the page.
  const std::uint64_t from = copy(begin) ? begin : std::max(begin, offset & ~(kPageSize - 1));
  if (from != begin && !copy(from)) return;
  const ByteView code = ByteView(window).first(offset - from);
  const std::size_t length = load_before(code);
  if (length == 0 || !instruction_starts(code, code.size() - length, std::nullopt)) return;
  if (sites->stub == 0) sites->stub = make_stub(enclave, sites).value_or(0);
  sites->refused = sites->stub == 0;
  if (sites->refused) return;
  std::array<std::uint8_t, 7> jump{0xe9, 0, 0, 0, 0, 0x90, 0x90};
  const std::uint64_t place = offset - length;
  const auto distance = static_cast<std::int32_t>(sites->stub - (enclave.base() + place + kJump));
  std::memcpy(&jump[1], &distance, sizeof(distance));
  (void)enclave.patch_code(place, std::as_bytes(std::span(jump)).first(length));
}

}  // namespace coffer::emulate
