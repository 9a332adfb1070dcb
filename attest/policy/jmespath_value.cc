#include <algorithm>
#include <charconv>
#include <cmath>

#include "attest/core/json_text.h"
#include "attest/core/strict_json.h"
#include "attest/policy/jmespath.h"

namespace coffer::attest::rules::jmespath {

namespace {

constexpr std::size_t kNodeCost = sizeof(Value) + 32;  // with what the allocator adds

std::uint32_t depth_of(const Value::Storage& storage) {
  std::uint32_t deepest = 0;
  if (const auto* array = std::get_if<Value::Array>(&storage)) {
    for (const ValueRef& each : *array) deepest = std::max(deepest, each->depth());
    return deepest + 1;
  }
  if (const auto* object = std::get_if<Value::Object>(&storage)) {
    for (const auto& [name, each] : *object) deepest = std::max(deepest, each->depth());
    return deepest + 1;
  }
  return 0;
}

// Of bounded depth: read_json() has seen to that.
ValueRef convert(nlohmann::json& json, Budget& budget) {
  budget.step();
  budget.keep(kNodeCost);
  Value::Storage storage;
  if (json.is_boolean()) {
    storage = json.get<bool>();
  } else if (json.is_number_float()) {
    storage = json.get<double>();
  } else if (json.is_number_unsigned() && json.get<std::uint64_t>() > INT64_MAX) {
    storage = static_cast<double>(json.get<std::uint64_t>());
  } else if (json.is_number()) {
    storage = json.get<std::int64_t>();
  } else if (json.is_string()) {
    storage = std::move(json.get_ref<std::string&>());
  } else if (json.is_array()) {
    Value::Array array;
    for (auto& each : json) array.push_back(convert(each, budget));
    storage = std::move(array);
  } else if (json.is_object()) {
    Value::Object object;  // nlohmann's objects are sorted by name
    for (auto& [name, each] : json.items()) object.emplace_back(name, convert(each, budget));
    storage = std::move(object);
  }
  return std::make_shared<const Value>(std::move(storage));
}

class Writer {
 public:
  explicit Writer(Budget& budget) : budget_(budget) {}

  bool write(const Value& value) {
    if (!budget_.step()) return false;
    if (const auto* array = value.as<Value::Array>()) {
      out_.begin_array();
      for (const ValueRef& each : *array) {
        if (!write(*each)) return false;
      }
      out_.end_array();
      return paid(2);
    }
    if (const auto* object = value.as<Value::Object>()) {
      out_.begin_object();
      for (const auto& [name, each] : *object) {
        out_.name(name);
        if (!paid(name.size() + 4) || !write(*each)) return false;
      }
      out_.end_object();
      return paid(2);
    }
    return write_scalar(value);
  }
  std::string take() { return out_.take(); }

 private:
  bool paid(std::size_t bytes) { return budget_.keep(bytes); }

  bool write_scalar(const Value& value) {
    if (const bool* boolean = value.as<bool>()) {
      out_.value(*boolean);
    } else if (const auto* integer = value.as<std::int64_t>()) {
      out_.value(*integer);
    } else if (const auto* fraction = value.as<double>()) {
      // A whole number is written as one: JSON has no other type for it.
      char text[40];
      const auto [end, error] = std::to_chars(text, text + sizeof(text), *fraction);
      if (error == std::errc() && std::isfinite(*fraction)) {
        out_.raw(std::string_view(text, static_cast<std::size_t>(end - text)));
      } else {
        out_.null();
      }
    } else if (const auto* text = value.as<std::string>()) {
      out_.value(*text);
      return paid(text->size() + 8);
    } else {
      out_.null();
    }
    return paid(8);
  }

  JsonText out_;
  Budget& budget_;
};

}  // namespace

Value::Value(Storage storage) : storage_(std::move(storage)), depth_(depth_of(storage_)) {}

double Value::number() const {
  if (const auto* integer = as<std::int64_t>()) return static_cast<double>(*integer);
  const auto* fraction = as<double>();
  return fraction != nullptr ? *fraction : 0;
}

Result<ValueRef> read_value(std::string_view json, Budget& budget) {
  if (!budget.step(json.size() / 16 + 1) || !budget.keep(json.size())) return refused(budget.said());
  auto read = read_json(json, {.bytes = std::size_t{4} * 1024 * 1024, .depth = 64});
  if (!read) return std::unexpected(read.error());
  ValueRef value = convert(*read, budget);
  if (!budget.within()) return refused(budget.said());
  return value;
}

Result<std::string> write_value(const Value& value, Budget& budget) {
  Writer writer(budget);
  if (!writer.write(value)) return refused(budget.said());
  return writer.take();
}

}  // namespace coffer::attest::rules::jmespath
