// Values for random interfaces: random ones, what they come to, and what a function makes of them. The same on both
// sides, so that each side can tell what the other must have seen.
#pragma once

#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "edl/testing/digest.h"

namespace coffer::edl::testing {

using Random = std::mt19937_64;

// Scalars; structures have functions of their own, generated beside them.
template <class T>
  requires std::is_scalar_v<T>
void randomize(T& value, Random& random) {
  if constexpr (std::is_same_v<T, bool>) {
    value = random() % 2 != 0;
  } else if constexpr (std::is_floating_point_v<T>) {
    value = static_cast<T>(random() % 1000) / 8;
  } else {
    value = static_cast<T>(random());
  }
}
template <class T>
  requires std::is_scalar_v<T>
void feed(Digest& digest, const T& value) {
  digest.add(value);
}
// What a function does to a value that goes in and comes back.
template <class T>
  requires std::is_scalar_v<T>
void bump(T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    value = !value;
  } else if constexpr (std::is_floating_point_v<T>) {
    value = value + 1;
  } else {
    value = static_cast<T>(static_cast<std::make_unsigned_t<T>>(value) + 1u);
  }
}

inline std::string random_text(Random& random) {
  std::string text(random() % 60, ' ');
  for (char& each : text) each = static_cast<char>('a' + random() % 26);
  return text;
}
// Often nothing, often a page's worth or more, seldom much.
inline std::size_t random_size(Random& random) {
  switch (random() % 8) {
    case 0:
      return 0;
    case 1:
      return 1;
    case 2:
      return 4000 + random() % 200;
    default:
      return random() % 70;
  }
}

}  // namespace coffer::edl::testing
