// Runs of blocks of coffer.data. Freestanding.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace coffer::kernel::fs::encrypted {

struct Extent {
  std::uint64_t start = 0, count = 0;
};

// A list of runs; what is appended next to the last run joins it.
class ExtentList {
 public:
  void append(std::uint64_t start, std::uint64_t count) {
    if (count == 0) return;
    blocks_ += count;
    if (!runs_.empty() && runs_.back().start + runs_.back().count == start) {
      runs_.back().count += count;
    } else {
      runs_.push_back({start, count});
    }
  }
  // Takes over the other list's runs and empties it.
  void append(ExtentList& other) {
    for (const Extent& run : other.runs_) append(run.start, run.count);
    other.clear();
  }
  // Takes out all blocks of `others`, which are all in this list.
  void subtract(const ExtentList& others) {
    std::vector<Extent> cut = others.runs_;
    const auto by_start = [](const Extent& a, const Extent& b) { return a.start < b.start; };
    std::sort(cut.begin(), cut.end(), by_start);
    std::sort(runs_.begin(), runs_.end(), by_start);
    ExtentList left;
    auto next = cut.begin();
    for (Extent run : runs_) {
      while (next != cut.end() && next->start < run.start + run.count) {
        left.append(run.start, next->start - run.start);
        const std::uint64_t end = std::min(next->start + next->count, run.start + run.count);
        next->count -= end - next->start;
        next->start = end;
        run.count -= end - run.start;
        run.start = end;
        if (next->count == 0) ++next;
      }
      left.append(run.start, run.count);
    }
    *this = left;
  }
  void clear() {
    blocks_ = 0;
    runs_ = {};
  }
  [[nodiscard]] bool contains(std::uint64_t position) const {
    return std::any_of(runs_.begin(), runs_.end(),
                       [position](const Extent& run) { return position - run.start < run.count; });
  }
  [[nodiscard]] bool empty() const { return runs_.empty(); }
  [[nodiscard]] std::uint64_t blocks() const { return blocks_; }
  [[nodiscard]] auto begin() const { return runs_.begin(); }
  [[nodiscard]] auto end() const { return runs_.end(); }

 private:
  std::vector<Extent> runs_;
  std::uint64_t blocks_ = 0;
};

}  // namespace coffer::kernel::fs::encrypted
