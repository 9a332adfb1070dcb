// The command line of sgx_sign, as Makefiles for the Intel SGX SDK write it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace coffer::sgxsdk {

enum class SignVerb { kSign, kGendata, kCatsig, kDump };

struct SignOptions {
  SignVerb verb = SignVerb::kSign;
  bool help = false, version = false;
  std::string enclave, config, key, output, signature, unsigned_file, dump_file, css_file;
  bool resign = false;
};

// Arguments after the program's name. Input error: an unknown or repeated option, a missing value, an option that the
// verb does not take, a required one that is absent.
[[nodiscard]] Result<SignOptions> parse_sign_options(std::span<const std::string_view> arguments);

[[nodiscard]] std::string_view sign_usage();

}  // namespace coffer::sgxsdk
