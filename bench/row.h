// What a measurement comes to: a value, what it is compared with, and whether that is within reach.
#pragma once

#include <optional>
#include <ostream>
#include <span>
#include <string>

namespace coffer::bench {

struct Row {
  std::string name;
  double value = 0;
  std::string unit;
  std::optional<double> counterpart;  // in the same unit
  std::string counterpart_name;
  std::optional<double> ratio;  // what the reach is about; absent where the value itself is
  std::string reach;            // empty: reported only
  bool ok = true;
};

// The smaller, the better: ratio = value / counterpart.
[[nodiscard]] Row compare_cost(std::string name, std::string unit, double value, std::string counterpart_name,
                               double counterpart, std::optional<double> at_most);

// Both are times of the same work: ratio = speed inside / speed outside.
[[nodiscard]] Row compare_speed(std::string name, std::string unit, double inside, double outside, double at_least);

// The value itself must be at most `at_most`.
[[nodiscard]] Row limit_value(std::string name, std::string unit, double value, double at_most);

// A table for people, and a JSON list of {name, value, unit, counterpart, ratio, reach, ok} for machines; counterpart,
// ratio and reach are null where there is none.
void print_table(std::ostream& out, std::span<const Row> rows);
void print_json(std::ostream& out, std::span<const Row> rows);

}  // namespace coffer::bench
