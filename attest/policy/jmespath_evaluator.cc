#include "attest/policy/jmespath_evaluator.h"

#include <algorithm>

namespace coffer::attest::rules::jmespath {

bool is_true(const Value& value) {
  if (const bool* boolean = value.as<bool>()) return *boolean;
  if (const auto* text = value.as<std::string>()) return !text->empty();
  if (const auto* array = value.as<Value::Array>()) return !array->empty();
  if (const auto* object = value.as<Value::Object>()) return !object->empty();
  return value.as<Value::Null>() == nullptr;
}

ValueRef Evaluator::fail(std::string why) {
  if (good()) error_ = std::move(why);
  return std::make_shared<const Value>(Value::Null{});
}

bool Evaluator::step(std::uint64_t count) {
  if (budget_.step(count)) return true;
  fail(budget_.said());
  return false;
}

ValueRef Evaluator::make(Value::Storage storage) {
  std::size_t bytes = sizeof(Value) + 32;
  if (const auto* text = std::get_if<std::string>(&storage)) bytes += text->size();
  if (const auto* array = std::get_if<Value::Array>(&storage)) bytes += array->size() * sizeof(ValueRef);
  if (const auto* object = std::get_if<Value::Object>(&storage)) bytes += object->size() * sizeof((*object)[0]);
  if (!budget_.keep(bytes)) return fail(budget_.said());
  auto value = std::make_shared<const Value>(std::move(storage));
  if (value->depth() > kMaxValueDepth) return fail("the result is nested too deeply");
  return value;
}

bool Evaluator::equal(const Value& a, const Value& b) {
  if (!step()) return false;
  if (a.is_number() && b.is_number()) {
    const auto* left = a.as<std::int64_t>();
    const auto* right = b.as<std::int64_t>();
    return left != nullptr && right != nullptr ? *left == *right : a.number() == b.number();
  }
  if (a.storage().index() != b.storage().index()) return false;
  if (const auto* left = a.as<Value::Array>()) {
    const auto& right = *b.as<Value::Array>();
    return std::ranges::equal(*left, right, [this](const ValueRef& x, const ValueRef& y) { return equal(*x, *y); });
  }
  if (const auto* left = a.as<Value::Object>()) {
    const auto& right = *b.as<Value::Object>();
    return std::ranges::equal(*left, right, [this](const auto& x, const auto& y) {
      return x.first == y.first && equal(*x.second, *y.second);
    });
  }
  if (const auto* left = a.as<std::string>()) return step(left->size() / 64) && *left == *b.as<std::string>();
  if (const bool* left = a.as<bool>()) return *left == *b.as<bool>();
  return a.as<Value::Null>() != nullptr;
}

ValueRef Evaluator::left_of(const Node& node, const ValueRef& current) {
  return node.left ? evaluate(*node.left, current) : current;
}

ValueRef Evaluator::evaluate(const Node& node, const ValueRef& current) {
  if (!good() || !step()) return current;
  switch (node.kind) {
    case NodeKind::kCurrent:
      return current;
    case NodeKind::kLiteral:
      return node.literal;
    case NodeKind::kField: {
      const auto* object = current->as<Value::Object>();
      if (object == nullptr) return null();
      const auto found = std::ranges::lower_bound(*object, node.name, {}, &Value::Object::value_type::first);
      return found != object->end() && found->first == node.name ? found->second : null();
    }
    case NodeKind::kIndex: {
      const ValueRef list = left_of(node, current);
      const auto* array = list->as<Value::Array>();
      if (array == nullptr) return null();
      const auto size = static_cast<std::int64_t>(array->size());
      const std::int64_t place = node.index < 0 ? node.index + size : node.index;
      return place >= 0 && place < size ? (*array)[static_cast<std::size_t>(place)] : null();
    }
    case NodeKind::kSlice:
      return evaluate_slice(node, current);
    case NodeKind::kSub:
    case NodeKind::kPipe: {
      ValueRef left = left_of(node, current);
      if (node.kind == NodeKind::kSub && left->as<Value::Null>() != nullptr) return left;
      return evaluate(*node.right, left);
    }
    case NodeKind::kOr:
    case NodeKind::kAnd: {
      ValueRef left = left_of(node, current);
      return is_true(*left) == (node.kind == NodeKind::kOr) ? left : evaluate(*node.right, current);
    }
    case NodeKind::kNot:
      return make(!is_true(*left_of(node, current)));
    case NodeKind::kCompare:
      return evaluate_compare(node, current);
    case NodeKind::kFlatten:
      return evaluate_flatten(node, current);
    case NodeKind::kListProjection:
    case NodeKind::kObjectProjection:
    case NodeKind::kFilter:
      return evaluate_project(node, current);
    case NodeKind::kMultiList:
    case NodeKind::kMultiHash:
      return evaluate_multi(node, current);
    case NodeKind::kCall:
      return evaluate_call(node, current);
    case NodeKind::kReference:
      return make(Value::Reference{node.left.get()});
  }
  std::unreachable();
}

ValueRef Evaluator::evaluate_compare(const Node& node, const ValueRef& current) {
  const ValueRef left = left_of(node, current);
  const ValueRef right = evaluate(*node.right, current);
  if (node.compare == Compare::kEqual) return make(equal(*left, *right));
  if (node.compare == Compare::kNotEqual) return make(!equal(*left, *right));
  if (!left->is_number() || !right->is_number()) return null();
  const auto* a = left->as<std::int64_t>();
  const auto* b = right->as<std::int64_t>();
  const auto order =
      a != nullptr && b != nullptr ? std::partial_ordering(*a <=> *b) : left->number() <=> right->number();
  switch (node.compare) {
    case Compare::kLess:
      return make(order < 0);
    case Compare::kLessOrEqual:
      return make(order <= 0);
    case Compare::kGreater:
      return make(order > 0);
    default:
      return make(order >= 0);
  }
}

ValueRef Evaluator::evaluate_project(const Node& node, const ValueRef& current) {
  const ValueRef list = left_of(node, current);
  Value::Array elements;
  if (node.kind == NodeKind::kObjectProjection) {
    const auto* object = list->as<Value::Object>();
    if (object == nullptr) return null();
    for (const auto& [name, value] : *object) elements.push_back(value);
  } else {
    const auto* array = list->as<Value::Array>();
    if (array == nullptr) return null();
    elements = *array;
  }
  if (!step(elements.size())) return current;
  Value::Array result;
  for (const ValueRef& element : elements) {
    if (!good()) return current;
    if (node.condition && !is_true(*evaluate(*node.condition, element))) continue;
    ValueRef value = node.right ? evaluate(*node.right, element) : element;
    if (value->as<Value::Null>() == nullptr) result.push_back(std::move(value));
  }
  return make(std::move(result));
}

ValueRef Evaluator::evaluate_slice(const Node& node, const ValueRef& current) {
  const ValueRef list = left_of(node, current);
  const auto* array = list->as<Value::Array>();
  if (array == nullptr) return null();
  const auto size = static_cast<std::int64_t>(array->size());
  const std::int64_t step_size = node.slice[2].value_or(1);
  if (step_size == 0) return fail("a slice has the step 0");
  const auto cap = [&](std::optional<std::int64_t> given, std::int64_t otherwise) {
    if (!given) return otherwise;
    const std::int64_t place = *given < 0 ? std::max(*given, -size - 1) + size : *given;
    return step_size < 0 ? std::clamp<std::int64_t>(place, -1, size - 1) : std::clamp<std::int64_t>(place, 0, size);
  };
  const std::int64_t stop = cap(node.slice[1], step_size < 0 ? -1 : size);
  Value::Array result;
  for (std::int64_t i = cap(node.slice[0], step_size < 0 ? size - 1 : 0); step_size < 0 ? i > stop : i < stop;) {
    if (!step()) return current;
    result.push_back((*array)[static_cast<std::size_t>(i)]);
    if (__builtin_add_overflow(i, step_size, &i)) break;
  }
  return make(std::move(result));
}

ValueRef Evaluator::evaluate_flatten(const Node& node, const ValueRef& current) {
  const ValueRef list = left_of(node, current);
  const auto* array = list->as<Value::Array>();
  if (array == nullptr) return null();
  Value::Array result;
  for (const ValueRef& element : *array) {
    const auto* inner = element->as<Value::Array>();
    if (!step(inner != nullptr ? inner->size() + 1 : 1)) return current;
    if (inner != nullptr) {
      result.insert(result.end(), inner->begin(), inner->end());
    } else {
      result.push_back(element);
    }
  }
  return make(std::move(result));
}

ValueRef Evaluator::evaluate_multi(const Node& node, const ValueRef& current) {
  if (current->as<Value::Null>() != nullptr) return current;
  if (node.kind == NodeKind::kMultiList) {
    Value::Array result;
    for (const NodePtr& child : node.children) result.push_back(evaluate(*child, current));
    return make(std::move(result));
  }
  Value::Object result;
  for (std::size_t i = 0; i < node.children.size(); ++i) {
    ValueRef value = evaluate(*node.children[i], current);
    const auto place = std::ranges::lower_bound(result, node.names[i], {}, &Value::Object::value_type::first);
    if (place != result.end() && place->first == node.names[i]) {
      place->second = std::move(value);
    } else {
      result.emplace(place, node.names[i], std::move(value));
    }
  }
  return make(std::move(result));
}

ValueRef Evaluator::evaluate_call(const Node& node, const ValueRef& current) {
  std::vector<ValueRef> arguments;
  for (const NodePtr& child : node.children) arguments.push_back(evaluate(*child, current));
  return good() ? call(node, std::move(arguments)) : current;
}

Result<ValueRef> Query::search(const ValueRef& document, Budget& budget) const {
  Evaluator evaluator(budget);
  ValueRef value = evaluator.evaluate(*root_, document);
  if (!evaluator.good()) return refused(evaluator.error());
  if (value->as<Value::Reference>() != nullptr) return refused("a query whose result is an expression (&...)");
  return value;
}

}  // namespace coffer::attest::rules::jmespath
