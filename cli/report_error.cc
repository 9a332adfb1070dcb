#include <cstdio>

#include "cli/verbs.h"

namespace coffer::cli {

int report(const Error& error) {
  std::fprintf(stderr, "coffer: %s\n", error.message.c_str());
  return error.kind == ErrorKind::kRefused ? 1 : 2;
}

}  // namespace coffer::cli
