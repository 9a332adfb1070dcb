#include "csv.h"

#include <stdexcept>

namespace registry {

bool CsvReader::next(std::vector<std::string>& fields) {
  fields.clear();
  row_line_ = line_;
  std::streambuf& buffer = *input_.rdbuf();
  constexpr int end = std::char_traits<char>::eof();
  int character = buffer.sbumpc();
  if (character == end) return false;

  std::string field;
  bool quoted = false;
  for (;; character = buffer.sbumpc()) {
    if (quoted) {
      if (character == end) {
        throw std::runtime_error(name_ + ":" + std::to_string(row_line_) + ": a quoted field never ends");
      }
      if (character == '"') {
        if (buffer.sgetc() != '"') {
          quoted = false;
          continue;
        }
        buffer.sbumpc();
      }
      if (character == '\n') ++line_;
      field.push_back(static_cast<char>(character));
    } else if (character == '"' && field.empty()) {
      quoted = true;
    } else if (character == ',') {
      fields.push_back(std::move(field));
      field.clear();
    } else if (character == '\n' || character == end) {
      ++line_;
      if (!field.empty() && field.back() == '\r') field.pop_back();
      fields.push_back(std::move(field));
      return true;
    } else {
      field.push_back(static_cast<char>(character));
    }
  }
}

}  // namespace registry
