// SQLite with owners: a connection and its statements, errors as exceptions with SQLite's own words.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace registry {

class Database {
 public:
  enum class Mode { kRead, kReplace };

  // kReplace starts with an empty database. Throws std::runtime_error.
  Database(const std::string& path, Mode mode);

  // Runs SQL that has no result.
  void run(const char* sql);
  [[nodiscard]] sqlite3* handle() const { return connection_.get(); }

 private:
  struct Close {
    void operator()(sqlite3* connection) const { sqlite3_close(connection); }
  };
  std::unique_ptr<sqlite3, Close> connection_;
};

class Statement {
 public:
  Statement(Database& database, std::string_view sql);

  // Parameters count from 1; the text must live until the next step().
  void bind(int parameter, std::string_view text);
  void bind(int parameter, std::int64_t number);
  // True while there is a row to look at.
  bool step();
  void reset();

  [[nodiscard]] int columns() const { return sqlite3_column_count(statement_.get()); }
  [[nodiscard]] std::string_view name(int column) const { return sqlite3_column_name(statement_.get(), column); }
  [[nodiscard]] std::string text(int column) const;
  [[nodiscard]] bool is_number(int column) const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  Database& database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

}  // namespace registry
