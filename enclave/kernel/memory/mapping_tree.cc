#include "enclave/kernel/memory/mapping_tree.h"

#include <algorithm>

namespace coffer::kernel {
namespace {
constexpr std::size_t kPage = 4096;
}  // namespace

std::size_t MappingTree::node_bytes() { return sizeof(Node); }

void MappingTree::init(void* array, std::uint32_t limit, GrowNodes grow, void* context) {
  nodes_ = static_cast<Node*>(array);
  limit_ = limit;
  grow_ = grow;
  context_ = context;
}

bool MappingTree::reserve(std::uint32_t count) {
  const std::uint64_t used = std::uint64_t{count_} + 1;
  if (used + count > limit_) return false;
  while (used + count > grown_) {
    const std::size_t have = std::size_t{grown_} * sizeof(Node);
    const std::size_t first_page = (have + kPage - 1) / kPage;
    if (!grow_(context_, first_page, 1)) return false;
    grown_ = static_cast<std::uint32_t>(std::min<std::size_t>(limit_, (first_page + 1) * kPage / sizeof(Node)));
  }
  return true;
}

MappingTree::Index MappingTree::index_of(const Mapping* mapping) const {
  return static_cast<Index>(reinterpret_cast<const Node*>(mapping) - nodes_);
}

void MappingTree::pull(Index index) {
  Node& n = node(index);
  n.first = n.mapping.begin;
  n.last = n.mapping.end;
  n.gap = 0;
  if (n.left != 0) {
    const Node& left = node(n.left);
    n.first = left.first;
    n.gap = std::max(left.gap, n.mapping.begin - left.last);
  }
  if (n.right != 0) {
    const Node& right = node(n.right);
    n.last = right.last;
    n.gap = std::max({n.gap, right.gap, right.first - n.mapping.end});
  }
}

// Mappings that begin before `key` go to *below, the others to *from_key.
void MappingTree::split(Index tree, PageNumber key, Index* below, Index* from_key) {
  if (tree == 0) {
    *below = *from_key = 0;
    return;
  }
  if (node(tree).mapping.begin < key) {
    Index rest = 0;
    split(node(tree).right, key, &rest, from_key);
    node(tree).right = rest;
    *below = tree;
  } else {
    Index rest = 0;
    split(node(tree).left, key, below, &rest);
    node(tree).left = rest;
    *from_key = tree;
  }
  pull(tree);
}

MappingTree::Index MappingTree::merge(Index low, Index high) {
  if (low == 0) return high;
  if (high == 0) return low;
  if (node(low).priority > node(high).priority) {
    node(low).right = merge(node(low).right, high);
    pull(low);
    return low;
  }
  node(high).left = merge(low, node(high).left);
  pull(high);
  return high;
}

Mapping* MappingTree::find(PageNumber page) {
  Mapping* candidate = first_ending_after(page);
  return candidate != nullptr && candidate->begin <= page ? candidate : nullptr;
}

Mapping* MappingTree::first_ending_after(PageNumber page) {
  Mapping* best = nullptr;
  for (Index at = root_; at != 0;) {
    Node& n = node(at);
    if (n.mapping.end > page) {
      best = &n.mapping;
      at = n.left;
    } else {
      at = n.right;
    }
  }
  return best;
}

Mapping* MappingTree::insert(const Mapping& mapping) {
  Index index = free_;
  if (index != 0) {
    free_ = node(index).left;
  } else {
    index = untouched_++;
  }
  random_ ^= random_ << 13;
  random_ ^= random_ >> 17;
  random_ ^= random_ << 5;
  node(index) = Node{.mapping = mapping, .left = 0, .right = 0, .priority = random_, .first = 0, .last = 0, .gap = 0};
  pull(index);
  Index below = 0;
  Index above = 0;
  split(root_, mapping.begin, &below, &above);
  root_ = merge(merge(below, index), above);
  ++count_;
  return &node(index).mapping;
}

void MappingTree::erase(Mapping* mapping) {
  const Index index = index_of(mapping);
  const PageNumber key = mapping->begin;
  Index below = 0;
  Index above = 0;
  Index self = 0;
  split(root_, key, &below, &above);
  split(above, key + 1, &self, &above);
  root_ = merge(below, above);
  node(index).left = free_;
  free_ = index;
  --count_;
}

// Recomputes what the nodes on the way to the mapping that begins at `key` know about their subtrees.
void MappingTree::refresh(Index tree, PageNumber key) {
  if (tree == 0) return;
  const PageNumber here = node(tree).mapping.begin;
  if (key < here) refresh(node(tree).left, key);
  if (key > here) refresh(node(tree).right, key);
  pull(tree);
}

void MappingTree::resize(Mapping* mapping, PageNumber begin, PageNumber end) {
  // The order of mappings stays, so the new begin leads to the same node.
  mapping->begin = begin;
  mapping->end = end;
  refresh(root_, begin);
}

// The lowest start at or above `from` of a gap of `pages` between two mappings of the subtree.
PageNumber MappingTree::lowest_inner_gap(Index tree, PageNumber from, PageNumber pages) {
  if (tree == 0 || node(tree).gap < pages || node(tree).last <= from) return kNoPage;
  const Node& n = node(tree);
  if (n.left != 0) {
    if (const PageNumber found = lowest_inner_gap(n.left, from, pages); found != kNoPage) return found;
    const PageNumber start = node(n.left).last;
    if (start >= from && n.mapping.begin - start >= pages) return start;
  }
  if (n.right == 0) return kNoPage;
  if (n.mapping.end >= from && node(n.right).first - n.mapping.end >= pages) return n.mapping.end;
  return lowest_inner_gap(n.right, from, pages);
}

PageNumber MappingTree::lowest_gap(PageNumber from, PageNumber to, PageNumber pages) {
  if (pages == 0 || from >= to || to - from < pages) return kNoPage;
  const Mapping* after = first_ending_after(from);
  if (after == nullptr || (after->begin > from && after->begin - from >= pages)) return from;
  PageNumber start = lowest_inner_gap(root_, from, pages);
  if (start == kNoPage) start = std::max(from, node(root_).last);
  return start <= to && to - start >= pages ? start : kNoPage;
}

// The highest start of `pages` free pages between two mappings of the subtree, within [from, to).
PageNumber MappingTree::highest_inner_gap(Index tree, PageNumber from, PageNumber to, PageNumber pages) {
  if (tree == 0 || node(tree).gap < pages || node(tree).last <= from || node(tree).first >= to) return kNoPage;
  const Node& n = node(tree);
  const auto fit = [&](PageNumber begin, PageNumber end) {
    begin = std::max(begin, from);
    end = std::min(end, to);
    return begin < end && end - begin >= pages ? end - pages : kNoPage;
  };
  if (n.right != 0) {
    if (const PageNumber found = highest_inner_gap(n.right, from, to, pages); found != kNoPage) return found;
    if (const PageNumber found = fit(n.mapping.end, node(n.right).first); found != kNoPage) return found;
  }
  if (n.left == 0) return kNoPage;
  if (const PageNumber found = fit(node(n.left).last, n.mapping.begin); found != kNoPage) return found;
  return highest_inner_gap(n.left, from, to, pages);
}

PageNumber MappingTree::highest_gap(PageNumber from, PageNumber to, PageNumber pages) {
  if (pages == 0 || from >= to || to - from < pages) return kNoPage;
  if (root_ == 0) return to - pages;
  const PageNumber last = std::max(from, node(root_).last);
  if (last <= to && to - last >= pages) return to - pages;
  if (const PageNumber found = highest_inner_gap(root_, from, to, pages); found != kNoPage) return found;
  const PageNumber first = std::min(to, node(root_).first);
  return first >= from && first - from >= pages ? first - pages : kNoPage;
}

bool MappingTree::subtree_consistent(Index tree, PageNumber* previous_end, std::uint32_t* seen, int depth) {
  if (tree == 0) return true;
  if (depth > 256) return false;
  const Node before = node(tree);
  if (before.left != 0 && node(before.left).priority > before.priority) return false;
  if (before.right != 0 && node(before.right).priority > before.priority) return false;
  if (!subtree_consistent(before.left, previous_end, seen, depth + 1)) return false;
  if (before.mapping.begin >= before.mapping.end || before.mapping.begin < *previous_end) return false;
  *previous_end = before.mapping.end;
  ++*seen;
  if (!subtree_consistent(before.right, previous_end, seen, depth + 1)) return false;
  pull(tree);
  return node(tree).first == before.first && node(tree).last == before.last && node(tree).gap == before.gap;
}

bool MappingTree::consistent() {
  PageNumber previous_end = 0;
  std::uint32_t seen = 0;
  return subtree_consistent(root_, &previous_end, &seen, 0) && seen == count_;
}

}  // namespace coffer::kernel
