#include <openssl/evp.h>
#include <sqlite3.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

#include "bench/inside/clock.h"
#include "bench/inside/workloads.h"

namespace coffer::bench {

namespace {

constexpr std::size_t kDataSize = std::size_t{64} << 20;
constexpr std::size_t kIntegers = 10'000'000;
constexpr int kRows = 1'000'000;

void require(bool good, const char* what) {
  if (!good) throw std::runtime_error(what);
}

std::vector<unsigned char>& data() {
  static std::vector<unsigned char> bytes = [] {
    std::vector<unsigned char> made(kDataSize);
    std::mt19937_64 random(1);
    for (std::size_t i = 0; i < made.size(); ++i) made[i] = static_cast<unsigned char>(i % 8 == 0 ? random() : i);
    return made;
  }();
  return bytes;
}

using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close(database); }
};
struct FinishStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;
using Statement = std::unique_ptr<sqlite3_stmt, FinishStatement>;

void execute(sqlite3* database, const char* sql) {
  require(sqlite3_exec(database, sql, nullptr, nullptr, nullptr) == SQLITE_OK, "SQLite: a statement failed");
}

Statement prepare(sqlite3* database, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  require(sqlite3_prepare_v2(database, sql, -1, &statement, nullptr) == SQLITE_OK, "SQLite: a statement is wrong");
  return Statement(statement);
}

Database make_database() {
  sqlite3* opened = nullptr;
  require(sqlite3_open(":memory:", &opened) == SQLITE_OK, "SQLite: no database");
  Database database(opened);
  execute(opened,
          "PRAGMA temp_store = MEMORY; CREATE TABLE sale (id INTEGER PRIMARY KEY, shop INTEGER, item TEXT,"
          " price INTEGER); BEGIN");
  Statement insert = prepare(opened, "INSERT INTO sale (shop, item, price) VALUES (?, ?, ?)");
  std::mt19937_64 random(2);
  for (int row = 0; row < kRows; ++row) {
    const std::string item = "item-" + std::to_string(random() % 5000);
    sqlite3_bind_int64(insert.get(), 1, static_cast<sqlite3_int64>(random() % 200));
    sqlite3_bind_text(insert.get(), 2, item.c_str(), -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(insert.get(), 3, static_cast<sqlite3_int64>(random() % 100000));
    require(sqlite3_step(insert.get()) == SQLITE_DONE, "SQLite: a row was not inserted");
    sqlite3_reset(insert.get());
  }
  insert.reset();
  execute(opened, "COMMIT");
  return database;
}

}  // namespace

Ticks sha256_64mb() {
  const auto& bytes = data();
  std::uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  const Ticks start = ticks_now();
  const int done = EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr);
  const Ticks end = ticks_now();
  require(done == 1 && size == 32, "SHA-256 failed");
  return end - start;
}

Ticks aes_gcm_64mb() {
  const auto& bytes = data();
  static std::vector<unsigned char> sealed(kDataSize, 1);
  constexpr unsigned char kKey[32] = {1, 2, 3};
  constexpr unsigned char kNonce[12] = {4, 5, 6};
  unsigned char tag[16];
  int size = 0;
  const Ticks start = ticks_now();
  const CipherContext context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  const bool done =
      EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, kKey, kNonce) == 1 &&
      EVP_EncryptUpdate(context.get(), sealed.data(), &size, bytes.data(), static_cast<int>(bytes.size())) == 1 &&
      EVP_EncryptFinal_ex(context.get(), sealed.data() + size, &size) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, sizeof(tag), tag) == 1;
  const Ticks end = ticks_now();
  require(done, "AES-GCM failed");
  return end - start;
}

Ticks sqlite_query_1m() {
  static const Database database = make_database();
  const Statement query =
      prepare(database.get(), "SELECT count(*), sum(price), max(item) FROM sale WHERE price % 7 <> 0 AND shop < 150");
  const Ticks start = ticks_now();
  const bool found = sqlite3_step(query.get()) == SQLITE_ROW;
  const Ticks end = ticks_now();
  const sqlite3_int64 rows = found ? sqlite3_column_int64(query.get(), 0) : 0;
  require(rows > kRows / 2 && rows < kRows, "SQLite: the query's result is wrong");
  return end - start;
}

Ticks sort_10m() {
  static std::vector<std::uint32_t> integers(kIntegers);
  std::mt19937 random(3);
  for (std::uint32_t& value : integers) value = static_cast<std::uint32_t>(random());
  const Ticks start = ticks_now();
  std::sort(integers.begin(), integers.end());
  const Ticks end = ticks_now();
  require(std::is_sorted(integers.begin(), integers.end()), "the integers are not sorted");
  return end - start;
}

}  // namespace coffer::bench
