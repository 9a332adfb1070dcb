// The mappings of an address space, ordered by address: a treap whose nodes also know the widest gap below them, so
// that lookups, insertions and first-fit searches take logarithmic time with tens of thousands of mappings.
// Freestanding.
//
// Addresses here are page numbers relative to the address space's base. Nodes live in an array that grows by whole
// pages from a NodePages hook and never moves. Not thread-safe: the address space's lock covers it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace coffer::kernel {

using PageNumber = std::uint32_t;

// Half-open, begin < end.
struct Mapping {
  PageNumber begin = 0, end = 0;
  std::uint32_t flags = 0;
  std::uint8_t protection = 0;
  // Fault-around: the run that the last fault committed and how long it was (pages).
  std::uint16_t fault_window = 0;
  PageNumber run_begin = 0, run_end = 0;

  [[nodiscard]] bool same_kind(const Mapping& other) const {
    return flags == other.flags && protection == other.protection;
  }
};

class MappingTree {
 public:
  static constexpr PageNumber kNoPage = ~PageNumber{0};

  // Makes `pages` more pages of the node array usable, which start at node_array + `first_page` pages.
  using GrowNodes = bool (*)(void* context, std::size_t first_page, std::size_t pages);

  // `array` has room for `limit` nodes (node_bytes() each); nothing of it needs to be committed yet.
  void init(void* array, std::uint32_t limit, GrowNodes grow, void* context);
  static std::size_t node_bytes();

  // True where `count` insertions will succeed; grows the array where needed.
  [[nodiscard]] bool reserve(std::uint32_t count);

  // The mapping that contains `page`, or nullptr.
  [[nodiscard]] Mapping* find(PageNumber page);
  // The first mapping that ends behind `page`, or nullptr.
  [[nodiscard]] Mapping* first_ending_after(PageNumber page);
  // The mapping must not overlap another, and reserve() must have said yes. Pointers to mappings stay valid until
  // erase.
  Mapping* insert(const Mapping& mapping);
  void erase(Mapping* mapping);
  // New borders; the order of mappings must stay what it is.
  void resize(Mapping* mapping, PageNumber begin, PageNumber end);

  // The lowest (highest) start of `pages` free pages inside [from, to), or kNoPage.
  [[nodiscard]] PageNumber lowest_gap(PageNumber from, PageNumber to, PageNumber pages);
  [[nodiscard]] PageNumber highest_gap(PageNumber from, PageNumber to, PageNumber pages);

  [[nodiscard]] std::uint32_t count() const { return count_; }
  // Tests: the structure's invariants hold.
  [[nodiscard]] bool consistent();

 private:
  using Index = std::uint32_t;  // 0: none
  struct Node {
    Mapping mapping;
    Index left, right;
    std::uint32_t priority;
    // Of the subtree: where it begins and ends, and the widest gap between two of its neighbouring mappings.
    PageNumber first, last, gap;
  };

  Node& node(Index index) { return nodes_[index]; }
  Index index_of(const Mapping* mapping) const;
  void pull(Index index);
  void split(Index tree, PageNumber key, Index* below, Index* from_key);
  Index merge(Index low, Index high);
  void refresh(Index tree, PageNumber key);
  PageNumber lowest_inner_gap(Index tree, PageNumber from, PageNumber pages);
  PageNumber highest_inner_gap(Index tree, PageNumber from, PageNumber to, PageNumber pages);
  bool subtree_consistent(Index tree, PageNumber* previous_end, std::uint32_t* seen, int depth);

  Node* nodes_ = nullptr;
  GrowNodes grow_ = nullptr;
  void* context_ = nullptr;
  std::uint32_t limit_ = 0;      // nodes that the array has room for, with the unused node 0
  std::uint32_t grown_ = 0;      // nodes whose memory is there
  std::uint32_t untouched_ = 1;  // nodes from here on were never used
  std::uint32_t count_ = 0;
  Index free_ = 0;  // list through left
  Index root_ = 0;
  std::uint32_t random_ = 0x9e3779b9;
};

}  // namespace coffer::kernel
