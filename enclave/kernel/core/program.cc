#include "enclave/kernel/core/program.h"

#include <elf.h>

#include <cstring>

#include "enclave/kernel/core/early_memory.h"
#include "enclave/kernel/core/image.h"
#include "enclave/kernel/core/kernel.h"
#include "enclave/kernel/fs/files.h"
#include "enclave/kernel/support/cpuid.h"
#include "enclave/kernel/support/crypto.h"

namespace coffer::kernel {

namespace {

std::uint64_t stack_begin = 0;
constexpr std::uint64_t kHwcap2Fsgsbase = 2;
constexpr std::uint64_t kMinimumSignalStack = 4096;

// Writes downwards from the top of the stack.
class StackWriter {
 public:
  explicit StackWriter(std::uint64_t top) : at_(top) {}
  std::uint64_t bytes(const void* data, std::size_t size) {
    at_ -= size;
    std::memcpy(reinterpret_cast<void*>(at_), data, size);
    return at_;
  }
  std::uint64_t text(std::string_view text) {
    const char nul = 0;
    bytes(&nul, 1);
    return bytes(text.data(), text.size());
  }
  void align(std::uint64_t alignment) { at_ &= ~(alignment - 1); }
  [[nodiscard]] std::uint64_t at() const { return at_; }

 private:
  std::uint64_t at_;
};

}  // namespace

std::vector<std::uint64_t> auxiliary_vector() {
  const auto& l = layout();
  return {AT_PHDR,        enclave_base() + l.app_headers,
          AT_PHENT,       sizeof(Elf64_Phdr),
          AT_PHNUM,       l.app_header_count,
          AT_PAGESZ,      SGX_PAGE_SIZE,
          AT_BASE,        0,
          AT_FLAGS,       0,
          AT_ENTRY,       enclave_base() + l.app_entry,
          AT_UID,         fs::kFileOwner,
          AT_EUID,        fs::kFileOwner,
          AT_GID,         fs::kFileGroup,
          AT_EGID,        fs::kFileGroup,
          AT_SECURE,      0,
          AT_CLKTCK,      100,
          AT_HWCAP,       cpuid(1).edx,
          AT_HWCAP2,      kHwcap2Fsgsbase,
          AT_MINSIGSTKSZ, kMinimumSignalStack,
          AT_RANDOM,      0,
          AT_EXECFN,      0,
          AT_PLATFORM,    0,
          AT_NULL,        0};
}

std::uint64_t main_stack_begin() { return stack_begin; }

std::uint64_t build_stack(const std::vector<std::string_view>& arguments,
                          const std::vector<std::string_view>& environment, std::vector<std::uint64_t>& auxiliary,
                          std::string_view program) {
  constexpr int kReadWrite = 3;
  constexpr int kFlags = 0x20022;  // MAP_STACK | MAP_ANONYMOUS | MAP_PRIVATE
  const std::uint64_t size = layout().stack_size;
  auto mapped = address_space().map(0, size, kReadWrite, kFlags);
  std::uint64_t needed = 8192;
  for (const auto* list : {&arguments, &environment}) {
    for (std::string_view text : *list) needed += text.size() + 1 + sizeof(std::uint64_t);
  }
  if (!mapped || needed > size / 2) return 0;
  stack_begin = *mapped;
  commit_early(*mapped, size);
  StackWriter stack(*mapped + size);
  std::vector<std::uint64_t> words;
  words.push_back(arguments.size());
  for (std::string_view text : arguments) words.push_back(stack.text(text));
  words.push_back(0);
  for (std::string_view text : environment) words.push_back(stack.text(text));
  words.push_back(0);
  std::byte seed[16];
  random_bytes(seed);
  const std::uint64_t random = stack.bytes(seed, sizeof(seed));
  const std::uint64_t name = stack.text(program);
  const std::uint64_t platform = stack.text("x86_64");
  for (std::size_t i = 0; i + 1 < auxiliary.size(); i += 2) {
    if (auxiliary[i] == AT_RANDOM) auxiliary[i + 1] = random;
    if (auxiliary[i] == AT_EXECFN) auxiliary[i + 1] = name;
    if (auxiliary[i] == AT_PLATFORM) auxiliary[i + 1] = platform;
  }
  words.insert(words.end(), auxiliary.begin(), auxiliary.end());
  if (words.size() % 2 != 0) {  // the stack pointer is 16-byte aligned at the first instruction
    stack.align(16);
    const std::uint64_t nothing = 0;
    stack.bytes(&nothing, sizeof(nothing));
  } else {
    stack.align(16);
  }
  return stack.bytes(words.data(), words.size() * sizeof(std::uint64_t));
}

}  // namespace coffer::kernel
