// What a type of an interface is: a number, another's, copied along; and how C spells it.
#pragma once

#include <string>

#include "edl/ast.h"

namespace coffer::edl {

// A type as C spells it.
[[nodiscard]] std::string spelled(const Type& type);

[[nodiscard]] bool is_integer(Base base);
[[nodiscard]] bool is_signed_integer(const Type& type);
// What a type names that a header has to define.
[[nodiscard]] bool is_foreign(const Interface& interface, const Type& type);

// What a pointer to one points to.
[[nodiscard]] Type pointee(const Declaration& pointer);

// Members of a struct that are copied along.
[[nodiscard]] bool copied_along(const Declaration& member);
// The struct whose members are copied along with it; null: none, or the type is no pointer to exactly one struct.
[[nodiscard]] const UserType* deep_struct(const Interface& interface, const Declaration& declaration);

}  // namespace coffer::edl
