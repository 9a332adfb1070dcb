// The tree of a JMESPath expression.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "attest/policy/jmespath.h"

namespace coffer::attest::rules::jmespath {

enum class NodeKind {
  kCurrent,           // @
  kField,             // name
  kLiteral,           // `json` or 'text'
  kIndex,             // left[n]
  kSlice,             // left[a:b:c], one list
  kSub,               // left.right
  kPipe,              // left | right
  kOr,                // left || right
  kAnd,               // left && right
  kNot,               // !left
  kCompare,           // left == right
  kFlatten,           // left[]
  kListProjection,    // left[*] right
  kObjectProjection,  // left.* right
  kFilter,            // left[?condition] right
  kMultiList,         // [a, b]
  kMultiHash,         // {a: b}
  kCall,              // name(a, b)
  kReference,         // &a
};

enum class Compare { kEqual, kNotEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual };

struct Node {
  NodeKind kind = NodeKind::kCurrent;
  std::string name;  // of a field or function
  ValueRef literal;
  std::int64_t index = 0;
  std::optional<std::int64_t> slice[3];
  Compare compare = Compare::kEqual;
  std::unique_ptr<Node> left, right, condition;
  std::vector<std::unique_ptr<Node>> children;  // arguments, elements, or an object's values
  std::vector<std::string> names;               // an object's names
  int depth = 1;
};

using NodePtr = std::unique_ptr<Node>;

}  // namespace coffer::attest::rules::jmespath
