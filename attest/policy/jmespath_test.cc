#include "attest/policy/jmespath.h"

#include <gtest/gtest.h>

namespace coffer::attest::rules::jmespath {
namespace {

constexpr const char* kDocument = R"({
  "Events": [
    {"EventSeq": 1, "PcrIndex": 7, "Type": "VAR", "Data": {"Name": "SecureBoot", "Value": "AQ", "Levels": [3, 1, 2]}},
    {"EventSeq": 2, "PcrIndex": 7, "Type": "VAR", "Data": {"Name": "PK", "Value": "xx"}},
    {"EventSeq": 3, "PcrIndex": 12, "Type": "TAG", "Data": {"Trust": [{"Path": "\\Windows\\A.sys"}, {"Path": "b"}]}},
    {"EventSeq": 4, "PcrIndex": 13, "Type": "TAG", "Data": null}
  ],
  "name with space": 5, "empty": [], "half": 0.5, "map": {"b": 2, "a": 1, "c": {"d": [1]}}
})";

// The result as JSON, or "error: ...".
std::string search(std::string_view query, std::string_view json = kDocument, const PolicyLimits& limits = {}) {
  Budget budget(limits);
  const auto document = read_value(json, budget);
  if (!document) return "error: " + document.error().message;
  const auto parsed = Query::parse(query);
  if (!parsed) return "error: " + parsed.error().message;
  const auto found = parsed->search(*document, budget);
  if (!found) return "error: " + found.error().message;
  const auto text = write_value(**found, budget);
  return text ? *text : "error: " + text.error().message;
}

TEST(JmesPath, SelectsFiltersAndProjects) {
  const std::pair<const char*, const char*> cases[] = {
      {"Events[0].Data.Name", R"("SecureBoot")"},
      {"Events[-1].EventSeq", "4"},
      {"Events[9]", "null"},
      {"Events[*].EventSeq", "[1,2,3,4]"},
      {"Events[1:3].EventSeq", "[2,3]"},
      {"Events[::-2].EventSeq", "[4,2]"},
      {"Events[?PcrIndex == `7`].Data.Name", R"(["SecureBoot","PK"])"},
      {"Events[?PcrIndex == `7`] | [?Data.Name == 'SecureBoot'] | length(@) == `1` && @[0].Data.Value == 'AQ'", "true"},
      {"Events[? Type == 'TAG' && (PcrIndex == `12` || PcrIndex == `19`)].Data.Trust[].Path | [0]",
       R"("\\Windows\\A.sys")"},
      {"Events[*].Data.Trust[] | [?equals_ignore_case(Path, '\\windows\\a.SYS')] | @ != `null`", "true"},
      {"Events[? EventSeq < `3`].EventSeq | @[-1]", "2"},
      {"Events[?!Data].EventSeq", "[4]"},
      {"\"name with space\"", "5"},
      {"map.*", "[1,2,{\"d\":[1]}]"},
      {"map.{x: a, y: b, z: [a, b]}", R"({"x":1,"y":2,"z":[1,2]})"},
      {"[half, nothing, empty]", "[0.5,null,[]]"},
      {"empty || `{\"a\": [1, \"b\"]}`.a", R"([1,"b"])"},
      {"sort_by(Events, &Type)[*].EventSeq", "[3,4,1,2]"},
      {"max_by(Events, &EventSeq).PcrIndex", "13"},
      {"sum(Events[].EventSeq)", "10"},
      {"avg(Events[].EventSeq)", "2.5"},
      {"join(', ', sort(keys(map)))", R"("a, b, c")"},
      {"Events[0].Data.Levels | sort(@) | reverse(@)", "[3,2,1]"},
      {"to_number('12')", "12"},
      {"to_string(map.c)", R"("{\"d\":[1]}")"},
      {"type(half)", R"("number")"},
      {"merge(map, {a: `9`}).a", "9"},
      {"not_null(nothing, half)", "0.5"},
      {"map(&Data.Name, Events)", R"(["SecureBoot","PK",null,null])"},
      {"floor(half) == `0` && ceil(half) == `1` && abs(`-3`) == `3`", "true"},
      {"contains(Events[].Type, 'TAG')", "true"},
      {"'it\\'s'", R"("it's")"},
      {"Events == Events", "true"},
      {"`1` == `1.0`", "true"},
      {"'a' < 'b'", "null"},
  };
  for (const auto& [query, expected] : cases) EXPECT_EQ(search(query), expected) << query;
}

TEST(JmesPath, SaysWhereAQueryCannotBeRead) {
  for (const char* query : {"", "a.", ".a", "a..b", "a[", "a[?b", "a b", "[1:2:3:4]", "{a: }", "f(", "'open", "`{`",
                            "a[x]", "a ==", "\"f\"(a)", "a.1", "#", "foo[*]bar", "-"}) {
    EXPECT_TRUE(search(query).starts_with("error: ")) << query << " gave " << search(query);
  }
  EXPECT_NE(search("Events[?a ==]").find("at byte 12"), std::string::npos) << search("Events[?a ==]");
}

TEST(JmesPath, SaysWhatAFunctionDoesNotTake) {
  for (const char* query :
       {"nothing_like_it(@)", "length(`1`)", "abs('x')", "sum(['a'])", "sort([`1`, 'a'])", "join(`1`, [])",
        "sort_by(Events, &Data)", "length()", "length(@, @)", "a[::0]", "keys(`[]`)", "&a"}) {
    EXPECT_TRUE(search(query, R"({"a":[1],"Events":[{"Data":[]}]})").starts_with("error: ")) << query;
  }
}

TEST(JmesPath, EndsWhereItsBudgetDoes) {
  std::string doubling = "[@,@]";
  for (int i = 0; i < 60; ++i) doubling += "|[@,@]";
  EXPECT_TRUE(search(doubling).starts_with("error: ")) << "2^60 values, were they written";
  EXPECT_TRUE(search(doubling + "| @ == @").starts_with("error: ")) << "and were they compared";
  std::string deep = "[@]";
  for (int i = 0; i < 150; ++i) deep += "|[@]";
  EXPECT_TRUE(search(deep).starts_with("error: ")) << "a value of 150 levels";
  EXPECT_TRUE(search(std::string(5000, '(') + "a" + std::string(5000, ')')).starts_with("error: "));
  EXPECT_TRUE(search(std::string(5000, '!') + "a").starts_with("error: "));
  std::string chain = "a";
  for (int i = 0; i < 5000; ++i) chain += ".a";
  EXPECT_TRUE(search(chain).starts_with("error: "));
  std::string list = "[0";
  for (int i = 0; i < 3000; ++i) list += ",0";
  list += "]";
  EXPECT_TRUE(search("[*].[map(&@, $)]", list).starts_with("error: "));
  EXPECT_TRUE(search("map(&length(sort(`" + list + "`)), @)", list).starts_with("error: it takes more than"));
}

}  // namespace
}  // namespace coffer::attest::rules::jmespath
