// What evidence says: names with typed values, in the order of the evidence. The same values go to a policy, to a token
// and to JSON.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace coffer::attest {

class ClaimValue;

// An ordered set of names with values. A name stands once: setting it again replaces the value in its place.
class Claims {
 public:
  using Entry = std::pair<std::string, ClaimValue>;

  void set(std::string_view name, ClaimValue value);
  // The bytes as lower-case hexadecimal text: the form in which measurements are claimed.
  void set_hex(std::string_view name, std::span<const std::byte> bytes);
  // Null where there is no such claim. Valid until the next set().
  [[nodiscard]] const ClaimValue* find(std::string_view name) const;
  // All of `others`, as set() would.
  void merge(const Claims& others);

  [[nodiscard]] bool empty() const;
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::vector<Entry>::const_iterator begin() const;
  [[nodiscard]] std::vector<Entry>::const_iterator end() const;

  bool operator==(const Claims&) const;

 private:
  std::vector<Entry> entries_;
};

// A boolean, an integer, text, a list, or claims within a claim. Unsigned numbers above the signed range keep their
// value: `integer()` is for those who know the range.
class ClaimValue {
 public:
  using List = std::vector<ClaimValue>;
  using Storage = std::variant<bool, std::int64_t, std::uint64_t, std::string, List, Claims>;

  ClaimValue(bool value) : storage_(value) {}
  ClaimValue(int value) : storage_(std::int64_t{value}) {}
  ClaimValue(std::int64_t value) : storage_(value) {}
  ClaimValue(std::uint32_t value) : storage_(std::int64_t{value}) {}
  // Held as a signed number wherever it fits, so that equal numbers are equal values.
  ClaimValue(std::uint64_t value);
  ClaimValue(std::string value) : storage_(std::move(value)) {}
  ClaimValue(std::string_view value) : storage_(std::string(value)) {}
  ClaimValue(const char* value) : storage_(std::string(value)) {}
  ClaimValue(List value) : storage_(std::move(value)) {}
  ClaimValue(Claims value) : storage_(std::move(value)) {}

  [[nodiscard]] const Storage& storage() const { return storage_; }
  // Null where the value is of another type.
  template <class T>
  [[nodiscard]] const T* as() const {
    return std::get_if<T>(&storage_);
  }
  bool operator==(const ClaimValue&) const = default;

 private:
  Storage storage_;
};

// Here, where an entry is a complete type.
inline bool Claims::empty() const { return entries_.empty(); }
inline std::size_t Claims::size() const { return entries_.size(); }
inline std::vector<Claims::Entry>::const_iterator Claims::begin() const { return entries_.begin(); }
inline std::vector<Claims::Entry>::const_iterator Claims::end() const { return entries_.end(); }

// One JSON text without white space; the order of names is kept. Text that is not UTF-8 has its bad bytes replaced.
[[nodiscard]] std::string to_json(const Claims& claims);
[[nodiscard]] std::string to_json(const ClaimValue& value);

}  // namespace coffer::attest
