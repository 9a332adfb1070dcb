// An enclave's interface, as its EDL file and what it imports say it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "edl/source.h"

namespace coffer::edl {

enum class Base : std::uint8_t {
  kVoid,
  kBool,
  kChar,
  kShort,
  kInt,
  kLong,
  kLongLong,
  kFloat,
  kDouble,
  kLongDouble,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kWideChar,
  kSize,
  kStruct,  // "struct NAME", wherever it is defined
  kUnion,   // "union NAME"
  kEnum,    // "enum NAME"
  kNamed,   // a name alone: defined in EDL, or in a header (foreign)
};

struct Type {
  Base base = Base::kVoid;
  std::string name;          // kStruct and after
  bool is_unsigned = false;  // char, short, int, long, long long
  bool is_const = false;     // of what the pointers, if any, point to in the end
  std::uint32_t pointers = 0;

  [[nodiscard]] bool is_pointer() const { return pointers != 0; }
  [[nodiscard]] bool is_void() const { return base == Base::kVoid && pointers == 0; }
};

// A number or a name in an attribute, a dimension or an enumerator.
struct Value {
  std::string text;
  bool is_name = false;
  Place place;
};
// size=a*b: all of them multiplied. Empty: not given.
using Product = std::vector<Value>;

enum class AttributeKind : std::uint8_t {
  kIn,
  kOut,
  kSize,
  kCount,
  kString,
  kWideString,
  kIsPointer,
  kIsArray,
  kReadOnly,
  kUserCheck,
};
struct Attribute {
  AttributeKind kind;
  Place place;
};

struct Attributes {
  std::vector<Attribute> given;  // as written, for messages
  Product size, count;

  [[nodiscard]] bool has(AttributeKind kind) const {
    for (const Attribute& attribute : given) {
      if (attribute.kind == kind) return true;
    }
    return false;
  }
  [[nodiscard]] bool in() const { return has(AttributeKind::kIn); }
  [[nodiscard]] bool out() const { return has(AttributeKind::kOut); }
  [[nodiscard]] bool in_only() const { return in() && !out(); }
  [[nodiscard]] bool out_only() const { return out() && !in(); }
  [[nodiscard]] bool directed() const { return in() || out(); }
  [[nodiscard]] bool any_string() const { return has(AttributeKind::kString) || has(AttributeKind::kWideString); }
  [[nodiscard]] bool sized() const { return !size.empty() || !count.empty(); }
};

// A parameter or a member.
struct Declaration {
  std::string name;
  Place place;  // of the name
  Type type;
  std::vector<Value> dimensions;         // outermost first
  std::optional<Attributes> attributes;  // absent: no brackets
  // Of a member: another's size or count is its value. Set by the checks.
  bool measures = false;

  [[nodiscard]] bool is_array() const { return !dimensions.empty(); }
  [[nodiscard]] bool has(AttributeKind kind) const { return attributes && attributes->has(kind); }
};

struct Enumerator {
  std::string name;
  std::optional<Value> value;
};

enum class UserTypeKind : std::uint8_t { kStruct, kUnion, kEnum };

struct UserType {
  UserTypeKind kind = UserTypeKind::kStruct;
  std::string name;  // empty: an enum without a name
  Place place;
  std::vector<Declaration> members;
  std::vector<Enumerator> enumerators;
};

struct AllowedName {
  std::string name;
  Place place;
};

struct Function {
  std::string name;
  Place place;
  Type result;
  std::vector<Declaration> parameters;
  bool trusted = false;  // an ECALL
  bool is_private = false;
  bool switchless = false;
  bool propagate_errno = false;
  std::vector<AllowedName> allows;
  bool has_allow_list = false;
  Place allow_place;
};

// One EDL file with everything that it imports. Types and functions are shared with the files they come from.
struct Interface {
  std::string name;                   // of the file, without folder and extension
  std::string path;                   // as it was found
  std::vector<std::string> includes;  // with their quotes
  std::vector<std::shared_ptr<UserType>> types;
  std::vector<std::shared_ptr<Function>> ecalls, ocalls;  // its own first, then what it imports

  // The struct or union that a type names; null: foreign, or no struct or union.
  [[nodiscard]] const UserType* find(const Type& type) const;
};

}  // namespace coffer::edl
