#include "compat/openenclave/host/image.h"

#include <elf.h>
#include <gtest/gtest.h>
#include <openenclave/bits/properties.h>

#include <cstring>

namespace coffer::openenclave {
namespace {

// An ELF file with one section.
std::vector<std::byte> elf_with(std::string_view section, ByteView content) {
  const std::string names = '\0' + std::string(section) + '\0';
  Elf64_Ehdr header = {};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_machine = EM_X86_64;
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = 2;
  header.e_shoff = sizeof(header);
  std::array<Elf64_Shdr, 2> sections = {};
  const std::uint64_t data = sizeof(header) + sizeof(sections);
  sections[0].sh_type = SHT_STRTAB;
  sections[0].sh_offset = data;
  sections[0].sh_size = names.size();
  sections[1].sh_name = 1;
  sections[1].sh_type = SHT_PROGBITS;
  sections[1].sh_offset = data + names.size();
  sections[1].sh_size = content.size();
  std::vector<std::byte> file;
  const auto add = [&file](ByteView bytes) { file.insert(file.end(), bytes.begin(), bytes.end()); };
  add(bytes_of(header));
  add(bytes_of(sections));
  add(std::as_bytes(std::span(names)));
  add(content);
  return file;
}

oe_sgx_enclave_properties_t record() {
  oe_sgx_enclave_properties_t record = {};
  record.header = {sizeof(record), OE_ENCLAVE_TYPE_SGX, {100, 20, 3}};
  record.config.product_id = 11;
  record.config.security_version = 12;
  record.config.attributes = OE_MAKE_ATTRIBUTES(true, false);
  return record;
}

TEST(ReadOeinfo, ReadsTheRecord) {
  const auto read = read_oeinfo(elf_with(".oeinfo", bytes_of(record())), "enclave");
  ASSERT_TRUE(read && *read);
  EXPECT_EQ((*read)->heap_pages, 100u);
  EXPECT_EQ((*read)->stack_pages, 20u);
  EXPECT_EQ((*read)->tcs, 3u);
  EXPECT_EQ((*read)->product_id, 11);
  EXPECT_EQ((*read)->security_version, 12);
  EXPECT_TRUE((*read)->debug);
  EXPECT_FALSE((*read)->key_separation);
}

TEST(ReadOeinfo, AFileWithoutTheSection) {
  const auto read = read_oeinfo(elf_with(".other", bytes_of(record())), "enclave");
  ASSERT_TRUE(read);
  EXPECT_FALSE(*read);
}

TEST(ReadOeinfo, RefusesWhatIsCutShortOrAnothersAtEveryByte) {
  const auto whole = elf_with(".oeinfo", bytes_of(record()));
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    const auto read = read_oeinfo(ByteView(whole).first(size), "enclave");
    EXPECT_FALSE(read && *read) << size;
  }
  auto other = record();
  other.header.enclave_type = OE_ENCLAVE_TYPE_OPTEE;
  EXPECT_FALSE(read_oeinfo(elf_with(".oeinfo", bytes_of(other)), "enclave"));
}

TEST(ApplyConfiguration, SettingsGoOverWhatWasThere) {
  Properties properties;
  properties.heap_pages = 5;
  properties.product_id = 6;
  const auto applied = apply_configuration(
      "# a comment\n\n Debug = "
      "1\r\nNumHeapPages=1024\nStartAddress=0x10000\nFamilyID=47183823-2574-4bfd-b411-99ed177d3e43",
      "e.conf", properties);
  ASSERT_TRUE(applied) << applied.error().message;
  EXPECT_TRUE(properties.debug);
  EXPECT_EQ(properties.heap_pages, 1024u);
  EXPECT_EQ(properties.product_id, 6);
  EXPECT_EQ(properties.start_address, 0x10000u);
  EXPECT_TRUE(properties.key_separation);
  EXPECT_EQ(properties.family_id[0], 0x47);
  EXPECT_EQ(properties.family_id[15], 0x43);
}

TEST(ApplyConfiguration, SaysWhereAndWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"Debug", "e.conf:1: is not NAME=VALUE"},
      {"\nNumTCS=-1", "e.conf:2: NumTCS must be a number from 0 to 1024"},
      {"ProductID=65536", "e.conf:1: ProductID must be a number from 0 to 65535"},
      {"Debug=2", "e.conf:1: Debug must be a number from 0 to 1"},
      {"NumHeapPages=", "e.conf:1: NumHeapPages must be a number"},
      {"NumHeapPages=12x", "e.conf:1: NumHeapPages must be a number"},
      {"Heap=1", "e.conf:1: Heap: no such setting"},
      {"FamilyID=47183823", "e.conf:1: FamilyID is not an id"},
      {"FamilyID=47183823-2574-4bfd-b411-99ed177d3e4g", "e.conf:1: FamilyID is not an id"},
      {"FamilyID=47183823025740 bfd-b411-99ed177d3e43", "e.conf:1: FamilyID is not an id"},
  };
  for (const auto& [text, message] : cases) {
    Properties properties;
    const auto applied = apply_configuration(text, "e.conf", properties);
    ASSERT_FALSE(applied) << text;
    EXPECT_TRUE(applied.error().message.starts_with(message)) << applied.error().message;
  }
}

TEST(CheckProperties, SizesMustBeThere) {
  Properties properties;
  properties.heap_pages = properties.stack_pages = properties.tcs = 1;
  EXPECT_TRUE(check_properties(properties, "enclave"));
  for (auto size : {&Properties::heap_pages, &Properties::stack_pages, &Properties::tcs}) {
    Properties without = properties;
    without.*size = 0;
    EXPECT_FALSE(check_properties(without, "enclave"));
    without.*size = UINT64_MAX;
    EXPECT_FALSE(check_properties(without, "enclave"));
  }
}

TEST(PropertiesOf, ReadsTheImagesEnvironment) {
  const std::vector<std::string_view> environment = {"PATH=/", "COFFER_OE_HEAP_PAGES=7", "COFFER_OE_STACK_PAGES=8",
                                                     "COFFER_OE_TCS=9"};
  const auto read = properties_of(environment);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->heap_pages, 7u);
  EXPECT_EQ(read->stack_pages, 8u);
  EXPECT_EQ(read->tcs, 9u);
  EXPECT_FALSE(properties_of(std::span(environment).first(3)));
}

TEST(MayBeDebug, TheSignatureSaysSo) {
  sgx::Sigstruct sigstruct;
  sigstruct.attributes.flags = 0;
  sigstruct.attribute_mask.flags = sgx::attribute::kDebug;
  EXPECT_FALSE(may_be_debug(sigstruct));
  sigstruct.attribute_mask.flags = 0;
  EXPECT_TRUE(may_be_debug(sigstruct));
  sigstruct.attributes.flags = sigstruct.attribute_mask.flags = sgx::attribute::kDebug;
  EXPECT_TRUE(may_be_debug(sigstruct));
}

}  // namespace
}  // namespace coffer::openenclave
