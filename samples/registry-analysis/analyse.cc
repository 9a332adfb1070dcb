#include "analyse.h"

#include <algorithm>
#include <string_view>
#include <vector>

namespace registry {
namespace {

struct Question {
  std::string_view title;
  std::string_view sql;  // one parameter: how many rows
};

constexpr Question kQuestions[] = {
    {"Assignments by registry",
     "SELECT registry, count(*) AS assignments, sum(size) AS addresses,"
     " count(DISTINCT organisation) AS organisations FROM assignment GROUP BY registry ORDER BY registry LIMIT ?"},
    {"Organisations with the most address space",
     "SELECT organisation, count(*) AS assignments, sum(size) AS addresses FROM assignment"
     " WHERE organisation NOT IN ('', 'Private') GROUP BY organisation ORDER BY addresses DESC, organisation LIMIT ?"},
    {"Countries",
     "SELECT country, count(*) AS assignments, count(DISTINCT organisation) AS organisations,"
     " printf('%.2f', 100.0 * count(*) / (SELECT count(*) FROM assignment)) AS percent"
     " FROM assignment WHERE country <> '' GROUP BY country ORDER BY assignments DESC, country LIMIT ?"},
    {"Organisations in the most registries",
     "SELECT organisation, count(DISTINCT registry) AS registries, count(*) AS assignments FROM assignment"
     " WHERE organisation NOT IN ('', 'Private') GROUP BY organisation"
     " ORDER BY registries DESC, assignments DESC, organisation LIMIT ?"},
    {"Names written in more than one way",
     "SELECT lower(organisation) AS name, count(DISTINCT organisation) AS spellings, count(*) AS assignments"
     " FROM assignment GROUP BY lower(organisation) HAVING spellings > 1"
     " ORDER BY spellings DESC, assignments DESC, name LIMIT ?"},
    {"Prefixes assigned more than once",
     "SELECT prefix, count(*) AS holders, min(organisation) AS first, max(organisation) AS last FROM assignment"
     " GROUP BY prefix HAVING holders > 1 ORDER BY holders DESC, prefix LIMIT ?"},
    {"Addresses shared by the most organisations",
     "SELECT substr(address, 1, 48) AS place, count(DISTINCT organisation) AS organisations FROM assignment"
     " WHERE address <> '' GROUP BY address ORDER BY organisations DESC, place LIMIT ?"},
};

// Bytes that start a character: how wide UTF-8 text stands, near enough for a table.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

void append_cell(std::string& line, std::string_view text, std::size_t columns, bool right) {
  const std::string padding(columns - std::min(columns, width(text)), ' ');
  if (right) line += padding;
  line += text;
  if (!right) line += padding;
  line += "  ";
}

std::string table(Database& database, const Question& question, int top) {
  Statement statement(database, question.sql);
  statement.bind(1, std::int64_t{top});
  const int columns = statement.columns();
  std::vector<std::vector<std::string>> rows(1);
  std::vector<bool> right(static_cast<std::size_t>(columns), false);
  for (int i = 0; i < columns; ++i) rows[0].emplace_back(statement.name(i));
  while (statement.step()) {
    auto& row = rows.emplace_back();
    for (int i = 0; i < columns; ++i) {
      row.push_back(statement.text(i));
      right[static_cast<std::size_t>(i)] = statement.is_number(i);
    }
  }

  std::string text = std::string(question.title) + "\n";
  if (rows.size() == 1) return text + "  none\n\n";
  std::vector<std::size_t> widths(static_cast<std::size_t>(columns), 0);
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  for (const auto& row : rows) {
    std::string line = "  ";
    for (std::size_t i = 0; i < row.size(); ++i) append_cell(line, row[i], widths[i], right[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text + "\n";
}

}  // namespace

std::string analyse(Database& database, int top) {
  std::string text;
  for (const Question& question : kQuestions) text += table(database, question, top);
  return text;
}

}  // namespace registry
