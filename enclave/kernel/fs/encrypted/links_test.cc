// Hard and symbolic links of encrypted mounts, with what a crash leaves of them.
#include <errno.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "enclave/kernel/fs/encrypted/test_support.h"

namespace coffer::kernel::fs::testing {
namespace {

using ::testing::ElementsAre;

TEST(EncryptedLinks, HardLinksAreOneFileUntilTheLastIsGone) {
  MemoryHostDirectory host;
  {
    Mount mount(host);
    ASSERT_EQ(mount.write("file", text("content")), 0);
    ASSERT_EQ(code(mount->make_directory("folder", 0700)), 0);
    ASSERT_EQ(code(mount->link("file", "folder/second")), 0);
    EXPECT_EQ(code(mount->link("file", "folder/second")), EEXIST);
    EXPECT_EQ(code(mount->link("folder", "third")), EPERM);
    EXPECT_EQ(code(mount->link("missing", "third")), ENOENT);
    EXPECT_EQ(mount->status("file")->links, 2U);
    EXPECT_EQ(mount->status("file")->inode, mount->status("folder/second")->inode);
  }
  Mount mount(host);
  EXPECT_EQ(mount->status("folder/second")->links, 2U);
  ASSERT_EQ(code(mount->rename("file", "folder/second", 0)), 0);  // names of one file: nothing happens
  EXPECT_EQ(mount->status("file")->links, 2U);
  ASSERT_EQ(mount.write("other", text("other")), 0);
  ASSERT_EQ(code(mount->rename("other", "file", 0)), 0);
  EXPECT_EQ(mount->status("folder/second")->links, 1U);
  EXPECT_EQ(mount.read("folder/second"), text("content"));
  EXPECT_EQ(mount.read("file"), text("other"));
  ASSERT_EQ(code(mount->remove("folder/second", false)), 0);
  EXPECT_THAT(mount.names(), ElementsAre("file", "folder"));
}

// The count of names is committed with the name, whatever of the file's content is not.
TEST(EncryptedLinks, AFileThatIsOpenAndChangedIsCountedAllTheSame) {
  MemoryHostDirectory host;
  ASSERT_EQ(Mount(host).write("file", text("committed")), 0);
  {
    Mount mount(host);
    Ref<File> file = mount.open("file", O_RDWR);
    ASSERT_TRUE(file->write_at(0, noise(100'000, 1)));
    ASSERT_EQ(code(mount->link("file", "second")), 0);
    host.stop_after(0);  // killed with the file open
    file = {};
  }
  host.revive();
  Mount mount(host);
  EXPECT_EQ(mount->status("file")->links, 2U);
  EXPECT_EQ(mount.read("second"), text("committed"));
  ASSERT_EQ(code(mount->remove("file", false)), 0);
  EXPECT_EQ(mount->status("second")->links, 1U);
  EXPECT_EQ(mount.read("second"), text("committed"));
}

TEST(EncryptedLinks, SymbolicLinksAreKeptAndLeftToTheCaller) {
  MemoryHostDirectory host;
  const std::string longest(4095, 'x');
  {
    Mount mount(host);
    ASSERT_EQ(code(mount->make_symbolic_link("../anywhere", "link")), 0);
    ASSERT_EQ(code(mount->make_symbolic_link(longest, "long")), 0);
    EXPECT_EQ(code(mount->make_symbolic_link("other", "link")), EEXIST);
    EXPECT_EQ(code(mount->make_symbolic_link("", "empty")), ENOENT);
    EXPECT_EQ(code(mount->make_symbolic_link(longest + "x", "longer")), ENAMETOOLONG);
  }
  Mount mount(host);
  EXPECT_EQ(*mount->read_link("link"), "../anywhere");
  EXPECT_EQ(*mount->read_link("long"), longest);
  EXPECT_EQ(mount->status("link").error(), ELOOP);
  EXPECT_EQ(mount->status("link/below").error(), ELOOP);
  EXPECT_FALSE(mount.open("link"));
  EXPECT_EQ(mount.error(), ELOOP);
  EXPECT_EQ(mount->link_status("link")->mode, S_IFLNK | 0777U);
  EXPECT_EQ(mount->link_status("link")->size, 11U);
  EXPECT_EQ(code(mount->link("link", "same")), 0);
  EXPECT_EQ(code(mount->remove("link", false)), 0);
  EXPECT_EQ(*mount->read_link("same"), "../anywhere");
  EXPECT_EQ(code(mount->remove("same", false)), 0);
  EXPECT_THAT(mount.names(), ElementsAre("long"));
}

TEST(EncryptedLinks, ModesAndTimesByPath) {
  MemoryHostDirectory host;
  {
    Mount mount(host);
    ASSERT_EQ(mount.write("file", text("content")), 0);
    ASSERT_EQ(code(mount->make_symbolic_link("file", "link")), 0);
    EXPECT_EQ(code(mount->change("file", {.set_mode = true, .set_mtime = true, .mode = 0640, .mtime_s = 77}, true)), 0);
    EXPECT_EQ(code(mount->change("link", {.set_mtime = true, .mtime_s = 88}, false)), 0);
    EXPECT_EQ(code(mount->change("link", {.set_mtime = true, .mtime_s = 99}, true)), ELOOP);
  }
  Mount mount(host);
  EXPECT_EQ(mount->status("file")->mode, S_IFREG | 0640U);
  EXPECT_EQ(mount->status("file")->mtime_s, 77);
  EXPECT_EQ(mount->link_status("link")->mtime_s, 88);
}

}  // namespace
}  // namespace coffer::kernel::fs::testing
