#include "emulate/vdso_image.h"

#include <elf.h>
#include <gtest/gtest.h>
#include <sys/auxv.h>
#include <ctime>

#include <cstring>
#include <map>
#include <string>

namespace coffer::emulate {
namespace {

constexpr const char* kEntry = "__vdso_sgx_enter_enclave";

// A reader of its own, as programs bring one.
class Reader {
 public:
  Reader(const std::byte* image) : image_(image) {
    const auto* header = at<Elf64_Ehdr>(0);
    const auto* segments = at<Elf64_Phdr>(header->e_phoff);
    for (int i = 0; i < header->e_phnum; ++i) {
      if (segments[i].p_type != PT_DYNAMIC) continue;
      for (const auto* entry = at<Elf64_Dyn>(segments[i].p_offset); entry->d_tag != DT_NULL; ++entry) {
        tags_[entry->d_tag] = entry->d_un.d_val;
      }
    }
  }

  const Elf64_Sym* by_hash(const char* name) const {
    const auto* hash = at<Elf64_Word>(tags_.at(DT_HASH));
    unsigned long h = 0;
    for (const char* c = name; *c != '\0'; ++c) {
      h = (h << 4) + static_cast<unsigned char>(*c);
      const unsigned long high = h & 0xf0000000;
      if (high != 0) h ^= high >> 24;
      h &= ~high;
    }
    const Elf64_Word* chain = hash + 2 + hash[0];
    for (Elf64_Word i = hash[2 + h % hash[0]]; i != 0; i = chain[i]) {
      if (is(i, name)) return symbol(i);
    }
    return nullptr;
  }

  const Elf64_Sym* by_gnu_hash(const char* name) const {
    const auto* table = at<Elf64_Word>(tags_.at(DT_GNU_HASH));
    Elf64_Word h = 5381;
    for (const char* c = name; *c != '\0'; ++c) h = h * 33 + static_cast<unsigned char>(*c);
    const auto* filter = reinterpret_cast<const std::uint64_t*>(table + 4);
    const std::uint64_t word = filter[h / 64 % table[2]];
    if ((word >> h % 64 & 1) == 0 || (word >> (h >> table[3]) % 64 & 1) == 0) return nullptr;
    const Elf64_Word* buckets = table + 4 + table[2] * 2;
    const Elf64_Word* chain = buckets + table[0];
    for (Elf64_Word i = buckets[h % table[0]]; i >= table[1]; ++i) {
      const Elf64_Word value = chain[i - table[1]];
      if ((value | 1) == (h | 1) && is(i, name)) return symbol(i);
      if ((value & 1) != 0) break;
    }
    return nullptr;
  }

  Elf64_Half version_of(const Elf64_Sym* of) const { return at<Elf64_Half>(tags_.at(DT_VERSYM))[of - symbol(0)]; }
  bool has(Elf64_Sxword tag) const { return tags_.contains(tag); }
  std::string soname() const { return at<char>(tags_.at(DT_STRTAB) + tags_.at(DT_SONAME)); }

 private:
  template <class T>
  const T* at(std::uint64_t offset) const {
    return reinterpret_cast<const T*>(image_ + offset);
  }
  const Elf64_Sym* symbol(Elf64_Word i) const { return at<Elf64_Sym>(tags_.at(DT_SYMTAB)) + i; }
  bool is(Elf64_Word i, const char* name) const {
    return std::strcmp(at<char>(tags_.at(DT_STRTAB)) + symbol(i)->st_name, name) == 0;
  }

  const std::byte* image_;
  std::map<Elf64_Sxword, std::uint64_t> tags_;
};

int answer() { return 42; }

TEST(VdsoImage, HasTheFunctionByBothHashes) {
  const auto image = make_vdso_image(0x10000, ::getauxval(AT_SYSINFO_EHDR), reinterpret_cast<std::uint64_t>(&answer));
  ASSERT_TRUE(image) << image.error().message;
  const Reader reader(image->data());
  const Elf64_Sym* found = reader.by_hash(kEntry);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found, reader.by_gnu_hash(kEntry));
  EXPECT_EQ(ELF64_ST_TYPE(found->st_info), STT_FUNC);
  EXPECT_EQ(reader.soname(), "linux-vdso.so.1");
  // The symbol's code is in the image, and goes to the function.
  EXPECT_LT(found->st_value + found->st_size, image->size());
  std::uint64_t target = 0;
  std::memcpy(&target, image->data() + found->st_value + 6, sizeof(target));
  EXPECT_EQ(target, reinterpret_cast<std::uint64_t>(&answer));
  EXPECT_EQ(reader.by_hash("__vdso_no_such_thing"), nullptr);
  EXPECT_EQ(reader.by_gnu_hash("__vdso_no_such_thing"), nullptr);
}

TEST(VdsoImage, TheKernelsSymbolsGoOnWorking) {
  const std::uint64_t kernel = ::getauxval(AT_SYSINFO_EHDR);
  if (kernel == 0) GTEST_SKIP() << "this process has no vDSO";
  constexpr std::uint64_t kBase = 0x7000000;
  const auto image = make_vdso_image(kBase, kernel, 0);
  ASSERT_TRUE(image) << image.error().message;
  const Reader reader(image->data());
  for (const Elf64_Sym* found : {reader.by_hash("__vdso_clock_gettime"), reader.by_gnu_hash("__vdso_clock_gettime")}) {
    ASSERT_NE(found, nullptr);
    const auto function = reinterpret_cast<int (*)(clockid_t, timespec*)>(kBase + found->st_value);
    timespec now{};
    EXPECT_EQ(function(CLOCK_MONOTONIC, &now), 0);
    EXPECT_NE(now.tv_sec | now.tv_nsec, 0);
  }
  if (reader.has(DT_VERSYM)) {
    EXPECT_EQ(reader.version_of(reader.by_hash(kEntry)), reader.version_of(reader.by_hash("__vdso_clock_gettime")));
  }
}

TEST(VdsoImage, WithoutAKernelsOwnThereIsTheFunctionAlone) {
  const auto image = make_vdso_image(0x10000, 0, 1);
  ASSERT_TRUE(image);
  EXPECT_NE(Reader(image->data()).by_hash(kEntry), nullptr);
}

TEST(VdsoImage, WhatIsNoElfFileIsRefused) {
  alignas(16) static std::byte nothing[4096];
  EXPECT_FALSE(make_vdso_image(0x10000, reinterpret_cast<std::uint64_t>(nothing), 1));
}

}  // namespace
}  // namespace coffer::emulate
