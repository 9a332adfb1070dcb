// What evaluating has cost so far, against what it may. Every loop of the evaluator spends; once it is spent up,
// whoever looks stops, and the result is an error.
#pragma once

#include <cstdint>
#include <string>

#include <coffer/attest/policy.h>

namespace coffer::attest::rules {

class Budget {
 public:
  explicit Budget(const PolicyLimits& limits) : limits_(limits) {}

  // False once the limit is passed.
  bool step(std::uint64_t count = 1) {
    steps_ += count;
    return steps_ <= limits_.steps;
  }
  bool keep(std::uint64_t bytes) {
    bytes_ += bytes;
    return bytes_ <= limits_.bytes;
  }
  [[nodiscard]] bool within() const { return steps_ <= limits_.steps && bytes_ <= limits_.bytes; }
  [[nodiscard]] std::uint64_t bytes_left() const { return bytes_ < limits_.bytes ? limits_.bytes - bytes_ : 0; }
  [[nodiscard]] std::uint64_t steps() const { return steps_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] const PolicyLimits& limits() const { return limits_; }
  [[nodiscard]] std::string said() const {
    return steps_ > limits_.steps ? "it takes more than " + std::to_string(limits_.steps) + " steps"
                                  : "it makes more than " + std::to_string(limits_.bytes) + " bytes";
  }

 private:
  PolicyLimits limits_;
  std::uint64_t steps_ = 0, bytes_ = 0;
};

}  // namespace coffer::attest::rules
