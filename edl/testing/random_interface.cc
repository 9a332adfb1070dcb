// Makes up an interface, both its halves and a test of them: random_interface SEED FOLDER. Each function says what it
// was given (a digest) and changes what it may; the caller, which knows what it gave, compares. Host and enclave call
// each other with the same text.
#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "edl/frontend.h"
#include "edl/text.h"
#include "edl/views.h"

namespace coffer::edl {
namespace {

constexpr int kFunctions = 24;  // each way
constexpr int kStructs = 6;

enum class Kind { kScalar, kRecord, kIn, kOut, kBoth, kArray, kText, kShout, kSingle, kDeepIn, kDeepBoth };

struct Parameter {
  Kind kind;
  std::string name, element, extent;
};
struct Made {
  std::string name;
  std::vector<Parameter> parameters;
};

class Maker {
 public:
  explicit Maker(std::uint64_t seed) : random_(seed) {}

  std::string interface_text() {
    Text text;
    text.open("enclave");
    for (int i = 0; i < kStructs; ++i) record(text, i);
    text.open("trusted");
    for (int i = 0; i < kFunctions; ++i) ecalls_.push_back(function(text, fmt::format("ecall{}", i), "public "));
    text.line("public uint64_t drive(uint32_t which, uint64_t seed);");
    text.close("};");
    text.open("untrusted");
    for (int i = 0; i < kFunctions; ++i) ocalls_.push_back(function(text, fmt::format("ocall{}", i), ""));
    text.close("};");
    text.close("};");
    return text.str();
  }

  // Templates over the structures, which each side has its own of.
  std::string values_header() const {
    Text text;
    text.add("#pragma once\n#include \"edl/testing/random_support.h\"\n#include \"made_types.h\"\nnamespace made {");
    text.add(
        "using coffer::edl::testing::bump;\nusing coffer::edl::testing::Digest;\nusing "
        "coffer::edl::testing::feed;\nusing coffer::edl::testing::Random;\nusing "
        "coffer::edl::testing::random_size;\nusing coffer::edl::testing::random_text;\nusing "
        "coffer::edl::testing::randomize;");
    for (std::size_t i = 0; i < members_.size(); ++i) {
      for (const char* head : {"inline void randomize(S{}& value, Random& random)",
                               "inline void feed(Digest& digest, const S{}& value)", "inline void bump(S{}& value)"}) {
        text.open("{}", fmt::format(fmt::runtime(head), i));
        const char kind = head[12];
        for (const std::string& member : members_[i]) {
          text.line("{}value.{}{};",
                    kind == 'r'   ? "randomize("
                    : kind == 'f' ? "feed(digest, "
                                  : "bump(",
                    member, kind == 'r' ? ", random)" : ")");
        }
        text.close();
      }
    }
    text.add("}");
    return text.str();
  }

  std::string half(const Interface& interface, bool inside) const {
    Text text;
    // What should come of the values is worked out in blocks with the same names.
    text.add("#pragma GCC diagnostic ignored \"-Wshadow\"\n#pragma GCC diagnostic ignored \"-Wconversion\"");
    text.add("#include <algorithm>\n#include <array>\n#include <cctype>\n#include <memory>");
    text.line("#include \"made_{}.h\"\n#include \"made_values.h\"\nnamespace made {{", inside ? "enclave" : "host");
    const auto& served = inside ? ecalls_ : ocalls_;
    const auto& called = inside ? ocalls_ : ecalls_;
    for (std::size_t i = 0; i < served.size(); ++i) {
      serve(text, *(inside ? interface.ecalls : interface.ocalls)[i], served[i]);
    }
    if (!inside) text.line("uint64_t drive_ecall(coffer::Enclave& enclave, uint32_t which, uint64_t seed);");
    text.open("{}", inside ? "uint64_t drive(uint32_t which, uint64_t seed)"
                           : "uint64_t drive_ecall(coffer::Enclave& enclave, uint32_t which, uint64_t seed)");
    text.line("Random random(seed);\nDigest expected;");
    for (std::size_t i = 0; i < called.size(); ++i) call(text, called[i], i, inside);
    text.line("return 99;");
    text.close();
    if (!inside) {
      text.open("uint64_t drive_ocall(coffer::Enclave& enclave, uint32_t which, uint64_t seed)");
      text.line("return made::drive(enclave, which, seed).value_or(10);");
      text.close();
    }
    text.line("}}  // namespace made");
    return text.str();
  }

 private:
  std::string scalar() {
    static const char* const kScalars[] = {"char",          "short",        "int",     "long",    "long long",
                                           "unsigned char", "unsigned int", "float",   "double",  "int8_t",
                                           "int16_t",       "int32_t",      "int64_t", "uint8_t", "uint16_t",
                                           "uint32_t",      "uint64_t",     "size_t",  "bool",    "wchar_t"};
    return kScalars[random_() % std::size(kScalars)];
  }
  // A bool among bytes of the other side's can be any byte, so it is a value of its own only.
  std::string stored() {
    std::string type = scalar();
    return type == "bool" ? "uint8_t" : type;
  }
  std::string element() { return random_() % 4 == 0 ? fmt::format("S{}", random_() % kStructs) : stored(); }

  void record(Text& text, int number) {
    text.open("struct S{}", number);
    members_.emplace_back();
    const std::size_t count = 1 + random_() % 5;
    for (std::size_t i = 0; i < count; ++i) {
      members_.back().push_back(fmt::format("m{}", i));
      const bool nested = number > 0 && random_() % 5 == 0;
      text.line("{} m{};", nested ? fmt::format("S{}", random_() % static_cast<unsigned>(number)) : stored(), i);
    }
    text.close("};");
    // And one that copies along: an array of these, and bytes.
    text.open("struct D{}", number);
    text.line("uint32_t count;\n[count=count] S{0}* all;\nsize_t size;\n[size=size] void* bytes;\n{1} plain;", number,
              scalar());
    text.close("};");
  }

  Made function(Text& text, const std::string& name, const std::string& before) {
    Made made{name, {}};
    std::vector<std::string> words;
    const std::size_t count = random_() % 7;
    for (std::size_t i = 0; i < count; ++i) {
      Parameter parameter{static_cast<Kind>(random_() % 11), fmt::format("p{}", i), element(), {}};
      const std::string n = fmt::format("n{}", i);
      const std::string& p = parameter.name;
      const std::string& e = parameter.element;
      switch (parameter.kind) {
        case Kind::kScalar:
          parameter.element = scalar();
          words.push_back(fmt::format("{} {}", parameter.element, p));
          break;
        case Kind::kRecord:
          words.push_back(fmt::format("{} {}", e, p));
          break;
        case Kind::kIn:
        case Kind::kOut:
        case Kind::kBoth: {
          const char* const direction = parameter.kind == Kind::kIn    ? "in"
                                        : parameter.kind == Kind::kOut ? "out"
                                                                       : "in, out";
          const bool bytes = random_() % 3 == 0;
          if (bytes) parameter.element = "std::byte";
          words.push_back(bytes ? fmt::format("[{}, size={}] void* {}", direction, n, p)
                                : fmt::format("[{}, count={}] {}* {}", direction, n, e, p));
          words.push_back(fmt::format("{} {}", random_() % 2 == 0 ? "size_t" : "uint32_t", n));
          break;
        }
        case Kind::kArray:
          parameter.extent = std::to_string(1 + random_() % 9);
          words.push_back(fmt::format("[in, out] {} {}[{}]", e, p, parameter.extent));
          break;
        case Kind::kText:
          words.push_back(fmt::format("[in, string] const char* {}", p));
          break;
        case Kind::kShout:
          words.push_back(fmt::format("[in, out, string] char* {}", p));
          break;
        case Kind::kSingle:
          words.push_back(fmt::format("[in] const {}* {}", e, p));
          break;
        case Kind::kDeepIn:
        case Kind::kDeepBoth: {
          const std::size_t number = random_() % kStructs;
          parameter.element = fmt::format("D{}", number);
          parameter.extent = fmt::format("S{}", number);
          words.push_back(
              fmt::format("[{}, count={}] D{}* {}", parameter.kind == Kind::kDeepIn ? "in" : "in, out", n, number, p));
          words.push_back(fmt::format("size_t {}", n));
          break;
        }
      }
      made.parameters.push_back(parameter);
    }
    text.line("{}uint64_t {}({});", before, name, fmt::join(words, ", "));
    return made;
  }

  // Statements that make `digest` what the parameter's input comes to; `in` is the name of the value or of the array.
  static void feed_one(Text& text, const Parameter& p, const std::string& digest) {
    switch (p.kind) {
      case Kind::kScalar:
      case Kind::kRecord:
        return text.line("feed({}, {});", digest, p.name);
      case Kind::kIn:
      case Kind::kBoth:
        text.line("{}.add({}.size());", digest, p.name);
        [[fallthrough]];
      case Kind::kArray:
        if (p.element == "std::byte") return text.line("{}.bytes({});", digest, p.name);
        return text.line("for (const auto& each : {}) feed({}, each);", p.name, digest);
      case Kind::kOut:
        return text.line("{}.add({}.size());", digest, p.name);
      case Kind::kText:
        return text.line("{0}.bytes(std::as_bytes(std::span({1}.data(), {1}.size())));", digest, p.name);
      case Kind::kShout:
        return text.line("{0}.bytes(std::as_bytes(std::span(&{1}[0], std::strlen(&{1}[0]))));", digest, p.name);
      case Kind::kSingle:
        return text.line("{0}.add({1} != nullptr);\nif ({1} != nullptr) feed({0}, *{1});", digest, p.name);
      case Kind::kDeepIn:
      case Kind::kDeepBoth:
        text.open("for (const auto& each : {})", p.name);
        text.line("{0}.add(each.count, each.size, each.all != nullptr, each.bytes != nullptr);\nfeed({0}, each.plain);",
                  digest);
        text.line("for (uint32_t i = 0; each.all != nullptr && i < each.count; ++i) feed({}, each.all[i]);", digest);
        text.line("if (each.bytes != nullptr) {}.bytes({{static_cast<const std::byte*>(each.bytes), each.size}});",
                  digest);
        return text.close();
    }
  }
  // What the function does to it, on the function's side and, to compare, on the caller's copy.
  static void change_one(Text& text, const Parameter& p, const std::string& name, const std::string& hash) {
    switch (p.kind) {
      case Kind::kOut:
        text.open("");
        text.line("Random pattern({});", hash);
        if (p.element == "std::byte") {
          text.line("for (auto& each : {}) each = static_cast<std::byte>(pattern());", name);
        } else {
          text.line("for (auto& each : {}) randomize(each, pattern);", name);
        }
        return text.close();
      case Kind::kBoth:
      case Kind::kArray:
        if (p.element == "std::byte") return text.line("for (auto& each : {}) each ^= std::byte{{0x55}};", name);
        return text.line("for (auto& each : {}) bump(each);", name);
      case Kind::kShout:
        return text.line("for (char* c = &{}[0]; *c != 0; ++c) *c = static_cast<char>(std::toupper(*c));", name);
      case Kind::kDeepBoth:
        text.open("for (auto& each : {})", name);
        text.line(
            "bump(each.plain);\nfor (uint32_t i = 0; each.all != nullptr && i < each.count; ++i) bump(each.all[i]);");
        text.line(
            "for (size_t i = 0; each.bytes != nullptr && i < each.size; ++i) static_cast<std::byte*>(each.bytes)[i] ^= "
            "std::byte{{1}};");
        return text.close();
      default:
        return;
    }
  }

  static void serve(Text& text, const Function& function, const Made& made) {
    std::vector<std::string> signature;
    for (const Declaration& each : function.parameters) {
      if (!is_span_length(function, each)) signature.push_back(viewed(function, each));
    }
    text.open("uint64_t {}({})", made.name, fmt::join(signature, ", "));
    text.line("Digest digest;");
    for (const Parameter& each : made.parameters) feed_one(text, each, "digest");
    text.line("const uint64_t hash = digest.value();");
    for (const Parameter& each : made.parameters) change_one(text, each, each.name, "hash");
    text.line("return hash;");
    text.close();
  }

  static void declare(Text& text, const Parameter& p) {
    switch (p.kind) {
      case Kind::kScalar:
      case Kind::kRecord:
        return text.line("{0} {1};\nstd::memset(&{1}, 0, sizeof({1}));\nrandomize({1}, random);", p.element, p.name);
      case Kind::kIn:
      case Kind::kOut:
      case Kind::kBoth:
        // Not a vector: of bool it would be something else.
        text.line(
            "const size_t size_{0} = random_size(random);\nconst auto memory_{0} = std::make_unique<{1}[]>(size_{0} + "
            "1);",
            p.name, p.element);
        text.line("const std::span<{1}> {0}(memory_{0}.get(), size_{0});", p.name, p.element);
        if (p.element == "std::byte")
          return text.line("for (auto& each : {}) each = static_cast<std::byte>(random());", p.name);
        return text.line("for (auto& each : {}) randomize(each, random);", p.name);
      case Kind::kArray:
        return text.line("std::array<{0}, {2}> {1}{{}};\nfor (auto& each : {1}) randomize(each, random);", p.element,
                         p.name, p.extent);
      case Kind::kText:
      case Kind::kShout:
        return text.line("std::string {} = random_text(random);", p.name);
      case Kind::kSingle:
        text.line("{0} value_{1};\nstd::memset(&value_{1}, 0, sizeof(value_{1}));\nrandomize(value_{1}, random);",
                  p.element, p.name);
        return text.line("const {0}* const {1} = random() % 4 != 0 ? &value_{1} : nullptr;", p.element, p.name);
      case Kind::kDeepIn:
      case Kind::kDeepBoth:
        text.line("std::vector<{0}> {1}(random() % 5);", p.element, p.name);
        text.line(
            "std::vector<std::vector<{0}>> all_{1}({1}.size());\nstd::vector<std::vector<std::byte>> "
            "bytes_{1}({1}.size());",
            p.extent, p.name);
        text.open("for (size_t i = 0; i < {}.size(); ++i)", p.name);
        text.line("all_{0}[i].resize(random() % 6);\nfor (auto& each : all_{0}[i]) randomize(each, random);", p.name);
        text.line(
            "bytes_{0}[i].resize(random_size(random));\nfor (auto& each : bytes_{0}[i]) each = "
            "static_cast<std::byte>(random());",
            p.name);
        text.line("randomize({0}[i].plain, random);\n{0}[i].count = static_cast<uint32_t>(all_{0}[i].size());", p.name);
        text.line("{0}[i].all = random() % 4 != 0 ? all_{0}[i].data() : nullptr;\n{0}[i].size = bytes_{0}[i].size();",
                  p.name);
        text.line("{0}[i].bytes = random() % 4 != 0 ? bytes_{0}[i].data() : nullptr;", p.name);
        return text.close();
    }
  }
  // The digest of what the parameter holds, by whatever way: what change_one makes of it has to be what came back.
  static void compare(Text& text, const Parameter& p) {
    text.line("Digest got_{};", p.name);
    const std::string got = "got_" + p.name;
    Parameter seen = p;
    if (p.kind == Kind::kOut) seen.kind = Kind::kBoth;
    feed_one(text, seen, got);
  }

  static void call(Text& text, const Made& made, std::size_t number, bool inside) {
    text.open("if (which == {})", number);
    for (const Parameter& each : made.parameters) declare(text, each);
    for (const Parameter& each : made.parameters) feed_one(text, each, "expected");
    std::vector<std::string> arguments;
    if (!inside) arguments.push_back("enclave");
    for (const Parameter& each : made.parameters) {
      arguments.push_back(each.kind == Kind::kShout ? each.name + ".data()" : each.name);
    }
    // What it should become is worked out on a second set of the same values.
    text.line("const auto got = {}({});", made.name, fmt::join(arguments, ", "));
    text.line("if (!got) return 1;\nif (*got != expected.value()) return 2;");
    for (const Parameter& each : made.parameters) compare(text, each);
    text.open("");
    text.line("Random random(seed);");
    for (const Parameter& each : made.parameters) declare(text, each);
    for (const Parameter& each : made.parameters) change_one(text, each, each.name, "expected.value()");
    std::vector<std::string> first;
    for (const Parameter& each : made.parameters) first.push_back(fmt::format("got_{}.value()", each.name));
    text.line("const std::vector<uint64_t> had{{{}}};", fmt::join(first, ", "));
    for (const Parameter& each : made.parameters) compare(text, each);
    text.line("const std::vector<uint64_t> wanted{{{}}};\nif (had != wanted) return 3;", fmt::join(first, ", "));
    text.close();
    text.line("return 0;");
    text.close();
  }

  std::mt19937_64 random_;
  std::vector<std::vector<std::string>> members_;
  std::vector<Made> ecalls_, ocalls_;
};

void write(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

}  // namespace
}  // namespace coffer::edl

int main(int count, char** words) {
  using namespace coffer::edl;
  if (count != 3) return 2;
  const std::string folder = std::string(words[2]) + "/";
  Maker maker(std::stoull(words[1]));
  std::string text = maker.interface_text();
  write(folder + "made.edl", text);
  Options options;
  (void)options.warnings.set("no-signed-size-or-count");
  Diagnostics diagnostics;
  FrontEnd front_end(options, diagnostics, [&](const std::string&) { return text; });
  const auto interface = front_end.load("made.edl");
  for (const auto& each : diagnostics.all()) std::fputs(render(each, Rendering::kCompiler).c_str(), stderr);
  if (!interface) return 1;
  write(folder + "made_values.h", maker.values_header());
  write(folder + "made_inside.cc", maker.half(*interface, true));
  write(folder + "made_outside.cc", maker.half(*interface, false));
  return 0;
}
