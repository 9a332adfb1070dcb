#include "processor/page_cipher.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

#include "base/file.h"
#include "processor/secret_heap.h"

namespace coffer::processor {
namespace {

using Page = std::array<std::byte, sgx::kPageSize>;

bool comes_back(PageCipher& cipher) {
  Page page;
  page.fill(std::byte{0x5a});
  Page sealed{};
  Page back{};
  sgx::Bytes<16> mac{};
  const PageIdentity identity{.secinfo = {}, .enclave_id = 3, .linear_address = 0x1000};
  return cipher.encrypt(identity, 9, page, sealed, mac) && sealed != page &&
         cipher.decrypt(identity, 9, sealed, mac, back) && back == page;
}

TEST(PageCipher, ComesBackAndIsBoundToVersionAndIdentity) {
  auto cipher = PageCipher::make();
  ASSERT_TRUE(cipher);
  EXPECT_TRUE(comes_back(**cipher));
  Page page{};
  Page sealed{};
  Page back;
  back.fill(std::byte{1});
  sgx::Bytes<16> mac{};
  const PageIdentity identity{.secinfo = {}, .enclave_id = 3, .linear_address = 0x1000};
  ASSERT_TRUE((*cipher)->encrypt(identity, 9, page, sealed, mac));
  EXPECT_FALSE((*cipher)->decrypt(identity, 10, sealed, mac, back));
  EXPECT_EQ(back, Page{}) << "nothing of what did not verify is left";
  for (const PageIdentity& other : {PageIdentity{{}, 4, 0x1000}, PageIdentity{{}, 3, 0x2000},
                                    PageIdentity{{sgx::SecinfoFlags{1}, {}}, 3, 0x1000}}) {
    EXPECT_FALSE((*cipher)->decrypt(other, 9, sealed, mac, back));
  }
  auto another = PageCipher::make();
  ASSERT_TRUE(another);
  EXPECT_FALSE((*another)->decrypt(identity, 9, sealed, mac, back)) << "a key of its own";
}

// In a process that has not used OpenSSL yet. Exit status 0: as it should be, 77: no secret memory here.
[[noreturn]] void hold_a_key_secretly() {
  if (!make_secret_heap()) std::exit(77);
  auto cipher = PageCipher::make();
  const SecretHeapUse use = secret_heap_use();
#if defined(__SANITIZE_ADDRESS__)
  // The leak check looks for pointers in memory that it knows, not in this mapping: what OpenSSL keeps on the ordinary
  // heap for an object that stands here would be a leak to it.
  __lsan_register_root_region(use.begin, use.used);
#endif
  const std::size_t after = use.used;
  if (!cipher || !comes_back(**cipher) || after < 500) std::exit(1);
  // Whatever OpenSSL allocates otherwise is none of this heap's.
  auto ordinary = secret_heap_use().used;
  if (ordinary != after) std::exit(2);
  const FileDescriptor memory(::open("/proc/self/mem", O_RDONLY | O_CLOEXEC));
  std::array<std::byte, 64> seen;
  if (!memory || ::pread(memory.get(), seen.data(), seen.size(), reinterpret_cast<off_t>(use.begin)) > 0) std::exit(3);
  std::exit(0);
}

TEST(SecretHeapDeathTest, HoldsTheExpandedKeyWhereNobodyReadsIt) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      hold_a_key_secretly(),
      [](int status) { return WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77); }, "");
}

}  // namespace
}  // namespace coffer::processor
