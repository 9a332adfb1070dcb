// Which key a mount is under: what coffer.root says of it in the clear.
#include <errno.h>

#include <cstring>

#include "enclave/kernel/fs/encrypted/test_support.h"

namespace coffer::kernel::fs::testing {
namespace {

using encrypted::KeyHeader;
using encrypted::kKeyHeaderOffset;
using encrypted::read_key_header;

KeyHeader some_header() {
  KeyHeader header;
  header.magic = encrypted::kKeyMagic;
  header.isv_svn = 7;
  header.cpu_svn[3] = 9;
  header.key_id[31] = 1;
  return header;
}

std::uint16_t stored_svn(MemoryHostDirectory& host) {
  const auto header = read_key_header(host);
  EXPECT_TRUE(header.has_value());
  return header ? header->isv_svn : 0xffff;
}

TEST(KeyHeader, ANewVolumeKeepsItWhateverIsWrittenLater) {
  MemoryHostDirectory host;
  EXPECT_EQ(read_key_header(host).error(), ENOENT);
  const KeyHeader header = some_header();
  {
    Mount mount(host, {.key_header = &header});
    ASSERT_EQ(mount.error(), 0);
    for (int i = 0; i < 20; ++i) EXPECT_EQ(mount.write("file", noise(9000, 1), true), 0);
  }
  const auto stored = read_key_header(host);
  ASSERT_TRUE(stored.has_value());
  EXPECT_EQ(std::memcmp(&*stored, &header, sizeof(header)), 0);
  // Mounted again it stays what it was, whoever mounts it.
  KeyHeader newer = header;
  newer.isv_svn = 8;
  Mount again(host, {.key_header = &newer, .must_exist = true});
  EXPECT_EQ(again.read("file"), noise(9000, 1));
  again.unmount();
  EXPECT_EQ(stored_svn(host), 7);
  EXPECT_EQ(host.open_handles(), 0u);
}

TEST(KeyHeader, AVolumeFromBeforeItHasZeros) {
  MemoryHostDirectory host;
  {
    Mount old(host);
  }
  auto image = host.image();
  const std::string root(encrypted::kRootName);
  EXPECT_LE(image.at(root).size(), kKeyHeaderOffset);
  const auto none = read_key_header(host);
  ASSERT_TRUE(none.has_value());
  EXPECT_EQ(none->isv_svn, 0);
  EXPECT_EQ(none->key_id, decltype(none->key_id){});
  image.at(root).resize(kKeyHeaderOffset + 17);
  host.set_image(image);
  EXPECT_EQ(stored_svn(host), 0);
}

TEST(KeyHeader, WhatNoVersionEverWroteIsRefused) {
  MemoryHostDirectory host;
  const KeyHeader header = some_header();
  {
    Mount made(host, {.key_header = &header});
  }
  const auto image = host.image();
  for (const std::size_t byte : {0u, 7u, 10u, 15u}) {
    auto changed = image;
    changed.at(std::string(encrypted::kRootName))[kKeyHeaderOffset + byte] ^= std::byte{0x40};
    host.set_image(changed);
    EXPECT_EQ(read_key_header(host).error(), EIO) << byte;
  }
}

// The host says which key a volume is under, then that there is no volume: what is made must not be under that key.
TEST(KeyHeader, AKeyThatTheHostChoseIsForNoNewVolume) {
  MemoryHostDirectory host;
  const KeyHeader header = some_header();
  Mount mount(host, {.key_header = &header, .must_exist = true});
  EXPECT_EQ(mount.error(), EIO);
  EXPECT_TRUE(host.image().empty());
}

}  // namespace
}  // namespace coffer::kernel::fs::testing
