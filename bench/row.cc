#include "bench/row.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace coffer::bench {

namespace {

// Enough digits to compare two of them, no more.
std::string number(double value) {
  if (value >= 1000) return fmt::format("{:.0f}", value);
  return value >= 10 ? fmt::format("{:.1f}", value) : fmt::format("{:.3f}", value);
}

std::string optional_number(const std::optional<double>& value) { return value ? number(*value) : ""; }

std::string verdict(const Row& row) {
  if (row.reach.empty()) return "";
  return row.ok ? "reached" : "MISSED";
}

}  // namespace

Row compare_cost(std::string name, std::string unit, double value, std::string counterpart_name, double counterpart,
                 std::optional<double> at_most) {
  Row row{.name = std::move(name),
          .value = value,
          .unit = std::move(unit),
          .counterpart = counterpart,
          .counterpart_name = std::move(counterpart_name),
          .ratio = value / counterpart};
  if (at_most) {
    row.reach = fmt::format("<= {:.3g} x", *at_most);
    row.ok = *row.ratio <= *at_most;
  }
  return row;
}

Row compare_speed(std::string name, std::string unit, double inside, double outside, double at_least) {
  return {.name = std::move(name),
          .value = inside,
          .unit = std::move(unit),
          .counterpart = outside,
          .counterpart_name = "the same binary outside",
          .ratio = outside / inside,
          .reach = fmt::format(">= {:.3g} of its speed", at_least),
          .ok = outside / inside >= at_least};
}

Row limit_value(std::string name, std::string unit, double value, double at_most) {
  Row row{.name = std::move(name), .value = value, .unit = std::move(unit)};
  row.reach = fmt::format("<= {:.3g} {}", at_most, row.unit);
  row.ok = value <= at_most;
  return row;
}

void print_table(std::ostream& out, std::span<const Row> rows) {
  std::size_t name = 4;
  std::size_t other = 11;
  for (const Row& row : rows) {
    name = std::max(name, row.name.size());
    other = std::max(other, row.counterpart_name.size());
  }
  const auto line = [&](const auto&... cells) {
    std::string text = fmt::format("{:<{}}  {:>9} {:<5}  {:<{}}  {:>9}  {:>8}  {:<22} {}", cells...);
    text.erase(text.find_last_not_of(' ') + 1);
    out << text << '\n';
  };
  line("what", name, "value", "", "counterpart", other, "value", "ratio", "reach", "");
  for (const Row& row : rows) {
    line(row.name, name, number(row.value), row.unit, row.counterpart_name, other, optional_number(row.counterpart),
         optional_number(row.ratio), row.reach, verdict(row));
  }
}

void print_json(std::ostream& out, std::span<const Row> rows) {
  using nlohmann::json;
  const auto optional = [](const std::optional<double>& value) { return value ? json(*value) : json(nullptr); };
  json list = json::array();
  for (const Row& row : rows) {
    list.push_back({{"name", row.name},
                    {"value", row.value},
                    {"unit", row.unit},
                    {"counterpart", optional(row.counterpart)},
                    {"ratio", optional(row.ratio)},
                    {"reach", row.reach.empty() ? json(nullptr) : json(row.reach)},
                    {"ok", row.ok}});
  }
  out << list.dump(1) << '\n';
}

}  // namespace coffer::bench
