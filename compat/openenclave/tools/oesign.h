// oesign: signs enclaves of Open Enclave, as Coffer images.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace coffer::openenclave {

struct SignOptions {
  std::string command;  // sign, digest or dump
  std::string enclave, configuration, key, certificate, digest, output;
  bool help = false;
};
[[nodiscard]] Result<SignOptions> parse_sign_options(std::span<const std::string_view> arguments);
// Of a command, or of all where it is empty.
[[nodiscard]] std::string_view sign_usage(std::string_view command);
// Does what the options say. What there is to print goes to standard output.
[[nodiscard]] Result<void> run_oesign(const SignOptions& options);

}  // namespace coffer::openenclave
