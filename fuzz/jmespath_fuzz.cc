// Hostile JMESPath: the query is the first line, the rest the document. JSON that is JSON again comes out, or an error.
#include "attest/policy/jmespath.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace coffer::attest::rules;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t end = text.find('\n');
  const auto query = jmespath::Query::parse(text.substr(0, end));
  if (!query) return 0;
  Budget budget({.steps = 200'000, .bytes = 4 << 20});
  const auto document = jmespath::read_value(
      end == std::string_view::npos ? R"({"a":[1,"x",{"b":null}]})" : text.substr(end + 1), budget);
  if (!document) return 0;
  const auto found = query->search(*document, budget);
  if (!found) return 0;
  const auto written = jmespath::write_value(**found, budget);
  if (!written) return 0;
  Budget again({.steps = 10'000'000, .bytes = 1 << 30});
  if ((*found)->depth() < 60 && written->size() < (3 << 20) && !jmespath::read_value(*written, again)) std::abort();
  return 0;
}
