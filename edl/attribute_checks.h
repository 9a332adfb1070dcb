// What attributes of pointers may be together, and on what.
#pragma once

#include <string>

#include "edl/ast.h"
#include "edl/options.h"

namespace coffer::edl {

class AttributeChecks {
 public:
  AttributeChecks(const Interface& interface, const Options& options, Diagnostics& diagnostics)
      : interface_(interface), options_(options), diagnostics_(diagnostics) {}

  // All attributes of a parameter of the function, and those that it should have.
  void check(const Function& function, const Declaration& parameter) const;

  // An error at the attribute; false, for a caller to hand on.
  bool refuse(const Attribute& attribute, std::string message, std::string advice = {}) const;
  // The error for an attribute of pointers on what is none; false.
  bool plain(const Declaration& declaration, const Attribute& attribute) const;

 private:
  [[nodiscard]] bool oe() const { return options_.dialect == Dialect::kOpenEnclave; }
  [[nodiscard]] bool sgx() const { return options_.dialect == Dialect::kSgx; }
  void error(const Place& place, std::string message, std::string advice) const;
  // Whether attributes of pointers have something to hold on to.
  [[nodiscard]] static bool points(const Declaration& parameter, const Attributes& given);

  // One attribute each. False: there was an error.
  bool one(const Function& function, const Declaration& parameter, const Attributes& given,
           const Attribute& attribute) const;
  bool string(const Function& function, const Declaration& parameter, const Attributes& given,
              const Attribute& attribute) const;
  bool named_pointer(const Declaration& parameter, const Attributes& given, const Attribute& attribute) const;
  bool size(const Function& function, const Declaration& parameter, const Attributes& given,
            const Attribute& attribute) const;
  bool direction(const Declaration& parameter, const Attributes& given, const Attribute& attribute) const;
  bool read_only(const Declaration& parameter, const Attributes& given, const Attribute& attribute) const;
  bool user_check(const Declaration& parameter, const Attributes& given, const Attribute& attribute) const;

  const Interface& interface_;
  const Options& options_;
  Diagnostics& diagnostics_;
};

}  // namespace coffer::edl
