#include "emulate/address_map.h"

#include <algorithm>

namespace coffer::emulate {

namespace {

Mapping cut(const Mapping& mapping, std::uint64_t begin, std::uint64_t end) {
  return {std::max(mapping.begin, begin), std::min(mapping.end, end), mapping.protection, mapping.device};
}

}  // namespace

std::vector<Mapping> AddressMap::within(std::uint64_t begin, std::uint64_t end) const {
  std::vector<Mapping> pieces;
  auto at = mappings_.upper_bound(begin);
  if (at != mappings_.begin()) --at;
  for (; at != mappings_.end() && at->second.begin < end; ++at) {
    if (at->second.end > begin) pieces.push_back(cut(at->second, begin, end));
  }
  return pieces;
}

bool AddressMap::touches(std::uint64_t begin, std::uint64_t end) const {
  auto at = mappings_.upper_bound(begin);
  if (at != mappings_.begin() && std::prev(at)->second.end > begin) return true;
  return at != mappings_.end() && at->second.begin < end;
}

std::vector<Mapping> AddressMap::erase(std::uint64_t begin, std::uint64_t end) {
  std::vector<Mapping> removed;
  auto at = mappings_.upper_bound(begin);
  if (at != mappings_.begin()) --at;
  while (at != mappings_.end() && at->second.begin < end) {
    const Mapping whole = at->second;
    if (whole.end <= begin) {
      ++at;
      continue;
    }
    at = mappings_.erase(at);
    if (whole.begin < begin) mappings_[whole.begin] = cut(whole, whole.begin, begin);
    if (whole.end > end) at = mappings_.emplace(end, cut(whole, end, whole.end)).first;
    removed.push_back(cut(whole, begin, end));
  }
  return removed;
}

void AddressMap::assign(const Mapping& mapping) {
  erase(mapping.begin, mapping.end);
  mappings_[mapping.begin] = mapping;
}

}  // namespace coffer::emulate
