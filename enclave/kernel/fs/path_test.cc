#include "enclave/kernel/fs/path.h"

#include <errno.h>
#include <gtest/gtest.h>

#include "enclave/kernel/fs/image_fs.h"
#include "enclave/kernel/fs/mount_table.h"
#include "enclave/kernel/fs/text.h"

namespace coffer::kernel::fs {
namespace {

TEST(Path, NormalisesLexically) {
  const struct {
    const char *base, *path, *expected;
  } cases[] = {
      {"/", "/", "/"},         {"/", "a", "/a"},
      {"/a/b", "c", "/a/b/c"}, {"/a/b", "../c", "/a/c"},
      {"/a", "../../..", "/"}, {"/a", "/x//y/./z/", "/x/y/z"},
      {"/a", ".", "/a"},       {"/a", "b/../../c", "/c"},
      {"/a", "...", "/a/..."}, {"/a", "/..a/b..", "/..a/b.."},
  };
  for (const auto& one : cases) EXPECT_EQ(normalise(one.base, one.path).value_or("error"), one.expected) << one.path;
  EXPECT_EQ(normalise("/", "").error(), ENOENT);
  EXPECT_EQ(normalise("/", std::string(256, 'x')).error(), ENAMETOOLONG);
  EXPECT_EQ(normalise("/", std::string(5000, '/')).error(), ENAMETOOLONG);
  std::string base;
  for (int i = 0; i < 20; ++i) base += "/" + std::string(200, 'x');
  EXPECT_EQ(normalise(base, std::string(200, 'x')).error(), ENAMETOOLONG);
}

TEST(Path, TakesPathsApart) {
  EXPECT_EQ(parent_of("/a/b"), "/a");
  EXPECT_EQ(parent_of("/a"), "/");
  EXPECT_EQ(parent_of("/"), "/");
  EXPECT_EQ(name_of("/a/b"), "b");
  EXPECT_TRUE(wants_directory("a/"));
  EXPECT_TRUE(wants_directory("a/.."));
  EXPECT_FALSE(wants_directory("a"));
  std::string_view rest = "x";
  EXPECT_TRUE(beneath("/a", "/a", &rest));
  EXPECT_EQ(rest, "");
  EXPECT_TRUE(beneath("/a", "/a/b/c", &rest));
  EXPECT_EQ(rest, "b/c");
  EXPECT_FALSE(beneath("/a", "/ab", &rest));
  EXPECT_TRUE(beneath("/", "/ab", &rest));
  EXPECT_EQ(rest, "ab");
}

TEST(MountTable, TakesTheLongestMountPoint) {
  ImageFileSystem root;
  ImageFileSystem outer;
  ImageFileSystem inner;
  MountTable table;
  EXPECT_EQ(table.locate("/", "/x").error(), ENOENT);
  ASSERT_TRUE(table.add("/outer/inner/", &inner, false));
  ASSERT_TRUE(table.add("/", &root, true));
  ASSERT_TRUE(table.add("/outer", &outer, false));
  EXPECT_EQ(table.add("/outer/../outer", &outer, false).error(), EBUSY);
  EXPECT_EQ(table.add("relative", &outer, false).error(), EINVAL);
  const auto served_by = [&](const char* path) { return table.locate("/", path)->mount->file_system; };
  EXPECT_EQ(served_by("/outer/inner/x"), &inner);
  EXPECT_EQ(served_by("/outer/innerx"), &outer);
  EXPECT_EQ(served_by("/outer/inner/.."), &outer);
  EXPECT_EQ(served_by("/outerx"), &root);
  EXPECT_EQ(table.locate("/outer", "inner/a/b")->relative, "a/b");
  EXPECT_EQ(table.mounted_in("/"), std::vector<std::string>{"outer"});
  EXPECT_EQ(table.mounted_in("/outer"), std::vector<std::string>{"inner"});
}

TEST(ImageFiles, AFileCannotStandWhereADirectoryIs) {
  ImageFileSystem image;
  EXPECT_TRUE(image.add_file({"/a/b", {}, 0444}));
  EXPECT_EQ(image.add_file({"/a/b", {}, 0444}).error(), EEXIST);
  EXPECT_EQ(image.add_file({"/a", {}, 0444}).error(), EEXIST);
  EXPECT_EQ(image.add_file({"/a/b/c", {}, 0444}).error(), ENOTDIR);
  EXPECT_EQ(image.add_file({"a", {}, 0444}).error(), EINVAL);
  EXPECT_EQ(image.status("a/b/c").error(), ENOTDIR);
  EXPECT_EQ(image.status("a/c").error(), ENOENT);
}

TEST(Text, Numbers) {
  std::string out;
  append_number(out, 0);
  out += ' ';
  append_number(out, ~std::uint64_t{0});
  out += ' ';
  append_number(out, 0xabc, 16, 8);
  EXPECT_EQ(out, "0 18446744073709551615 00000abc");
  std::uint64_t value = 0;
  EXPECT_TRUE(parse_number("123", 200, value));
  EXPECT_EQ(value, 123u);
  for (const char* wrong : {"", "12x", "-1", "201", "99999999999999999999999"}) {
    EXPECT_FALSE(parse_number(wrong, 200, value)) << wrong;
  }
}

}  // namespace
}  // namespace coffer::kernel::fs
