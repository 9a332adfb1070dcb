// Text of a policy to its tree, and what there is to say about the text.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "attest/policy/syntax.h"

namespace coffer::attest::rules {

struct Parsed {
  std::shared_ptr<const Tree> tree;  // null where the last finding is an error
  std::vector<PolicyFinding> findings;
};

[[nodiscard]] Parsed parse(std::string_view text);

}  // namespace coffer::attest::rules
