// Shadow memory: for every eight bytes of the program one byte that says how many of them it may use. GCC's checks of
// kind `kernel-address` fix the arithmetic: the shadow of address a is at a / 8 + offset; 0 stands for all eight, 1 to
// 7 for the first so many, and what is negative says why none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace coffer::sanitizer {

inline constexpr std::size_t kGranule = 8;

// Why bytes may not be used: the values that GCC writes for variables on the stack, and AddressSanitizer's own for the
// rest, so that what people know of them holds.
enum class Poison : std::uint8_t {
  kNone = 0,
  kAllocaLeft = 0xca,
  kAllocaRight = 0xcb,
  kStackLeft = 0xf1,
  kStackMiddle = 0xf2,
  kStackRight = 0xf3,
  kStackAfterReturn = 0xf5,
  kUser = 0xf7,
  kStackAfterScope = 0xf8,
  kGlobal = 0xf9,
  kHeap = 0xfa,
  kContainer = 0xfc,
  kFreed = 0xfd,
};

// A view of the shadow of one range of addresses; what lies outside of it is never looked at and always fine. Cheap to
// copy. Thread-safe as memory is: whoever owns bytes says what may be done with them.
class Shadow {
 public:
  constexpr Shadow() = default;
  // Of [begin, begin + size), both multiples of kGranule, at address / 8 + offset.
  constexpr Shadow(std::uintptr_t begin, std::size_t size, std::uintptr_t offset)
      : begin_(begin), size_(size), offset_(offset) {}

  [[nodiscard]] bool covers(std::uintptr_t address) const { return address - begin_ < size_; }
  [[nodiscard]] std::uint8_t at(std::uintptr_t address) const { return *place(address); }

  // Whether an access of `size` bytes, 1 to 16, is fine. What every load and store of the program asks.
  [[nodiscard]] bool allows(std::uintptr_t address, std::size_t size) const {
    if (!covers(address)) return true;
    const std::uint8_t* first = place(address);
    const std::uint8_t* last = covers(address + size - 1) ? place(address + size - 1) : first;
    if (*first == 0 && (last == first || (*last == 0 && last - first == 1))) [[likely]]
      return true;
    return !first_bad(address, size);
  }
  // The first byte of [address, address + size) that may not be used.
  [[nodiscard]] std::optional<std::uintptr_t> first_bad(std::uintptr_t address, std::size_t size) const;

  // Of whole granules: `address` is a multiple of kGranule. Poisoning takes the last one as a whole, the other leaves
  // its end as it is said to be: the program's first size % 8 bytes and no more.
  void poison(std::uintptr_t address, std::size_t size, Poison why) const;
  void unpoison(std::uintptr_t address, std::size_t size) const;

  // Where the shadow of the range stands.
  [[nodiscard]] std::uint8_t* place(std::uintptr_t address) const {
    return reinterpret_cast<std::uint8_t*>((address / kGranule) + offset_);
  }

 private:
  // How much of [address, address + size) is in the range, which `address` is.
  [[nodiscard]] std::size_t inside(std::uintptr_t address, std::size_t size) const {
    const std::size_t room = size_ - (address - begin_);
    return size < room ? size : room;
  }

  std::uintptr_t begin_ = 0;
  std::size_t size_ = 0;
  std::uintptr_t offset_ = 0;
};

}  // namespace coffer::sanitizer
