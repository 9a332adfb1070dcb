#include "csv.h"

#include <gtest/gtest.h>

#include <sstream>

namespace registry {
namespace {

std::vector<std::vector<std::string>> rows_of(const std::string& text) {
  std::istringstream input(text);
  CsvReader reader(input, "test.csv");
  std::vector<std::vector<std::string>> rows;
  for (std::vector<std::string> row; reader.next(row);) rows.push_back(row);
  return rows;
}

using Rows = std::vector<std::vector<std::string>>;

TEST(Csv, SplitsRowsAndFields) {
  EXPECT_EQ(rows_of("a,b\nc,d\n"), (Rows{{"a", "b"}, {"c", "d"}}));
  EXPECT_EQ(rows_of("a,b\r\nc,d\r\n"), (Rows{{"a", "b"}, {"c", "d"}}));
  EXPECT_EQ(rows_of("a,\n,b"), (Rows{{"a", ""}, {"", "b"}}));
  EXPECT_TRUE(rows_of("").empty());
}

TEST(Csv, QuotedFieldsHoldCommasLinesAndQuotes) {
  EXPECT_EQ(rows_of("\"Cisco Systems, Inc\",\"two\nlines\",\"say \"\"so\"\"\"\n"),
            (Rows{{"Cisco Systems, Inc", "two\nlines", "say \"so\""}}));
}

TEST(Csv, AnOpenQuoteIsAnErrorThatNamesTheLineWhereTheRowBegan) {
  try {
    rows_of("a,b\nc,\"d\ne,f\n");
    FAIL() << "not refused";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "test.csv:2: a quoted field never ends");
  }
}

}  // namespace
}  // namespace registry
