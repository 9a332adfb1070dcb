#include "enclave/kernel/memory/mapping_tree.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

namespace coffer::kernel {
namespace {

class MappingTreeTest : public testing::Test {
 protected:
  static constexpr std::uint32_t kLimit = 4000;
  void SetUp() override {
    array_.resize(kLimit * MappingTree::node_bytes() + 4096);
    tree_.init(array_.data(), kLimit, [](void*, std::size_t, std::size_t) { return true; }, nullptr);
  }
  Mapping* add(PageNumber begin, PageNumber end) {
    EXPECT_TRUE(tree_.reserve(1));
    Mapping mapping;
    mapping.begin = begin;
    mapping.end = end;
    return tree_.insert(mapping);
  }
  std::vector<std::byte> array_;
  MappingTree tree_;
};

PageNumber lowest_gap_by_scan(const std::vector<bool>& used, PageNumber from, PageNumber to, PageNumber pages) {
  for (PageNumber start = from; start + pages <= to; ++start) {
    bool fits = true;
    for (PageNumber page = start; fits && page < start + pages; ++page) fits = !used[page];
    if (fits) return start;
  }
  return MappingTree::kNoPage;
}

PageNumber highest_gap_by_scan(const std::vector<bool>& used, PageNumber from, PageNumber to, PageNumber pages) {
  for (PageNumber start = to - std::min(pages, to) + 1; start-- > from;) {
    bool fits = start + pages <= to;
    for (PageNumber page = start; fits && page < start + pages; ++page) fits = !used[page];
    if (fits) return start;
  }
  return MappingTree::kNoPage;
}

TEST_F(MappingTreeTest, AnEmptyTreeHasOneGap) {
  EXPECT_EQ(tree_.find(0), nullptr);
  EXPECT_EQ(tree_.lowest_gap(3, 10, 7), 3U);
  EXPECT_EQ(tree_.highest_gap(3, 10, 2), 8U);
  EXPECT_EQ(tree_.lowest_gap(3, 10, 8), MappingTree::kNoPage);
  EXPECT_EQ(tree_.highest_gap(3, 10, 8), MappingTree::kNoPage);
}

TEST_F(MappingTreeTest, AgreesWithAnOrderedMapOnRandomOperations) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 engine(seed);
  const auto below = [&](PageNumber bound) { return static_cast<PageNumber>(engine() % bound); };
  constexpr PageNumber kPages = 400;
  std::map<PageNumber, PageNumber> model;
  std::vector<bool> used(kPages);
  for (int step = 0; step < 20000; ++step) {
    const PageNumber begin = below(kPages);
    const PageNumber end = std::min<PageNumber>(kPages, begin + 1 + below(6));
    bool is_free = true;
    for (PageNumber page = begin; page < end; ++page) is_free = is_free && !used[page];
    if (is_free) {
      add(begin, end);
      model[begin] = end;
      for (PageNumber page = begin; page < end; ++page) used[page] = true;
    } else if (Mapping* found = tree_.find(begin); found != nullptr) {
      ASSERT_TRUE(used[begin]);
      ASSERT_EQ(model.at(found->begin), found->end);
      for (PageNumber page = found->begin; page < found->end; ++page) used[page] = false;
      model.erase(found->begin);
      if (below(3) == 0 && found->end - found->begin > 2) {
        tree_.resize(found, found->begin + 1, found->end - 1);
        model[found->begin] = found->end;
        for (PageNumber page = found->begin; page < found->end; ++page) used[page] = true;
      } else {
        tree_.erase(found);
      }
    } else {
      ASSERT_FALSE(used[begin]);
    }
    ASSERT_EQ(tree_.count(), model.size());
    const PageNumber from = below(kPages);
    const PageNumber to = from + below(kPages - from + 1);
    const PageNumber pages = 1 + below(12);
    ASSERT_EQ(tree_.lowest_gap(from, to, pages), lowest_gap_by_scan(used, from, to, pages));
    ASSERT_EQ(tree_.highest_gap(from, to, pages), highest_gap_by_scan(used, from, to, pages));
    if (step % 100 == 0) {
      ASSERT_TRUE(tree_.consistent());
    }
  }
}

TEST_F(MappingTreeTest, RefusesWhatTheArrayHasNoRoomFor) {
  for (PageNumber i = 0; i + 1 < kLimit; ++i) ASSERT_NE(add(2 * i, 2 * i + 1), nullptr);
  EXPECT_FALSE(tree_.reserve(1));
  tree_.erase(tree_.find(100));
  EXPECT_TRUE(tree_.reserve(1));
  EXPECT_TRUE(tree_.consistent());
}

TEST(MappingTreeGrowth, AsksForWholePagesAndStopsWhereThereAreNone) {
  std::vector<std::byte> array(3 * 4096);
  struct Pages {
    std::size_t next = 0;
  } pages;
  MappingTree tree;
  tree.init(
      array.data(), 1000,
      [](void* context, std::size_t first, std::size_t count) {
        auto* self = static_cast<Pages*>(context);
        EXPECT_EQ(first, self->next);
        self->next += count;
        return self->next <= 3;
      },
      &pages);
  std::uint32_t inserted = 0;
  for (; tree.reserve(1); ++inserted) {
    Mapping mapping;
    mapping.begin = inserted * 2;
    mapping.end = inserted * 2 + 1;
    tree.insert(mapping);
  }
  EXPECT_EQ(inserted, 3 * 4096 / MappingTree::node_bytes() - 1);
}

}  // namespace
}  // namespace coffer::kernel
