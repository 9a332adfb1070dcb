// Random operations against a page-by-page model, and threads at once.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "enclave/kernel/memory/address_space.h"
#include "enclave/kernel/memory/fake_pages_for_tests.h"

namespace coffer::kernel {
namespace {

constexpr std::size_t kPage = 4096;
constexpr int kAnonymous = MAP_PRIVATE | MAP_ANONYMOUS;

// What each page of the range should be: nothing where it is not mapped.
struct ModelPage {
  int protection;
  unsigned char content;
};

class Comparison {
 public:
  explicit Comparison(unsigned seed) : random_(seed) { start_ = space_.set_break(0); }

  void step() {
    switch (random_() % 11) {
      case 10:
        pages_.release_limit = random_() % 8 == 0 ? 3 : 1000;
        return random_() % 4 == 0 ? void(space_.reclaim(random_() % 20 * kPage)) : space_.release_unused();
      case 0:
      case 1:
        return map();
      case 2:
        return map_fixed();
      case 3:
        return unmap();
      case 4:
        return protect();
      case 5:
        return forget();
      case 6:
        return remap();
      case 7:
        return set_break();
      default:
        return write();
    }
  }

  void compare() {
    const std::size_t first = page_of(start_);
    std::size_t mapped = 0;
    for (std::size_t page = first; page < kPages; ++page) {
      const auto& expected = model_[page];
      const bool readable = space_.prepare_access(address_of(page), kPage, false);
      ASSERT_EQ(readable, expected && expected->protection != PROT_NONE) << "page " << page;
      ASSERT_EQ(space_.prepare_access(address_of(page), 1, true), expected && (expected->protection & PROT_WRITE) != 0);
      if (expected) ++mapped;
      // Whatever is committed reads as the model says, and as zeroes where nothing is mapped.
      if (!pages_.is_committed(address_of(page))) {
        ASSERT_TRUE(!expected || expected->content == 0);
        continue;
      }
      // The processor allows what the mapping does; memory that nobody has is the kernel's to give again.
      const int rights = pages_.rights_at(address_of(page));
      const int allowed = expected ? expected->protection : PROT_READ | PROT_WRITE;
      ASSERT_EQ(rights & allowed, allowed) << "page " << page;
      auto* memory = reinterpret_cast<void*>(address_of(page));
      if (rights == PROT_NONE) mprotect(memory, kPage, PROT_READ);  // to look at it nevertheless
      const auto* bytes = reinterpret_cast<const unsigned char*>(address_of(page));
      const unsigned char content = expected ? expected->content : 0;
      ASSERT_EQ(bytes[0], content) << "page " << page;
      ASSERT_EQ(std::memcmp(bytes, bytes + 1, kPage - 1), 0) << "page " << page;
      if (rights == PROT_NONE) mprotect(memory, kPage, PROT_NONE);
    }
    ASSERT_EQ(space_.usage().mapped, mapped * kPage);
    ASSERT_EQ(space_.can_reclaim(), space_.usage().committed_free != 0);
  }

 private:
  static constexpr std::size_t kPages = 200;

  std::uintptr_t address_of(std::size_t page) const { return pages_.base() + page * kPage; }
  std::size_t page_of(std::uintptr_t address) const { return (address - pages_.base()) / kPage; }
  std::size_t some_page() {
    const std::size_t first = page_of(start_);
    return first + random_() % (kPages - first);
  }
  std::size_t some_length(std::size_t page) { return 1 + random_() % std::min<std::size_t>(12, kPages - page); }
  int some_protection() {
    static constexpr int kChoices[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE};
    return kChoices[random_() % 4];
  }
  bool all_mapped(std::size_t page, std::size_t count) const {
    for (std::size_t i = page; i < page + count; ++i) {
      if (i >= kPages || !model_[i]) return false;
    }
    return true;
  }
  bool none_mapped(std::size_t page, std::size_t count) const {
    for (std::size_t i = page; i < page + count; ++i) {
      if (i >= kPages || model_[i]) return false;
    }
    return true;
  }
  void set(std::size_t page, std::size_t count, std::optional<ModelPage> value) {
    for (std::size_t i = page; i < page + count; ++i) model_[i] = value;
  }

  void map() {
    const std::size_t count = 1 + random_() % 12;
    const int protection = some_protection();
    const auto mapped = space_.map(0, count * kPage, protection, kAnonymous);
    if (!mapped) return;
    ASSERT_TRUE(none_mapped(page_of(*mapped), count));
    set(page_of(*mapped), count, ModelPage{protection, 0});
  }
  void map_fixed() {
    const std::size_t page = some_page();
    const std::size_t count = some_length(page);
    const int protection = some_protection();
    const bool replace = random_() % 2 == 0;
    const auto mapped = space_.map(address_of(page), count * kPage, protection,
                                   kAnonymous | (replace ? MAP_FIXED : MAP_FIXED_NOREPLACE));
    ASSERT_EQ(mapped.has_value(), replace || none_mapped(page, count));
    if (mapped) set(page, count, ModelPage{protection, 0});
  }
  void unmap() {
    const std::size_t page = some_page();
    const std::size_t count = some_length(page);
    ASSERT_TRUE(space_.unmap(address_of(page), count * kPage));
    set(page, count, std::nullopt);
  }
  void protect() {
    const std::size_t page = some_page();
    const std::size_t count = some_length(page);
    const int protection = some_protection();
    const bool done = space_.protect(address_of(page), count * kPage, protection).has_value();
    ASSERT_EQ(done, all_mapped(page, count));
    for (std::size_t i = page; done && i < page + count; ++i) model_[i]->protection = protection;
  }
  void forget() {
    const std::size_t page = some_page();
    const std::size_t count = some_length(page);
    const bool done = space_.advise(address_of(page), count * kPage, MADV_DONTNEED).has_value();
    ASSERT_EQ(done, all_mapped(page, count));
    for (std::size_t i = page; i < page + count; ++i) {
      if (model_[i]) model_[i]->content = 0;
    }
  }
  void remap() {
    const std::size_t page = some_page();
    const std::size_t count = some_length(page);
    const std::size_t new_count = 1 + random_() % 14;
    const bool fixed = random_() % 3 == 0;
    const std::size_t target = some_page();
    const auto moved = space_.remap(address_of(page), count * kPage, new_count * kPage,
                                    random_() % 4 == 0 ? 0 : (fixed ? MREMAP_MAYMOVE | MREMAP_FIXED : MREMAP_MAYMOVE),
                                    address_of(target));
    if (!moved) {
      return;
    }
    std::vector<std::optional<ModelPage>> contents(model_ + page, model_ + page + count);
    const std::size_t place = page_of(*moved);
    ASSERT_TRUE(contents[0]);
    if (place == page && new_count <= count) {
      set(page + new_count, count - new_count, std::nullopt);
      return;
    }
    ASSERT_TRUE(all_mapped(page, count));
    if (place != page) set(page, count, std::nullopt);
    for (std::size_t i = 0; i < new_count; ++i) {
      model_[place + i] = i < count ? contents[i] : ModelPage{contents[0]->protection, 0};
    }
  }
  void set_break() {
    const std::uintptr_t wanted = start_ + random_() % (80 * kPage);
    const std::uintptr_t before = break_;
    const std::size_t old_end = page_of((before == 0 ? start_ : before) + kPage - 1);
    const std::size_t new_end = page_of(wanted + kPage - 1);
    const auto now = space_.set_break(wanted);
    if (new_end > old_end) {
      ASSERT_EQ(now == wanted, none_mapped(old_end, new_end - old_end));
      if (now == wanted) set(old_end, new_end - old_end, ModelPage{PROT_READ | PROT_WRITE, 0});
    } else {
      ASSERT_EQ(now, wanted);
      set(new_end, old_end - new_end, std::nullopt);
    }
    break_ = now;
  }
  void write() {
    const std::size_t page = some_page();
    if (!model_[page] || (model_[page]->protection & PROT_WRITE) == 0) return;
    if (random_() % 2 == 0) {
      ASSERT_TRUE(space_.prepare_access(address_of(page), kPage, true));
    } else {
      ASSERT_EQ(space_.handle_fault(address_of(page) + random_() % kPage, true), AddressSpace::FaultResult::kCommitted);
    }
    model_[page]->content = static_cast<unsigned char>(random_());
    std::memset(reinterpret_cast<void*>(address_of(page)), model_[page]->content, kPage);
  }

  std::mt19937 random_;
  FakePages pages_{kPages * kPage};
  AddressSpace space_{pages_.base(), pages_.size(), pages_};
  std::uintptr_t start_ = 0;
  std::uintptr_t break_ = 0;
  std::optional<ModelPage> model_[kPages] = {};
};

TEST(AddressSpaceRandom, AgreesWithTheModel) {
  for (int round = 0; round < 20; ++round) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Comparison comparison(seed);
    for (int step = 0; step < 1500; ++step) {
      comparison.step();
      if (step % 50 == 0) comparison.compare();
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

// Every thread owns what it maps: nobody else's bytes ever show up in it, and all of it starts as zeroes.
TEST(AddressSpaceThreads, HammerTheSameRange) {
  constexpr std::size_t kThreads = 8;
  FakePages pages(4096 * kPage);
  pages.yields = true;
  AddressSpace space(pages.base(), pages.size(), pages);
  std::atomic<int> wrong{0};
  const auto work = [&](unsigned seed, unsigned char mark) {
    std::mt19937 random(seed);
    for (int round = 0; round < 400; ++round) {
      const std::size_t count = 1 + random() % 16;
      auto mapped = space.map(0, count * kPage, PROT_READ | PROT_WRITE, kAnonymous);
      if (!mapped) continue;
      std::uintptr_t address = *mapped;
      std::size_t size = count * kPage;
      if (random() % 2 == 0) {
        for (std::size_t page = 0; page < count; ++page) {
          if (space.handle_fault(address + page * kPage, true) != AddressSpace::FaultResult::kCommitted) ++wrong;
        }
      } else if (!space.prepare_access(address, size, true)) {
        ++wrong;
      }
      auto* bytes = reinterpret_cast<unsigned char*>(address);
      for (std::size_t i = 0; i < size; i += 512) wrong += bytes[i] != 0;
      std::memset(bytes, mark, size);
      if (random() % 4 == 0) {
        const auto moved = space.remap(address, size, size + 3 * kPage, MREMAP_MAYMOVE, 0);
        if (moved) {
          address = *moved;
          for (std::size_t i = 0; i < size; i += 512) wrong += reinterpret_cast<unsigned char*>(address)[i] != mark;
          size += 3 * kPage;
        }
      }
      for (std::size_t i = 0; i < count * kPage; i += 512) {
        wrong += reinterpret_cast<unsigned char*>(address)[i] != mark;
      }
      if (random() % 8 == 0 && !space.advise(address, size, MADV_DONTNEED)) ++wrong;
      if (!space.unmap(address, size)) ++wrong;
    }
  };
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kThreads; ++i) threads.emplace_back(work, seed + i, static_cast<unsigned char>(i + 1));
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(space.usage().mapped, 0U);
  EXPECT_EQ(space.usage().committed, pages.pages_used * kPage);
}

}  // namespace
}  // namespace coffer::kernel
