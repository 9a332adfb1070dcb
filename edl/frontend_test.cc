#include "edl/frontend.h"
#include "edl/types.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "edl/checks.h"

namespace coffer::edl {
namespace {

using ::testing::HasSubstr;

struct Outcome {
  std::shared_ptr<const Interface> interface;
  Diagnostics diagnostics;
  std::string said;  // everything, rendered
};

class FrontEndTest : public ::testing::Test {
 protected:
  Outcome load(const std::string& name) {
    Outcome result;
    FrontEnd front_end(options, result.diagnostics, [this](const std::string& path) -> std::optional<std::string> {
      const auto found = files.find(path);
      if (found == files.end()) return std::nullopt;
      return found->second;
    });
    result.interface = front_end.load(name);
    for (const Diagnostic& each : result.diagnostics.all()) result.said += render(each, Rendering::kCompiler);
    return result;
  }
  Outcome load_text(const std::string& text) {
    files["a.edl"] = text;
    return load("a.edl");
  }
  Outcome trusted(const std::string& functions) { return load_text("enclave { trusted { " + functions + " }; };"); }

  std::map<std::string, std::string> files;
  Options options;
};

TEST_F(FrontEndTest, ReadsFunctionsTypesAndAttributes) {
  const auto got = load_text(R"(
enclave {
  include "types.h"
  struct Point { int x; [count=n] int* more; size_t n; };  // a comment
  enum { RED = 1, GREEN = 0x10, LOW = -1 };
  trusted {
    public unsigned long long sum([in, count=n] const int* values, size_t n) transition_using_threads;
    void hidden(void);
  };
  untrusted {
    [cdecl] int say([in, string] const char* text) allow(hidden) propagate_errno;
  };
};)");
  ASSERT_TRUE(got.interface) << got.said;
  ASSERT_EQ(got.interface->ecalls.size(), 2u);
  const Function& sum = *got.interface->ecalls[0];
  EXPECT_EQ(spelled(sum.result), "unsigned long long");
  EXPECT_TRUE(sum.switchless);
  EXPECT_FALSE(sum.is_private);
  ASSERT_EQ(sum.parameters.size(), 2u);
  EXPECT_EQ(spelled(sum.parameters[0].type), "const int*");
  EXPECT_TRUE(sum.parameters[0].attributes->in_only());
  EXPECT_EQ(sum.parameters[0].attributes->count.front().text, "n");
  EXPECT_TRUE(got.interface->ecalls[1]->is_private);
  EXPECT_TRUE(got.interface->ecalls[1]->parameters.empty());
  ASSERT_EQ(got.interface->ocalls.size(), 1u);
  EXPECT_TRUE(got.interface->ocalls[0]->propagate_errno);
  EXPECT_EQ(got.interface->ocalls[0]->allows.front().name, "hidden");
  EXPECT_TRUE(got.interface->types[0]->members[2].measures);
  EXPECT_EQ(got.interface->types[1]->enumerators[2].value->text, "-1");
  EXPECT_THAT(got.interface->includes, ::testing::ElementsAre("\"types.h\""));
}

TEST_F(FrontEndTest, PlacesAndCaretsAreRight) {
  const auto got = load_text("enclave {\n  trusted {\n\tpublic void f([in, in] int* p);\n  };\n};\n");
  EXPECT_FALSE(got.interface);
  EXPECT_THAT(got.said, HasSubstr("a.edl:3:21: error: duplicated attribute: `in'"));
  EXPECT_THAT(got.said, HasSubstr("     3 | \tpublic void f([in, in] int* p);\n       | \t                   ^~\n"));
}

TEST_F(FrontEndTest, ConditionsMayStandBetweenAnyTwoWords) {
  options.defined = {"A"};
  const auto got = load_text(
      "#ifdef A\nenclave {\n#endif\ntrusted { public void #ifdef B nothing @ $ #else f #endif (#ifndef A int x "
      "#endif); };\n"
      "#ifdef A\n}\n#endif\n;");
  ASSERT_TRUE(got.interface) << got.said;
  EXPECT_EQ(got.interface->ecalls.at(0)->name, "f");
  EXPECT_TRUE(got.interface->ecalls.at(0)->parameters.empty());
}

TEST_F(FrontEndTest, ConditionsThatDoNotFitTogetherAreRefused) {
  EXPECT_THAT(load_text("enclave { #endif };").said, HasSubstr("#endif without #ifdef"));
  EXPECT_THAT(load_text("#ifdef A\n#else\n#else\n#endif").said, HasSubstr("a second #else"));
  EXPECT_THAT(load_text("enclave { #ifdef A };").said, HasSubstr("a.edl:1:11: error: unterminated #ifdef or #ifndef"));
  EXPECT_THAT(load_text("#if 1\n#endif").said, HasSubstr("unsupported directive #if"));
}

TEST_F(FrontEndTest, ImportsAreMergedOnce) {
  files["base.edl"] = "enclave { struct S { int x; }; trusted { public void a(S s); public void b(void); }; };";
  files["left.edl"] = "enclave { from \"base.edl\" import a; };";
  files["right.edl"] = "enclave { import \"base.edl\" };";
  const auto got =
      load_text("enclave { import \"left.edl\" from \"right.edl\" import *; trusted { public void own(); }; };");
  ASSERT_TRUE(got.interface) << got.said;
  ASSERT_EQ(got.interface->ecalls.size(), 3u);
  EXPECT_EQ(got.interface->ecalls[0]->name, "own");
  EXPECT_EQ(got.interface->ecalls[1]->name, "a");
  EXPECT_EQ(got.interface->ecalls[2]->name, "b");
  EXPECT_EQ(got.interface->types.size(), 1u);
}

TEST_F(FrontEndTest, ImportsThatCannotBeAreRefused) {
  files["b.edl"] = "enclave { import \"a.edl\" };";
  EXPECT_THAT(load_text("enclave { import \"b.edl\" };").said, HasSubstr("recursive import detected"));
  EXPECT_THAT(load_text("enclave { import \"none.edl\" };").said, HasSubstr("a.edl:1:18: error: file not found"));
  files["c.edl"] = "enclave { trusted { public void f(); }; };";
  EXPECT_THAT(load_text("enclave { from \"c.edl\" import g; };").said,
              HasSubstr("function g not found in imported edl"));
  EXPECT_THAT(load_text("enclave { import \"c.edl\" untrusted { int f(); }; };").said,
              HasSubstr("Duplicate function definition detected for f"));
}

TEST_F(FrontEndTest, SearchPathsAreTriedInTheirOrder) {
  files["one/x.edl"] = "enclave { trusted { public void from_one(); }; };";
  files["two/x.edl"] = "enclave { trusted { public void from_two(); }; };";
  options.search_paths = {"two/", "one"};
  const auto got = load_text("enclave { import \"x.edl\" };");
  ASSERT_TRUE(got.interface) << got.said;
  EXPECT_EQ(got.interface->ecalls.at(0)->name, "from_two");
}

TEST_F(FrontEndTest, NativePointersNeedADirection) {
  EXPECT_THAT(trusted("public void f(int* p);").said, HasSubstr("should have direction attribute or `user_check'"));
  EXPECT_THAT(trusted("public void f([in] void* p);").said, HasSubstr("buffer size unknown"));
  EXPECT_THAT(trusted("public void f([out] const int* p);").said, HasSubstr("readonly - cannot be used with `out'"));
  EXPECT_TRUE(trusted("public void f([user_check] void* p);").interface);
}

TEST_F(FrontEndTest, SizesNameNumbers) {
  EXPECT_THAT(trusted("public void f([in, size=n] void* p);").said, HasSubstr("could not find declaration for `n'."));
  EXPECT_THAT(trusted("public void f([in, size=n] void* p, double n);").said,
              HasSubstr("size/count has invalid type."));
  EXPECT_THAT(trusted("public void f([in, size=n] void* p, int n);").said, HasSubstr("should not be signed"));
  EXPECT_TRUE(trusted("public void f([in, size=a*b] void* p, size_t a, size_t b);").interface);
  options.dialect = Dialect::kOpenEnclave;
  EXPECT_THAT(trusted("public void f([in, size=a*b] void* p, size_t a, size_t b);").said, HasSubstr("product"));
}

TEST_F(FrontEndTest, DeepCopiesHaveAnEnd) {
  const auto got = load_text(
      "enclave { struct A { [count=1] B* b; }; struct B { [count=1] A* a; }; trusted { public void f([in] A* a); }; "
      "};");
  EXPECT_THAT(got.said, HasSubstr("the deep copy of struct `A' contains itself"));
}

TEST_F(FrontEndTest, AllowListsNameEcalls) {
  const auto got = load_text("enclave { trusted { void p(); public void f(); }; untrusted { void o() allow(q); }; };");
  EXPECT_THAT(got.said, HasSubstr("\"o\" declared to allow unknown function \"q\""));
  EXPECT_THAT(got.said, HasSubstr("private ECALL `p' is not used by any OCALL"));
}

TEST_F(FrontEndTest, EachDialectHasItsRules) {
  options.dialect = Dialect::kOpenEnclave;
  EXPECT_TRUE(trusted("public void f(int* p);").interface);
  EXPECT_THAT(trusted("void f();").said, HasSubstr("`private' specifier is not supported"));
  EXPECT_THAT(trusted("public void f([in, size=n, count=n] int* p, size_t n);").said, HasSubstr("simultaneous"));
  EXPECT_THAT(trusted("public void f(long n);").said, HasSubstr("`long' has different sizes"));
  options.dialect = Dialect::kSgx;
  EXPECT_THAT(trusted("void f();").said, HasSubstr("contains no public root ECALL"));
  EXPECT_TRUE(trusted("public void f([in, size=n, count=n] int* p, size_t n);").interface);
  EXPECT_THAT(trusted("public void f([in, sizefunc=g] int* p);").said, HasSubstr("'sizefunc' is deprecated"));
}

TEST_F(FrontEndTest, BrokenTextIsOneError) {
  for (const char* text :
       {"", "enclave", "enclave {", "enclave { trusted { public", "enclave { /* ", "enclave { include \"x",
        "enclave { trusted { public void f([in", "enclave {}; enclave {};", "enclave { \x01 };"}) {
    const auto got = load_text(text);
    EXPECT_FALSE(got.interface) << text;
    EXPECT_EQ(got.diagnostics.all().size(), 1u) << text << "\n" << got.said;
  }
}

TEST(WarningOptionsTest, TheStrongestHolds) {
  using Level = WarningOptions::Level;
  WarningOptions options;
  EXPECT_EQ(options.level(Warning::kReturnPointer), Level::kIgnored);
  EXPECT_EQ(options.level(Warning::kSignedSize), Level::kWarning);
  ASSERT_TRUE(options.set("all"));
  EXPECT_EQ(options.level(Warning::kReturnPointer), Level::kWarning);
  ASSERT_TRUE(options.set("error=return-ptr"));
  EXPECT_EQ(options.level(Warning::kReturnPointer), Level::kError);
  ASSERT_TRUE(options.set("no-return-ptr"));
  ASSERT_TRUE(options.set("return-ptr"));
  EXPECT_EQ(options.level(Warning::kReturnPointer), Level::kIgnored);
  ASSERT_TRUE(options.set("error"));
  EXPECT_EQ(options.level(Warning::kSignedSize), Level::kError);
  ASSERT_TRUE(options.set("no-error"));
  EXPECT_EQ(options.level(Warning::kSignedSize), Level::kWarning);
  EXPECT_FALSE(options.set("error=all"));
  EXPECT_FALSE(options.set("nonsense"));
}

}  // namespace
}  // namespace coffer::edl
