#include <cstdio>
#include <vector>

#include "compat/openenclave/tools/oesign.h"

namespace {

int report(const coffer::Error& error) {
  std::fprintf(stderr, "oesign: %s\n", error.message.c_str());
  return error.kind == coffer::ErrorKind::kRefused ? 1 : 2;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  const auto options = coffer::openenclave::parse_sign_options(arguments);
  if (!options) return report({options.error().kind, options.error().message + "; see `oesign --help`"});
  if (options->help) {
    std::fputs(std::string(coffer::openenclave::sign_usage(options->command)).c_str(), stdout);
    return 0;
  }
  if (const auto done = coffer::openenclave::run_oesign(*options); !done) return report(done.error());
  return 0;
}
