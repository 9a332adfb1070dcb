#include "edl/types.h"

#include <algorithm>

namespace coffer::edl {

bool is_integer(Base base) {
  switch (base) {
    case Base::kChar:
    case Base::kShort:
    case Base::kInt:
    case Base::kLong:
    case Base::kLongLong:
    case Base::kInt8:
    case Base::kInt16:
    case Base::kInt32:
    case Base::kInt64:
    case Base::kUint8:
    case Base::kUint16:
    case Base::kUint32:
    case Base::kUint64:
    case Base::kSize:
      return true;
    default:
      return false;
  }
}
bool is_signed_integer(const Type& type) {
  if (type.is_unsigned) return false;
  switch (type.base) {
    case Base::kUint8:
    case Base::kUint16:
    case Base::kUint32:
    case Base::kUint64:
    case Base::kSize:
      return false;
    default:
      return is_integer(type.base);
  }
}

bool is_foreign(const Interface& interface, const Type& type) {
  if (type.base != Base::kNamed && type.base != Base::kStruct) return false;
  return interface.find(type) == nullptr;
}

Type pointee(const Declaration& pointer) {
  Type type = pointer.type;
  if (type.pointers != 0) --type.pointers;
  return type;
}

std::string spelled(const Type& type) {
  std::string result = type.is_const ? "const " : "";
  if (type.is_unsigned) result += "unsigned ";
  switch (type.base) {
    case Base::kVoid:
      result += "void";
      break;
    case Base::kBool:
      result += "bool";
      break;
    case Base::kChar:
      result += "char";
      break;
    case Base::kShort:
      result += "short";
      break;
    case Base::kInt:
      result += "int";
      break;
    case Base::kLong:
      result += "long";
      break;
    case Base::kLongLong:
      result += "long long";
      break;
    case Base::kFloat:
      result += "float";
      break;
    case Base::kDouble:
      result += "double";
      break;
    case Base::kLongDouble:
      result += "long double";
      break;
    case Base::kInt8:
      result += "int8_t";
      break;
    case Base::kInt16:
      result += "int16_t";
      break;
    case Base::kInt32:
      result += "int32_t";
      break;
    case Base::kInt64:
      result += "int64_t";
      break;
    case Base::kUint8:
      result += "uint8_t";
      break;
    case Base::kUint16:
      result += "uint16_t";
      break;
    case Base::kUint32:
      result += "uint32_t";
      break;
    case Base::kUint64:
      result += "uint64_t";
      break;
    case Base::kWideChar:
      result += "wchar_t";
      break;
    case Base::kSize:
      result += "size_t";
      break;
    case Base::kStruct:
      result += "struct " + type.name;
      break;
    case Base::kUnion:
      result += "union " + type.name;
      break;
    case Base::kEnum:
      result += "enum " + type.name;
      break;
    case Base::kNamed:
      result += type.name;
      break;
  }
  result.append(type.pointers, '*');
  return result;
}

bool copied_along(const Declaration& member) { return member.attributes && member.attributes->sized(); }

const UserType* deep_struct(const Interface& interface, const Declaration& declaration) {
  if (declaration.type.pointers != 1 || !declaration.attributes) return nullptr;
  const UserType* type = interface.find(declaration.type);
  if (type == nullptr || type->kind != UserTypeKind::kStruct) return nullptr;
  return std::any_of(type->members.begin(), type->members.end(), copied_along) ? type : nullptr;
}

}  // namespace coffer::edl
