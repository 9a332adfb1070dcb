#include "host/image/static_pie.h"

#include <elf.h>
#include <gmock/gmock.h>

#include "host/image/elf_program.h"
#include "host/image/testing/fixtures.h"

namespace coffer::image {
namespace {

using ::testing::HasSubstr;

std::size_t headers_of_type(ByteView file, std::uint32_t type) {
  Elf64_Ehdr header;
  std::memcpy(&header, file.data(), sizeof(header));
  std::size_t count = 0;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    std::memcpy(&segment, file.data() + header.e_phoff + i * sizeof(segment), sizeof(segment));
    count += segment.p_type == type ? 1 : 0;
  }
  return count;
}

// Where the file's only relocation stands, that of testing/weak_program.S.
Elf64_Rela relocation(ByteView file) {
  Elf64_Ehdr header;
  std::memcpy(&header, file.data(), sizeof(header));
  Elf64_Rela found{};
  for (unsigned i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr section;
    std::memcpy(&section, file.data() + header.e_shoff + i * sizeof(section), sizeof(section));
    if (section.sh_type == SHT_RELA) std::memcpy(&found, file.data() + section.sh_offset, sizeof(found));
  }
  return found;
}

TEST(StaticPie, LosesItsLoaderAndItsUndefinedWeakReferences) {
  const auto linked = testing::program("image_test_weak");
  ASSERT_EQ(headers_of_type(linked, PT_INTERP), 1u);
  ASSERT_EQ(ELF64_R_TYPE(relocation(linked).r_info), static_cast<unsigned>(R_X86_64_GLOB_DAT));
  EXPECT_FALSE(ElfProgram::parse(linked, "weak"));

  auto made = as_static_pie(linked, "weak");
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(headers_of_type(*made, PT_INTERP), 0u);
  EXPECT_EQ(made->size(), linked.size());
  EXPECT_EQ(relocation(*made).r_info, 0u);
  auto program = ElfProgram::parse(*made, "weak");
  ASSERT_TRUE(program) << program.error().message;
  const auto place = program->content_at(relocation(linked).r_offset);
  EXPECT_EQ(ByteReader(place).read<std::uint64_t>(), 0u);

  // No relocation names an undefined symbol any more: a second pass finds nothing to change.
  auto again = as_static_pie(*made, "weak");
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, *made);
}

TEST(StaticPie, ProgramsThatAreOneAlreadyStayAsTheyAre) {
  const auto busy = testing::program("image_test_busy");
  auto made = as_static_pie(busy, "busy");
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(*made, busy);
}

TEST(StaticPie, RefusesProgramsThatNeedSharedLibraries) {
  auto self = read_file("/proc/self/exe", std::uint64_t{4} << 30);
  ASSERT_TRUE(self);
  auto made = as_static_pie(*self, "dynamic");
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, HasSubstr("dynamic: needs the shared library "));
}

TEST(StaticPie, RefusesSymbolsThatNothingDefines) {
  auto linked = testing::program("image_test_weak");
  // The undefined symbol, weak no longer.
  Elf64_Ehdr header;
  std::memcpy(&header, linked.data(), sizeof(header));
  bool changed = false;
  for (unsigned i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr section;
    std::memcpy(&section, linked.data() + header.e_shoff + i * sizeof(section), sizeof(section));
    if (section.sh_type != SHT_DYNSYM) continue;
    for (std::uint64_t at = section.sh_offset; at < section.sh_offset + section.sh_size; at += sizeof(Elf64_Sym)) {
      Elf64_Sym symbol;
      std::memcpy(&symbol, linked.data() + at, sizeof(symbol));
      if (symbol.st_shndx != SHN_UNDEF || ELF64_ST_BIND(symbol.st_info) != STB_WEAK) continue;
      symbol.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE);
      std::memcpy(linked.data() + at, &symbol, sizeof(symbol));
      changed = true;
    }
  }
  ASSERT_TRUE(changed);
  auto made = as_static_pie(linked, "strong");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().message, "strong: nothing defines the symbol absent; link the library that has it");
}

// Cut anywhere, the file is refused or comes back; nothing is read beyond its end.
TEST(StaticPie, BearsDamagedFiles) {
  const auto linked = testing::program("image_test_weak");
  for (std::size_t size = 0; size < linked.size(); size += 7) {
    const std::vector<std::byte> cut(linked.begin(), linked.begin() + static_cast<std::ptrdiff_t>(size));
    auto made = as_static_pie(cut, "cut");
    if (!made) continue;
    EXPECT_EQ(made->size(), size);
  }
}

}  // namespace
}  // namespace coffer::image
