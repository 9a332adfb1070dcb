#include "base/text.h"

#include <gtest/gtest.h>

namespace coffer {
namespace {

using namespace std::string_view_literals;

TEST(OneLine, ControlCharactersAreQuestionMarks) {
  EXPECT_EQ(one_line("a\nb\tc\x7f\x1b[31m\0d"sv), "a?b?c??[31m?d");
  EXPECT_EQ(one_line("gr\xc3\xbc\xc3\x9f dich"), "gr\xc3\xbc\xc3\x9f dich");
}

TEST(OneLine, IsCutWhereItIsTooLong) {
  EXPECT_EQ(one_line("abcdef", 3), "abc");
  EXPECT_EQ(one_line(std::string(500, 'x')).size(), 400U);
  EXPECT_EQ(one_line(""), "");
}

}  // namespace
}  // namespace coffer
