#include "host/image/syscall_sites.h"

#include <elf.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <random>

#include "host/image/coffer_image.h"
#include "host/image/testing/fixtures.h"

namespace coffer::image {
namespace {

std::optional<PatchableSite> site_in(const ElfProgram& program, const SiteSurvey& survey, std::string_view function) {
  auto symbol = std::ranges::find(program.symbols(), function, &ElfSymbol::name);
  EXPECT_NE(symbol, program.symbols().end()) << function;
  for (const auto& site : survey.patchable) {
    if (site.address >= symbol->address && site.address < symbol->address + symbol->size) return site;
  }
  return std::nullopt;
}

TEST(SyscallSites, TellsWhatCanBeDisplaced) {
  auto file = testing::program("image_test_tiny");
  auto program = ElfProgram::parse(file, "tiny");
  ASSERT_TRUE(program) << program.error().message;
  auto survey = find_syscall_sites(*program);

  auto with_number = site_in(*program, survey, "exit_with_number");
  ASSERT_TRUE(with_number);
  EXPECT_EQ(with_number->length, 7u);
  EXPECT_EQ(with_number->before.size(), 5u);
  EXPECT_EQ(with_number->after.size(), 0u);

  auto after_only = site_in(*program, survey, "loop_to_syscall");
  ASSERT_TRUE(after_only);
  EXPECT_EQ(after_only->length, 8u);
  EXPECT_EQ(after_only->before.size(), 0u);
  EXPECT_EQ(after_only->after.size(), 6u);

  for (const char* function : {"bare", "relative", "signal_return", "table_inside"}) {
    EXPECT_FALSE(site_in(*program, survey, function)) << function;
  }
  EXPECT_EQ(survey.patchable.size(), 2u);  // and not the data that looks like a system call
}

TEST(SyscallSites, FindsCpuidAndNoDataThatLooksLikeIt) {
  auto file = testing::program("image_test_tiny");
  auto program = ElfProgram::parse(file, "tiny");
  ASSERT_TRUE(program) << program.error().message;
  const auto address_of = [&](std::string_view name) {
    return std::ranges::find(program->symbols(), name, &ElfSymbol::name)->address;
  };
  const std::uint64_t twice = address_of("asks_twice");
  const std::uint64_t without_size = address_of("without_size");
  EXPECT_EQ(find_syscall_sites(*program).cpuid, (std::vector<std::uint64_t>{twice + 2, twice + 11, without_size + 7}));
}

TEST(SyscallSites, AThunkRepeatsTheDisplacedInstructions) {
  constexpr std::array<unsigned char, 5> kBefore = {0xb8, 0x27, 0, 0, 0};
  constexpr std::array<unsigned char, 3> kAfter = {0x48, 0x89, 0xc3};
  PatchableSite site{.address = 0x100,
                     .length = 10,
                     .before = std::as_bytes(std::span(kBefore)),
                     .after = std::as_bytes(std::span(kAfter))};
  auto thunks = make_thunks({&site, 1}, 0x10000, 0x20000, 0x3000);
  ASSERT_EQ(thunks.sites.size(), 1u);
  EXPECT_EQ(thunks.sites[0].site, 0x10100u);
  EXPECT_EQ(thunks.sites[0].thunk, 0x20000u);
  constexpr std::array<unsigned char, 25> kExpected = {0xb8, 0x27, 0,    0,    0,           // before
                                                       0x48, 0x8d, 0x0d, 5,    0,    0, 0,  // lea 0x20011, %rcx
                                                       0xe9, 0xef, 0x2f, 0xfe, 0xff,        // jmp 0x3000 from 0x20011
                                                       0x48, 0x89, 0xc3,                    // after
                                                       0xe9, 0xf1, 0x00, 0xff, 0xff};       // jmp 0x1010a from 0x20019
  ASSERT_EQ(thunks.code.size(), kExpected.size());
  EXPECT_EQ(std::memcmp(thunks.code.data(), kExpected.data(), kExpected.size()), 0);
}

TEST(SyscallSites, OutOfReachIsLeftToTheTrap) {
  PatchableSite site{.address = 0, .length = 7, .before = {}, .after = {}};
  EXPECT_TRUE(make_thunks({&site, 1}, std::uint64_t{1} << 32, std::uint64_t{1} << 33, 0x3000).sites.empty());
}

struct Output {
  std::string text;
  int status = 0;
};

Output run(const std::filesystem::path& program, const std::string& arguments) {
  Output output;
  std::FILE* pipe = ::popen((program.string() + " " + arguments + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return output;
  std::array<char, 4096> buffer;
  while (std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe)) output.text.append(buffer.data(), got);
  output.status = ::pclose(pipe);
  return output;
}

// Puts patches and thunks into the program's own file: PT_NOTE becomes one more segment, whose first bytes stand for
// the kernel's entry. What the enclave does in memory, Linux then does to an ordinary process.
std::vector<std::byte> patched_file(std::vector<std::byte> file, std::size_t* patched) {
  // movq %rcx,%xmm15; syscall; movq %xmm15,%rcx; jmp *%rcx
  constexpr std::array<unsigned char, 32> kEntry = {0x66, 0x4c, 0x0f, 0x6e, 0xf9, 0x0f, 0x05,
                                                    0x66, 0x4c, 0x0f, 0x7e, 0xf9, 0xff, 0xe1};
  const auto original = file;
  auto program = ElfProgram::parse(original, "busy");
  const std::uint64_t address = program->end();
  auto thunks = make_thunks(find_syscall_sites(*program).patchable, 0, address + kEntry.size(), address);
  *patched = thunks.sites.size();
  for (const auto& site : thunks.sites) {
    auto patch = patch_of(site);
    for (const auto& segment : program->segments()) {
      if (!segment.contains(site.site)) continue;
      auto at = segment.content.data() - original.data() + static_cast<std::ptrdiff_t>(site.site - segment.address);
      std::memcpy(file.data() + at, patch.bytes.data(), patch.length);
    }
  }
  file.resize((file.size() + 4095) / 4096 * 4096);
  const std::uint64_t offset = file.size();
  file.insert(file.end(), std::as_bytes(std::span(kEntry)).begin(), std::as_bytes(std::span(kEntry)).end());
  file.insert(file.end(), thunks.code.begin(), thunks.code.end());
  auto header = *ByteReader(file).read<Elf64_Ehdr>();
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    auto* place = file.data() + header.e_phoff + i * sizeof(Elf64_Phdr);
    Elf64_Phdr entry;
    std::memcpy(&entry, place, sizeof(entry));
    if (entry.p_type != PT_NOTE) continue;
    const std::uint64_t size = file.size() - offset;
    entry = {.p_type = PT_LOAD,
             .p_flags = PF_R | PF_X,
             .p_offset = offset,
             .p_vaddr = address,
             .p_paddr = address,
             .p_filesz = size,
             .p_memsz = size,
             .p_align = 4096};
    std::memcpy(place, &entry, sizeof(entry));
    break;
  }
  return file;
}

TEST(SyscallSites, AnOrdinaryProgramRunsTheSameWithAllSitesPatched) {
  auto file = testing::program("image_test_busy");
  auto survey = find_syscall_sites(*ElfProgram::parse(file, "busy"));
  EXPECT_GT(survey.found, 50u);
  EXPECT_GE(survey.patchable.size() * 100, survey.found * 95);

  std::size_t patched = 0;
  auto path = std::filesystem::temp_directory_path() / ("coffer-patched-" + std::to_string(::getpid()));
  ASSERT_TRUE(write_file_atomically(path, patched_file(file, &patched), 0700));
  EXPECT_EQ(patched, survey.patchable.size());
  auto expected = run(testing::program_path("image_test_busy"), "argument");
  auto got = run(path, "argument");
  std::filesystem::remove(path);
  EXPECT_EQ(expected.text, "36 7 pipe 3 thrown 1 x -1 2 argument\n");
  EXPECT_EQ(got.text, expected.text);
  EXPECT_EQ(got.status, expected.status);
}

TEST(ElfProgram, SaysWhatToDo) {
  auto tiny = testing::program("image_test_tiny");
  auto message = [&](std::size_t at, std::initializer_list<unsigned> values) {
    auto file = tiny;
    for (unsigned value : values) file[at++] = static_cast<std::byte>(value);
    auto program = ElfProgram::parse(file, "p");
    return program ? std::string("accepted") : program.error().message;
  };
  EXPECT_NE(message(0, {0}).find("not an ELF program"), std::string::npos);
  EXPECT_NE(message(offsetof(Elf64_Ehdr, e_machine), {183}).find("x86-64"), std::string::npos);
  EXPECT_NE(message(offsetof(Elf64_Ehdr, e_type), {ET_EXEC}).find("-static-pie"), std::string::npos);
  EXPECT_NE(message(offsetof(Elf64_Ehdr, e_type), {ET_REL}).find("object file"), std::string::npos);
  EXPECT_NE(message(offsetof(Elf64_Ehdr, e_entry), {0, 0, 0, 0}).find("entry point"), std::string::npos);
  auto header = *ByteReader(tiny).read<Elf64_Ehdr>();
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    const auto at = header.e_phoff + i * sizeof(Elf64_Phdr);
    auto entry = *ByteReader(ByteView(tiny).subspan(at)).read<Elf64_Phdr>();
    if (entry.p_type != PT_LOAD || (entry.p_flags & PF_X) == 0) continue;
    EXPECT_NE(message(at + offsetof(Elf64_Phdr, p_flags), {7}).find("writable and executable"), std::string::npos);
    EXPECT_NE(message(at + offsetof(Elf64_Phdr, p_filesz), {255, 255, 255, 255}).find("damaged"), std::string::npos);
    EXPECT_NE(message(at, {PT_INTERP}).find("link it statically with -static-pie"), std::string::npos);
  }
}

TEST(ElfProgram, MutatedFilesNeverCrash) {
  const std::uint32_t seed = std::random_device{}();
  std::mt19937 random(seed);
  SCOPED_TRACE("seed " + std::to_string(seed));
  const auto tiny = testing::program("image_test_tiny");
  int accepted = 0;
  for (int round = 0; round < 5000; ++round) {
    auto file = tiny;
    for (auto changes = 1 + random() % 4; changes > 0; --changes) {
      std::size_t limit = random() % 2 == 0 ? 700 : file.size();
      file[random() % limit] = static_cast<std::byte>(random());
    }
    if (random() % 8 == 0) file.resize(random() % file.size());
    auto program = ElfProgram::parse(file, "mutated");
    if (!program) {
      EXPECT_EQ(program.error().message.find('\n'), std::string::npos);
      continue;
    }
    ++accepted;
    auto survey = find_syscall_sites(*program);
    EXPECT_LE(survey.patchable.size(), survey.found);
  }
  EXPECT_GT(accepted, 0);
}

}  // namespace
}  // namespace coffer::image
