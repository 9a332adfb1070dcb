// Which rung a launch takes that leaves it open.
#include <coffer/host.h>

#include <cstdlib>
#include <string_view>

namespace coffer {

Result<RungKind> rung_for_launch(bool debug) {
  const char* given = std::getenv("COFFER_RUNG");
  const std::string_view name = given == nullptr ? "" : given;
  if (name == "inline") return RungKind::kInline;
  if (name == "process") return RungKind::kProcess;
  if (name == "sgx") return RungKind::kSgx;
  if (name.empty()) return debug ? RungKind::kInline : RungKind::kProcess;
  return input_error("COFFER_RUNG is \"" + std::string(name) + "\"; it can be inline, process or sgx");
}

}  // namespace coffer
