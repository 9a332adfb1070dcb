// EDL text: the front end and all three emitters take anything. The first byte chooses the dialect and what is defined;
// a byte 1 divides the text into files that can import each other.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "edl/emit.h"
#include "edl/frontend.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace coffer::edl;
  if (size < 1 || size > 8192) return 0;
  Options options;
  options.dialect = static_cast<Dialect>(data[0] % 3);
  if ((data[0] & 4) != 0) options.defined.insert("A");
  options.use_prefix = (data[0] & 8) != 0;
  if ((data[0] & 16) != 0) (void)options.warnings.set("all");
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t middle = text.find('\1');
  Diagnostics diagnostics;
  FrontEnd front_end(options, diagnostics, [&](const std::string& path) -> std::optional<std::string> {
    if (path == "a.edl") return text.substr(0, middle);
    if (path == "b.edl" && middle != std::string::npos) return text.substr(middle + 1);
    return std::nullopt;
  });
  const auto interface = front_end.load("a.edl");
  if ((interface == nullptr) != diagnostics.has_errors()) std::abort();
  for (const Diagnostic& each : diagnostics.all()) {
    if (render(each, Rendering::kCompiler).empty() || render(each, Rendering::kSeverityFirst).empty()) std::abort();
  }
  if (interface) {
    for (const GeneratedFile& each : emit(*interface, options)) {
      if (each.text.empty()) std::abort();
    }
  }
  return 0;
}
