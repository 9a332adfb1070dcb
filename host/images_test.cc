// Images, settings and programs that somebody damaged, through the real loader and signer: one clear line, the right
// kind of error, never a crash, never a run.
#include <array>
#include <chrono>
#include <cstring>
#include <random>
#include <thread>

#include <gmock/gmock.h>

#include "base/file.h"
#include "host/image/signer.h"
#include "host/testing/enclaves.h"
#include "sgx/sigstruct.h"

namespace coffer::host {
namespace {

using ::testing::HasSubstr;
using testing::Streams;

std::vector<std::byte> must_read(const std::filesystem::path& path) {
  auto content = read_file(path);
  if (!content) throw std::runtime_error(content.error().message);
  return std::move(*content);
}

::testing::AssertionResult one_line(const Error& error) {
  if (error.message.empty() || error.message.find('\n') != std::string::npos || error.message.size() > 600) {
    return ::testing::AssertionFailure() << "no clear line: " << error.message;
  }
  return ::testing::AssertionSuccess();
}

// The bytes as a file, through Enclave::load on the process rung.
Result<Enclave> load_bytes(const std::vector<std::byte>& bytes) {
  const auto path = testing::scratch() / "damaged.enclave";
  if (auto written = write_file_atomically(path, bytes); !written) return std::unexpected(written.error());
  // Whatever sizes the image claims, the machine is asked for this much at most.
  return Enclave::load(path, {.rung = RungKind::kProcess, .epc_size = std::uint64_t{64} << 20});
}

class Images : public ::testing::Test {
 protected:
  static const std::vector<std::byte>& good() {
    static const std::vector<std::byte> image = must_read(testing::enclave_of("life"));
    return image;
  }
  // Loading must fail, for a reason that is the image's.
  static void expect_refused(const std::vector<std::byte>& bytes, const std::string& what) {
    const auto enclave = load_bytes(bytes);
    ASSERT_FALSE(enclave) << what << ": it was loaded";
    EXPECT_TRUE(one_line(enclave.error())) << what;
    EXPECT_TRUE(enclave.error().kind == ErrorKind::kRefused || enclave.error().kind == ErrorKind::kInput)
        << what << ": " << enclave.error().message;
    EXPECT_THAT(enclave.error().message, HasSubstr("damaged.enclave")) << what;
  }
};

TEST_F(Images, TheGoodOneLoads) { ASSERT_TRUE(load_bytes(good())); }

TEST_F(Images, AFlippedBitAnywhereIsRefused) {
  std::mt19937 random(2024);
  std::vector<std::size_t> places;
  for (std::size_t at = 0; at < 2048; at += 37) places.push_back(at);  // the header with the SIGSTRUCT, the table
  for (int i = 0; i < 40; ++i) places.push_back(random() % good().size());
  for (std::size_t at : places) {
    std::vector<std::byte> bytes = good();
    bytes[at] ^= static_cast<std::byte>(1U << random() % 8);
    expect_refused(bytes, "byte " + std::to_string(at));
  }
}

TEST_F(Images, PagesThatChangedAreRefusedAsNotWhatWasSigned) {
  std::vector<std::byte> bytes = good();
  bytes[bytes.size() / 2] ^= std::byte{1};
  const auto enclave = load_bytes(bytes);
  ASSERT_FALSE(enclave);
  EXPECT_EQ(enclave.error().kind, ErrorKind::kRefused);
  EXPECT_THAT(enclave.error().message, HasSubstr("not what was signed"));
}

TEST_F(Images, CutOffPaddedAndEmptyFilesAreRefused) {
  for (std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{8}, std::size_t{1879}, std::size_t{1880},
                           std::size_t{4096}, good().size() / 2, good().size() - 4096, good().size() - 1}) {
    std::vector<std::byte> bytes = good();
    bytes.resize(size);
    expect_refused(bytes, "cut to " + std::to_string(size));
  }
  std::vector<std::byte> longer = good();
  longer.resize(longer.size() + 4096);
  expect_refused(longer, "longer");
}

TEST_F(Images, WildNumbersInTheHeaderAndTheTablesAreRefused) {
  std::mt19937_64 random(77);
  const std::array<std::uint64_t, 9> wild = {0,
                                             1,
                                             ~std::uint64_t{0},
                                             std::uint64_t{1} << 63,
                                             0xffff'ffff,
                                             std::uint64_t{1} << 39,
                                             4096,
                                             ~std::uint64_t{4095},
                                             0x7fff'ffff'f000};
  int refused = 0;
  for (int round = 0; round < 150; ++round) {
    std::vector<std::byte> bytes = good();
    // One to three words of the header, the segment table, or the layout page's front.
    for (int change = 0; change <= round % 3; ++change) {
      const std::size_t at = random() % 3 == 0 ? random() % 72 / 8 * 8 : 1880 + random() % 2000 / 8 * 8;
      std::memcpy(&bytes[at], &wild[random() % wild.size()], 8);
    }
    if (bytes == good()) continue;
    const auto enclave = load_bytes(bytes);
    if (enclave) {
      // Bytes between the table and the first page are nobody's: then it is the same enclave.
      continue;
    }
    ++refused;
    EXPECT_TRUE(one_line(enclave.error())) << "round " << round;
    EXPECT_NE(enclave.error().kind, ErrorKind::kLost) << "round " << round << ": " << enclave.error().message;
  }
  EXPECT_GT(refused, 50);
}

TEST_F(Images, FilesThatAreNoImagesAreRefused) {
  expect_refused(must_read(testing::program_file("life")), "an ELF file");
  expect_refused(std::vector<std::byte>(100'000, std::byte{0x41}), "a text");
  const auto missing = Enclave::load(testing::scratch() / "missing.enclave");
  ASSERT_FALSE(missing);
  EXPECT_TRUE(one_line(missing.error()));
  const auto folder = Enclave::load(testing::scratch());
  ASSERT_FALSE(folder);
  EXPECT_TRUE(one_line(folder.error()));
}

TEST_F(Images, AProductionImageIsRefusedInline) {
  if (!testing::inline_rung_works()) GTEST_SKIP() << "no rung inline under sanitizers";
  image::Settings settings = testing::usual_settings();
  settings.name = "production";
  settings.debug = false;
  const auto enclave = Enclave::load(testing::enclave_of("life", settings), {.rung = RungKind::kInline});
  ASSERT_FALSE(enclave);
  EXPECT_EQ(enclave.error().kind, ErrorKind::kRefused);
  EXPECT_TRUE(one_line(enclave.error()));
  // And runs where something protects it.
  const Streams streams;
  EXPECT_EQ(testing::load("life", {}, settings).run(streams.options({"exit", "5"}))->code, 5);
}

// Programs: whatever the signer takes of a damaged ELF file, the enclave ends by itself.
TEST(Programs, DamagedElfFilesAreRefusedOrDieInside) {
  const auto kernel = must_read(std::filesystem::path(COFFER_BUILD_DIR) / "libexec/coffer/enclave-kernel.elf");
  const auto program = must_read(testing::program_file("server"));
  auto key = sgx::SigningKey::generate();
  ASSERT_TRUE(key);
  std::mt19937 random(31);
  int refused = 0;
  int ran = 0;
  for (int round = 0; round < 40; ++round) {
    std::vector<std::byte> damaged = program;
    for (int i = 0; i <= round % 4; ++i) {
      const std::size_t reach = round % 2 == 0 ? 1024 : damaged.size();  // headers, or anywhere
      damaged[random() % reach] = static_cast<std::byte>(random());
    }
    auto built = image::build_image({.kernel = kernel,
                                     .program = damaged,
                                     .program_name = "damaged",
                                     .settings = testing::usual_settings(),
                                     .files = {},
                                     .date = 0x20261122});
    if (!built) {
      ++refused;
      EXPECT_TRUE(one_line(built.error())) << "round " << round;
      continue;
    }
    ASSERT_TRUE(image::sign_image(built->file, "damaged", *key));
    auto enclave = load_bytes(built->file);
    if (!enclave) {
      EXPECT_TRUE(one_line(enclave.error())) << "round " << round;
      continue;
    }
    ++ran;
    const Streams streams;
    ASSERT_TRUE(enclave->start(streams.options({"1"})));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    enclave->destroy();  // dead by itself, or serving: neither hangs
    (void)enclave->wait();
  }
  EXPECT_GT(refused, 0);
  EXPECT_GT(ran, 0);
}

// coffer.toml: flipped bytes are taken for what they then say, or refused with file and line.
TEST(SettingsFiles, DamagedOnesAreRefusedWithOneLineThatNamesTheFile) {
  const std::string good =
      "name = \"program\"\nproduct_id = 7\nsvn = 2\ndebug = true\nthreads = 8\nstack = \"1M\"\nheap_max = \"64M\"\n\n"
      "[environment]\nallow = [\"TZ\"]\n\n[[mounts]]\npath = \"/data\"\nkind = \"encrypted\"\nkey = \"mrsigner\"\n";
  std::mt19937 random(5);
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string text = good;
    for (int i = 0; i <= round % 3; ++i) {
      char& c = text[random() % text.size()];
      switch (random() % 3) {
        case 0:
          c = static_cast<char>(c ^ 1U << random() % 8);
          break;
        case 1:
          c = static_cast<char>(random());
          break;
        default:
          text.erase(random() % text.size(), 1 + random() % 8);
          break;
      }
    }
    const auto settings = image::parse_settings(text, "coffer.toml", testing::scratch());
    if (settings) continue;
    ++refused;
    EXPECT_TRUE(one_line(settings.error())) << text;
    EXPECT_EQ(settings.error().kind, ErrorKind::kInput) << text;
    EXPECT_THAT(settings.error().message, HasSubstr("coffer.toml"));
  }
  EXPECT_GT(refused, 500);
}

}  // namespace
}  // namespace coffer::host
