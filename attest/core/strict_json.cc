#include "attest/core/strict_json.h"

#include <set>
#include <string>
#include <vector>

namespace coffer::attest {

namespace {

using Json = nlohmann::json;

// Looks at the events of the parser; keeps nothing but the names of the objects that are open.
class Inspector : public nlohmann::json_sax<Json> {
 public:
  explicit Inspector(std::size_t most_depth) : most_depth_(most_depth) {}

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(); }
  bool start_array(std::size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (names_.back().insert(name).second) return true;
    problem_ = "an object has the name \"" + name.substr(0, 60) + "\" twice";
    return false;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    problem_ = "not JSON: byte " + std::to_string(position) + " is where reading ends";
    return false;
  }
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  bool open() {
    names_.emplace_back();
    if (names_.size() <= most_depth_) return true;
    problem_ = "nested deeper than " + std::to_string(most_depth_) + " levels";
    return false;
  }
  bool close() {
    names_.pop_back();
    return true;
  }
  std::size_t most_depth_;
  std::vector<std::set<std::string>> names_;
  std::string problem_;
};

}  // namespace

Result<nlohmann::json> read_json(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.bytes) return input_error("larger than " + std::to_string(limits.bytes) + " bytes");
  Inspector inspector(limits.depth);
  if (!Json::sax_parse(text, &inspector)) return input_error(inspector.problem());
  Json value = Json::parse(text, nullptr, false);
  if (value.is_discarded()) return input_error("not JSON");
  return value;
}

}  // namespace coffer::attest
