// A hostile host: whatever it does to what it stores, a read gives the right content or EIO.
#include <errno.h>

#include <cstdlib>
#include <map>

#include "enclave/kernel/fs/encrypted/test_support.h"

namespace coffer::kernel::fs::testing {
namespace {

using Image = MemoryHostDirectory::Image;
using Tree = std::map<std::string, Bytes>;

const std::vector<std::string>& all_names() {
  static const std::vector<std::string> names{"a", "b", "c", "dir/d"};
  return names;
}

// What a read-only mount of the image shows: 'r' all right, 'e' an error somewhere, 'w' something wrong.
char judge(const Image& image, const Tree& expected) {
  MemoryHostDirectory host;
  host.set_image(image);
  EncryptedOptions options;
  options.read_only = true;
  options.cache_blocks = 64;
  Mount mount(host, options);
  if (mount.error() != 0) return mount.error() == EIO || mount.error() == ENOENT ? 'e' : 'w';
  char verdict = 'r';
  std::vector<std::string> top, below;
  for (const auto& [name, content] : expected) {
    (name.starts_with("dir/") ? below : top).push_back(name.starts_with("dir/") ? name.substr(4) : name);
  }
  top.push_back("dir");
  for (const auto& [directory, names] : {std::pair{"", top}, std::pair{"dir", below}}) {
    const auto listed = mount.names(directory);
    if (mount.error() == EIO) {
      verdict = 'e';
    } else if (mount.error() != 0 || listed != names) {
      return 'w';
    }
  }
  for (const auto& [name, content] : expected) {
    const Bytes found = mount.read(name);
    if (mount.error() == EIO) {
      verdict = 'e';
    } else if (mount.error() != 0 || found != content) {
      return 'w';
    }
  }
  return verdict;
}

// A mount with a history: its stored states after each clean end, and the content that belongs to each.
class EncryptedTamper : public ::testing::Test {
 protected:
  void SetUp() override {
    MemoryHostDirectory host;
    for (unsigned version = 0; version < 4; ++version) {
      Tree tree;
      {
        Mount mount(host);
        ASSERT_EQ(mount.error(), 0);
        if (version == 0) {
          ASSERT_EQ(code(mount->make_directory("dir", 0755)), 0);
        }
        for (std::size_t i = 0; i < all_names().size(); ++i) {
          const std::string& name = all_names()[i];
          tree[name] = noise(700 + 3000 * i, i < version ? 100 * version + i : i);
          ASSERT_EQ(mount.write(name, tree[name]), 0);
        }
      }
      images_.push_back(host.image());
      trees_.push_back(tree);
      ASSERT_EQ(judge(images_.back(), trees_.back()), 'r');
    }
  }
  [[nodiscard]] char judge_newest(const Image& image) const { return judge(image, trees_.back()); }
  static std::size_t blocks(const Image& image) { return image.at("coffer.data").size() / encrypted::kBlockSize; }
  static std::span<std::byte> block(Image& image, std::size_t index) {
    return std::span(image.at("coffer.data")).subspan(index * encrypted::kBlockSize, encrypted::kBlockSize);
  }

  std::vector<Image> images_;
  std::vector<Tree> trees_;
};

TEST_F(EncryptedTamper, EveryByteFlipped) {
  std::map<char, int> verdicts;
  std::mt19937_64 random(5);
  for (const auto& [name, content] : images_.back()) {
    Image image = images_.back();
    // All bytes under one tag are equal to the cipher: every seventh is a fair part of them. COFFER_EXHAUSTIVE=1: all.
    const bool exhaustive = std::getenv("COFFER_EXHAUSTIVE") != nullptr;
    const std::size_t step = exhaustive ? 1 : name == "coffer.data" ? 61 : 7;
    for (std::size_t at = 0; at < content.size(); at += step) {
      const std::byte flip{static_cast<unsigned char>(1U << (random() % 8))};
      image[name][at] ^= flip;
      const char verdict = judge_newest(image);
      ++verdicts[verdict];
      ASSERT_NE(verdict, 'w') << name << " byte " << at;
      image[name][at] ^= flip;
    }
  }
  EXPECT_GT(verdicts['e'], 100);
}

TEST_F(EncryptedTamper, OneRootRecordBrokenIsHarmless) {
  for (std::size_t at = 0; at < images_.back().at("coffer.root").size(); at += 97) {
    Image image = images_.back();
    image["coffer.root"][at] ^= std::byte{0x10};
    EXPECT_EQ(judge_newest(image), 'r') << at;
  }
}

TEST_F(EncryptedTamper, BlocksSwapped) {
  int refused = 0;
  const std::size_t count = blocks(images_.back());
  for (std::size_t a = 0; a < count; ++a) {
    for (std::size_t b = a + 1; b < count; ++b) {
      Image image = images_.back();
      std::swap_ranges(block(image, a).begin(), block(image, a).end(), block(image, b).begin());
      const char verdict = judge_newest(image);
      ASSERT_NE(verdict, 'w') << a << " and " << b;
      refused += verdict == 'e';
    }
  }
  EXPECT_GT(refused, 50);
}

TEST_F(EncryptedTamper, OldBlocksPutBack) {
  int refused = 0;
  for (std::size_t version = 0; version + 1 < images_.size(); ++version) {
    for (std::size_t at = 0; at < std::min(blocks(images_[version]), blocks(images_.back())); ++at) {
      Image image = images_.back();
      std::ranges::copy(block(images_[version], at), block(image, at).begin());
      const char verdict = judge_newest(image);
      ASSERT_NE(verdict, 'w') << "block " << at << " of version " << version;
      refused += verdict == 'e';
    }
  }
  EXPECT_GT(refused, 0);
}

TEST_F(EncryptedTamper, OldHostFilesPutBack) {
  for (std::size_t version = 0; version + 1 < images_.size(); ++version) {
    for (const std::string name : {"coffer.root", "coffer.data"}) {
      Image image = images_.back();
      image[name] = images_[version].at(name);
      EXPECT_EQ(judge_newest(image), 'e') << name << " of version " << version;
      MemoryHostDirectory host;
      host.set_image(image);
      if (name == "coffer.root") {
        EXPECT_EQ(Mount(host).error(), EIO) << version;
      }
    }
  }
}

TEST_F(EncryptedTamper, HostFilesMissingSwappedOrCut) {
  for (const std::string name : {"coffer.root", "coffer.data"}) {
    Image image = images_.back();
    image.erase(name);
    EXPECT_EQ(judge_newest(image), 'e') << name;
    MemoryHostDirectory host;
    host.set_image(image);
    EXPECT_EQ(Mount(host).error(), EIO) << name;
    for (std::size_t size = 0; size < images_.back().at(name).size(); size += 512) {
      image = images_.back();
      image[name].resize(size);
      ASSERT_NE(judge_newest(image), 'w') << name << " cut to " << size;
      if (name == "coffer.root" && size >= 512) continue;  // records of earlier states may be all that was cut
      if (size <= images_.back().at(name).size() / 4) {
        ASSERT_EQ(judge_newest(image), 'e') << name << " cut to " << size;
      }
      std::ranges::fill(image[name], std::byte{0});
      ASSERT_EQ(judge_newest(image), 'e') << name << " zeroed";
    }
  }
  Image image = images_.back();
  std::swap(image["coffer.root"], image["coffer.data"]);
  EXPECT_EQ(judge_newest(image), 'e');
}

TEST_F(EncryptedTamper, OtherKeysLabelsAndVolumes) {
  MemoryHostDirectory host;
  host.set_image(images_.back());
  EXPECT_EQ(Mount(host, {}, test_key(2)).error(), EIO);
  EncryptedOptions other;
  other.label = "/elsewhere";
  EXPECT_EQ(Mount(host, other).error(), EIO);

  MemoryHostDirectory second;
  {
    ASSERT_EQ(Mount(second).write("a", text("another volume")), 0);
  }
  for (const std::string name : {"coffer.root", "coffer.data"}) {
    Image image = images_.back();
    image[name] = second.image().at(name);
    EXPECT_EQ(judge_newest(image), 'e') << name;
  }
}

// Reads that change from one time to the next, are cut, fail or return other places of the file.
TEST_F(EncryptedTamper, LyingHost) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    MemoryHostDirectory host;
    host.set_image(images_.back());
    std::mt19937_64 random(seed);
    host.lie = [&random](std::span<std::byte> into, std::size_t* count) {
      switch (random() % 12) {
        case 0:
          *count = random() % (*count + 1);
          break;
        case 1:
          *count = into.size() + random() % 100;
          break;  // more than was asked
        case 2:
          if (!into.empty()) into[random() % into.size()] ^= std::byte{1};
          break;
        case 3:
          std::ranges::fill(into, std::byte{0xff});
          break;
        default:
          break;
      }
    };
    host.failure = [&random](std::string_view) { return random() % 50 == 0 ? EIO : 0; };
    EncryptedOptions options;
    options.cache_blocks = 64;
    Mount mount(host, options);
    if (mount.error() != 0) continue;
    for (int i = 0; i < 40; ++i) {
      const std::string& name = all_names()[random() % all_names().size()];
      const Bytes found = mount.read(name);
      if (mount.error() == 0) {
        ASSERT_EQ(found, trees_.back().at(name));
      }
    }
    // Writing through it must not crash, whatever it answers.
    for (int i = 0; i < 10; ++i) {
      (void)mount.write("new" + std::to_string(i), noise(random() % 20'000, i), true);
      (void)mount->remove("new" + std::to_string(random() % 10), false);
    }
  }
}

}  // namespace
}  // namespace coffer::kernel::fs::testing
