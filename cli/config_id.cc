#include "cli/config_id.h"

#include <cstring>

#include "base/hex.h"
#include "base/text.h"

namespace coffer::cli {

Result<sgx::Bytes<64>> parse_config_id(const std::string& option, const std::string& text) {
  sgx::Bytes<64> id{};
  const auto bytes = from_hex(text);
  if (!bytes || bytes->empty() || bytes->size() > id.size()) {
    return input_error(option + " " + one_line(text, 40) + ": write 1 to 64 bytes as hexadecimal digits");
  }
  std::memcpy(id.data(), bytes->data(), bytes->size());
  return id;
}

}  // namespace coffer::cli
