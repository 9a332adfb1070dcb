#include "base/result.h"

#include <cstring>

namespace coffer {

std::unexpected<Error> system_error(std::string message, int errno_value) {
  message += ": ";
  message += std::strerror(errno_value);
  return fail(ErrorKind::kSystem, std::move(message));
}

}  // namespace coffer
