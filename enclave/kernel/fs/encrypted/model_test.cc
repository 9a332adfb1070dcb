// Random operations on a mount and on a plain model of one; every answer must be the same.
#include <errno.h>

#include <map>
#include <optional>

#include "enclave/kernel/fs/encrypted/test_support.h"

namespace coffer::kernel::fs::testing {
namespace {

class Model {
 public:
  explicit Model(std::uint64_t seed) : random_(seed) {
    options_.cache_blocks = 64 << (seed % 4);
    host_.partial_transfers = seed % 3 == 0;
    mount_.emplace(host_, options_);
  }

  void step() {
    const std::string name = pick_name();
    switch (random_() % 16) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        write(name);
        break;
      case 5:
      case 6:
      case 7:
        read(name);
        break;
      case 8:
        truncate(name);
        break;
      case 9:
        remove(name);
        break;
      case 10:
        rename(name, pick_name());
        break;
      case 11:
        sync(name);
        break;
      case 12:
        close(name);
        break;
      case 13:
        if (random_() % 8 == 0) remount();
        break;
      case 14:
        append(name);
        break;
      default:
        list();
        break;
    }
  }
  void check_all() {
    remount();
    list();
    for (const auto& [name, content] : files_) {
      ASSERT_EQ(mount_->read(name), *content) << name;
      ASSERT_EQ(mount_->error(), 0);
    }
  }

 private:
  using Content = std::shared_ptr<Bytes>;
  struct Open {
    Ref<File> file;
    Content content;
  };

  std::string pick_name() { return "file" + std::to_string(random_() % 12); }

  // The open file of this name, opened now where there is none: it stays what it is when its name goes.
  Open& opened(const std::string& name) {
    Open& open = open_[name];
    if (!open.file) {
      Content& content = files_[name];
      if (!content) content = std::make_shared<Bytes>();
      open = {mount_->open(name), content};
      EXPECT_TRUE(open.file) << mount_->error();
    }
    return open;
  }
  std::uint64_t pick_offset(const Bytes& content) {
    const std::uint64_t offset = random_() % 4 == 0 ? random_() % 1'500'000 : random_() % (content.size() + 1);
    return random_() % 3 == 0 ? offset / 4096 * 4096 : offset;
  }
  std::size_t pick_size() { return random_() % 6 == 0 ? random_() % 200'000 : random_() % 9'000; }

  void write(const std::string& name) {
    Open& open = opened(name);
    const std::uint64_t offset = pick_offset(*open.content);
    const Bytes bytes = noise(pick_size() + 1, random_());
    auto count = open.file->write_at(offset, bytes);
    ASSERT_TRUE(count);
    ASSERT_EQ(*count, bytes.size());
    if (open.content->size() < offset + bytes.size()) open.content->resize(offset + bytes.size());
    std::ranges::copy(bytes, open.content->begin() + static_cast<std::ptrdiff_t>(offset));
  }
  void append(const std::string& name) {
    Open& open = opened(name);
    const Bytes bytes = noise(pick_size(), random_());
    open.content->insert(open.content->end(), bytes.begin(), bytes.end());
    auto end = open.file->append(bytes);
    ASSERT_TRUE(end);
    ASSERT_EQ(*end, open.content->size());
  }
  void read(const std::string& name) {
    Open& open = opened(name);
    const std::uint64_t offset = pick_offset(*open.content);
    Bytes bytes(pick_size());
    auto count = open.file->read_at(offset, bytes);
    ASSERT_TRUE(count) << count.error();
    const std::size_t left = open.content->size() > offset ? open.content->size() - offset : 0;
    ASSERT_EQ(*count, std::min(left, bytes.size()));
    ASSERT_TRUE(std::equal(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(*count),
                           open.content->begin() + static_cast<std::ptrdiff_t>(offset * (*count != 0))));
    ASSERT_EQ(open.file->status()->size, open.content->size());
  }
  void truncate(const std::string& name) {
    Open& open = opened(name);
    const std::uint64_t size = random_() % 5 == 0 ? 0 : pick_offset(*open.content);
    ASSERT_EQ(code(open.file->truncate(size)), 0);
    open.content->resize(size);
  }
  void remove(const std::string& name) {
    ASSERT_EQ(code(mount_->operator->()->remove(name, false)), files_.contains(name) ? 0 : ENOENT);
    files_.erase(name);
    if (random_() % 2 == 0) forget(name);
  }
  void rename(const std::string& from, const std::string& to) {
    const bool exists = files_.contains(from);
    ASSERT_EQ(code(mount_->operator->()->rename(from, to, 0)), exists ? 0 : ENOENT);
    if (!exists || from == to) return;
    files_[to] = files_[from];
    files_.erase(from);
    forget(to);  // what is open under the old name goes on as an unlinked file in others' hands
    if (open_.contains(from)) {
      open_[to] = open_[from];
      open_.erase(from);
    }
  }
  // An unlinked file that is still open is read once more before it goes.
  void forget(const std::string& name) {
    const auto found = open_.find(name);
    if (found == open_.end() || !found->second.file) return;
    ASSERT_EQ(mount_->read(*found->second.file), *found->second.content);
    open_.erase(found);
  }
  void sync(const std::string& name) {
    if (open_.contains(name) && open_[name].file) {
      ASSERT_EQ(code(open_[name].file->sync(false)), 0);
    }
  }
  void close(const std::string& name) { open_.erase(name); }
  void remount() {
    open_.clear();
    mount_.reset();
    mount_.emplace(host_, options_);
    ASSERT_EQ(mount_->error(), 0);
  }
  void list() {
    std::vector<std::string> expected;
    for (const auto& [name, content] : files_) expected.push_back(name);
    ASSERT_EQ(mount_->names(), expected.empty() ? std::vector<std::string>{} : (std::ranges::sort(expected), expected));
  }

  std::mt19937_64 random_;
  MemoryHostDirectory host_;
  EncryptedOptions options_;
  std::optional<Mount> mount_;
  std::map<std::string, Content> files_;
  std::map<std::string, Open> open_;
};

TEST(EncryptedModel, RandomOperations) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Model model(seed);
    for (int i = 0; i < 400 && !::testing::Test::HasFatalFailure(); ++i) model.step();
    if (!::testing::Test::HasFatalFailure()) model.check_all();
    if (::testing::Test::HasFailure()) break;
  }
}

}  // namespace
}  // namespace coffer::kernel::fs::testing
