// sgx_sign: makes signed images of enclaves that were built for the Intel SGX SDK.
#include <cstdio>
#include <vector>

#include "compat/sgxsdk/tools/sign_tool.h"

namespace {

int report(const coffer::Error& error) {
  std::fprintf(stderr, "sgx_sign: %s\n", error.message.c_str());
  return error.kind == coffer::ErrorKind::kRefused ? 1 : 2;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  auto options = coffer::sgxsdk::parse_sign_options(arguments);
  if (!options) {
    return report({options.error().kind, options.error().message + "; `sgx_sign -help` has examples"});
  }
  if (options->help) {
    std::fputs(std::string(coffer::sgxsdk::sign_usage()).c_str(), stdout);
    return 0;
  }
  if (options->version) {
    std::puts("sgx_sign of Coffer " COFFER_VERSION);
    return 0;
  }
  if (auto done = coffer::sgxsdk::run_sign_tool(*options); !done) return report(done.error());
  return 0;
}
