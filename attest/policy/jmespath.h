// JMESPath (https://jmespath.org/specification.html), all of it: there is no library for it in Debian 12 (docs/design/
// policy.md). Beside the standard's functions there is equals_ignore_case(a, b), which Azure's policies use.
//
// Values are shared and immutable: a query that repeats its input over and over grows by references, and every node
// that is made, compared or written is paid for from the budget.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "attest/policy/budget.h"

namespace coffer::attest::rules::jmespath {

class Value;
using ValueRef = std::shared_ptr<const Value>;

// JSON, and the reference to an expression (&name) that some functions take.
class Value {
 public:
  struct Null {
    bool operator==(const Null&) const = default;
  };
  struct Reference {
    const struct Node* node = nullptr;
  };
  using Array = std::vector<ValueRef>;
  using Object = std::vector<std::pair<std::string, ValueRef>>;  // sorted by name
  using Storage = std::variant<Null, bool, std::int64_t, double, std::string, Array, Object, Reference>;

  explicit Value(Storage storage);
  [[nodiscard]] const Storage& storage() const { return storage_; }
  template <class T>
  [[nodiscard]] const T* as() const {
    return std::get_if<T>(&storage_);
  }
  [[nodiscard]] bool is_number() const { return storage_.index() == 2 || storage_.index() == 3; }
  [[nodiscard]] double number() const;  // of a number
  // How many levels of arrays and objects: bounded, since values are freed and written level by level.
  [[nodiscard]] std::uint32_t depth() const { return depth_; }

 private:
  Storage storage_;
  std::uint32_t depth_ = 0;
};

inline constexpr std::uint32_t kMaxValueDepth = 128;

// Reads JSON; the error is one line without a name in front.
[[nodiscard]] Result<ValueRef> read_value(std::string_view json, Budget& budget);
// Writes it without white space; an error where that goes over the budget.
[[nodiscard]] Result<std::string> write_value(const Value& value, Budget& budget);

class Query {
 public:
  // The error says at which byte of the query.
  [[nodiscard]] static Result<Query> parse(std::string_view text);
  [[nodiscard]] Result<ValueRef> search(const ValueRef& document, Budget& budget) const;

 private:
  std::shared_ptr<const Node> root_;
};

}  // namespace coffer::attest::rules::jmespath
