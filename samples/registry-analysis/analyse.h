// The questions that the sample asks of the registrations, and their answers as text.
#pragma once

#include <string>

#include "database.h"

namespace registry {

// One table for each question, `top` rows at most in each. The text depends on the database alone, so that two runs
// can be compared by a hash of it.
[[nodiscard]] std::string analyse(Database& database, int top);

}  // namespace registry
