#include "database.h"

#include <filesystem>
#include <stdexcept>

namespace registry {
namespace {

[[noreturn]] void throw_error(sqlite3* connection, std::string_view doing) {
  throw std::runtime_error(std::string(doing) + ": " + sqlite3_errmsg(connection));
}

}  // namespace

Database::Database(const std::string& path, Mode mode) {
  if (mode == Mode::kReplace) {
    std::filesystem::remove(path);
    std::filesystem::remove(path + "-journal");
  }
  const int flags = mode == Mode::kReplace ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READWRITE;
  sqlite3* connection = nullptr;
  const int result = sqlite3_open_v2(path.c_str(), &connection, flags, nullptr);
  connection_.reset(connection);
  if (result != SQLITE_OK) throw_error(connection, path);
  // Room for the whole database, so that a query reads each page once.
  run("PRAGMA cache_size = -65536");
}

void Database::run(const char* sql) {
  if (sqlite3_exec(handle(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) throw_error(handle(), sql);
}

Statement::Statement(Database& database, std::string_view sql) : database_(database) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database.handle(), sql.data(), static_cast<int>(sql.size()), &statement, nullptr) !=
      SQLITE_OK) {
    throw_error(database.handle(), sql);
  }
  statement_.reset(statement);
}

void Statement::bind(int parameter, std::string_view text) {
  if (sqlite3_bind_text(statement_.get(), parameter, text.data(), static_cast<int>(text.size()), SQLITE_STATIC) !=
      SQLITE_OK) {
    throw_error(database_.handle(), "bind");
  }
}

void Statement::bind(int parameter, std::int64_t number) {
  if (sqlite3_bind_int64(statement_.get(), parameter, number) != SQLITE_OK) throw_error(database_.handle(), "bind");
}

bool Statement::step() {
  const int result = sqlite3_step(statement_.get());
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  throw_error(database_.handle(), "query");
}

void Statement::reset() { sqlite3_reset(statement_.get()); }

std::string Statement::text(int column) const {
  const unsigned char* text = sqlite3_column_text(statement_.get(), column);
  if (text == nullptr) return {};
  return {reinterpret_cast<const char*>(text),
          static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

bool Statement::is_number(int column) const {
  const int type = sqlite3_column_type(statement_.get(), column);
  return type == SQLITE_INTEGER || type == SQLITE_FLOAT;
}

}  // namespace registry
