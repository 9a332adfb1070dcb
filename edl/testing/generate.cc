// Generates code while Coffer is built: generate DIALECT FILE FOLDER.
#include <cstdio>
#include <string>

#include "edl/command.h"

int main(int count, char** words) {
  using namespace coffer::edl;
  if (count != 4) return 2;
  Options options;
  const std::string dialect = words[1];
  if (dialect == "sgx") options.dialect = Dialect::kSgx;
  if (dialect == "openenclave") options.dialect = Dialect::kOpenEnclave;
  options.trusted_directory = options.untrusted_directory = words[3];
  const auto done = compile({words[2]}, options);
  if (!done) {
    std::fprintf(stderr, "%s\n", done.error().message.c_str());
    return 2;
  }
  for (const auto& each : done->diagnostics) std::fputs(render(each, Rendering::kCompiler).c_str(), stderr);
  return done->good ? 0 : 1;
}
