// A reader for comma-separated values as RFC 4180 describes them: quoted fields may hold commas, line ends and doubled
// quotes. Rows are read one at a time, so a file of any size needs the memory of its longest row.
#pragma once

#include <istream>
#include <string>
#include <vector>

namespace registry {

class CsvReader {
 public:
  // `name` is used in errors only. The stream must outlive the reader.
  CsvReader(std::istream& input, std::string name) : input_(input), name_(std::move(name)) {}

  // Reads the next row into `fields`; false at the end of the file. Throws std::runtime_error for a quote that never
  // closes, naming the line where the row began.
  bool next(std::vector<std::string>& fields);

  // The line, from 1, where the last row began.
  [[nodiscard]] unsigned long row_line() const { return row_line_; }

 private:
  std::istream& input_;
  std::string name_;
  unsigned long line_ = 1;
  unsigned long row_line_ = 0;
};

}  // namespace registry
