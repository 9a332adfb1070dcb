// SQLite, unchanged, on an encrypted mount: through a small VFS of its own that does what the system calls do.
#include <errno.h>
#include <sqlite3.h>

#include <cstring>
#include <new>

#include "enclave/kernel/fs/encrypted/test_support.h"

namespace coffer::kernel::fs::testing {
namespace {

struct SqliteFile {
  sqlite3_file base;
  Ref<File> file;
};

EncryptedFileSystem& system_of(sqlite3_vfs* vfs) { return *static_cast<EncryptedFileSystem*>(vfs->pAppData); }
File& file_of(sqlite3_file* file) { return *reinterpret_cast<SqliteFile*>(file)->file; }

int close_file(sqlite3_file* file) {
  reinterpret_cast<SqliteFile*>(file)->~SqliteFile();
  return SQLITE_OK;
}
int read_file(sqlite3_file* file, void* into, int size, sqlite3_int64 offset) {
  auto count = file_of(file).read_at(static_cast<std::uint64_t>(offset),
                                     {static_cast<std::byte*>(into), static_cast<std::size_t>(size)});
  if (!count) return SQLITE_IOERR_READ;
  if (*count == static_cast<std::size_t>(size)) return SQLITE_OK;
  std::memset(static_cast<std::byte*>(into) + *count, 0, static_cast<std::size_t>(size) - *count);
  return SQLITE_IOERR_SHORT_READ;
}
int write_file(sqlite3_file* file, const void* from, int size, sqlite3_int64 offset) {
  auto count = file_of(file).write_at(static_cast<std::uint64_t>(offset),
                                      {static_cast<const std::byte*>(from), static_cast<std::size_t>(size)});
  return count && *count == static_cast<std::size_t>(size) ? SQLITE_OK : SQLITE_IOERR_WRITE;
}
int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  return file_of(file).truncate(static_cast<std::uint64_t>(size)) ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}
int sync_file(sqlite3_file* file, int) { return file_of(file).sync(false) ? SQLITE_OK : SQLITE_IOERR_FSYNC; }
int file_size(sqlite3_file* file, sqlite3_int64* size) {
  auto status = file_of(file).status();
  if (!status) return SQLITE_IOERR_FSTAT;
  *size = static_cast<sqlite3_int64>(status->size);
  return SQLITE_OK;
}
int no_lock(sqlite3_file*, int) { return SQLITE_OK; }
int check_no_lock(sqlite3_file*, int* result) {
  *result = 0;
  return SQLITE_OK;
}
int no_control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int sector_size(sqlite3_file*) { return 4096; }
int no_characteristics(sqlite3_file*) { return 0; }

const sqlite3_io_methods& methods() {
  static const sqlite3_io_methods table = [] {
    sqlite3_io_methods made{};
    made.iVersion = 1;
    made.xClose = close_file;
    made.xRead = read_file;
    made.xWrite = write_file;
    made.xTruncate = truncate_file;
    made.xSync = sync_file;
    made.xFileSize = file_size;
    made.xLock = no_lock;
    made.xUnlock = no_lock;
    made.xCheckReservedLock = check_no_lock;
    made.xFileControl = no_control;
    made.xSectorSize = sector_size;
    made.xDeviceCharacteristics = no_characteristics;
    return made;
  }();
  return table;
}

int open_file(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  file->pMethods = nullptr;
  const std::string path = name != nullptr ? name : "temporary";
  const int open_flags =
      ((flags & SQLITE_OPEN_READWRITE) != 0 ? O_RDWR : O_RDONLY) | ((flags & SQLITE_OPEN_CREATE) != 0 ? O_CREAT : 0);
  auto opened = system_of(vfs).open(path, open_flags, 0600);
  if (!opened) return SQLITE_CANTOPEN;
  if (name == nullptr) (void)system_of(vfs).remove(path, false);
  new (file) SqliteFile{{&methods()}, std::move(*opened)};
  if (out_flags != nullptr) *out_flags = flags;
  return SQLITE_OK;
}
int delete_file(sqlite3_vfs* vfs, const char* name, int) {
  auto removed = system_of(vfs).remove(name, false);
  if (removed) return SQLITE_OK;
  return removed.error() == ENOENT ? SQLITE_IOERR_DELETE_NOENT : SQLITE_IOERR_DELETE;
}
int access_file(sqlite3_vfs* vfs, const char* name, int, int* result) {
  *result = system_of(vfs).status(name).has_value();
  return SQLITE_OK;
}
int full_path(sqlite3_vfs*, const char* name, int size, char* into) {
  return std::snprintf(into, static_cast<std::size_t>(size), "%s", name) < size ? SQLITE_OK : SQLITE_CANTOPEN;
}

// A database on a mount; the VFS is registered as long as this lives.
class Database {
 public:
  explicit Database(Mount& mount) {
    sqlite3_vfs* standard = sqlite3_vfs_find(nullptr);
    vfs_ = *standard;
    vfs_.iVersion = 1;
    vfs_.szOsFile = sizeof(SqliteFile);
    vfs_.zName = "coffer-test";
    vfs_.pNext = nullptr;
    vfs_.pAppData = mount.operator->();
    vfs_.xOpen = open_file;
    vfs_.xDelete = delete_file;
    vfs_.xAccess = access_file;
    vfs_.xFullPathname = full_path;
    sqlite3_vfs_register(&vfs_, 0);
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    result_ = sqlite3_open_v2("data.db", &database_, flags, vfs_.zName);
    // A small cache, so that pages really go to the mount and come back.
    if (result_ == SQLITE_OK) run("PRAGMA cache_size = 20");
  }
  ~Database() {
    sqlite3_close(database_);
    sqlite3_vfs_unregister(&vfs_);
  }
  bool run(const std::string& sql) {
    if (result_ != SQLITE_OK) return false;
    return sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK;
  }
  // The first column of the first row.
  std::string ask(const std::string& sql) {
    std::string answer;
    const auto take = [](void* into, int count, char** values, char**) {
      if (count > 0 && values[0] != nullptr) *static_cast<std::string*>(into) = values[0];
      return 0;
    };
    const int result = sqlite3_exec(database_, sql.c_str(), take, &answer, nullptr);
    return result == SQLITE_OK ? answer : "error " + std::to_string(result);
  }

 private:
  sqlite3_vfs vfs_{};
  sqlite3* database_ = nullptr;
  int result_ = SQLITE_ERROR;
};

const char* const kMake = "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, batch INTEGER, noise BLOB)";
std::string batch_sql(int batch) {
  return "BEGIN; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20) "
         "INSERT INTO t(batch, noise) SELECT " +
         std::to_string(batch) + ", randomblob(700) FROM n; UPDATE t SET noise = randomblob(650) WHERE id % 17 = " +
         std::to_string(batch % 17) + "; COMMIT";
}

TEST(EncryptedSqlite, RunsQueriesOnAMount) {
  MemoryHostDirectory host;
  EncryptedOptions options;
  options.cache_blocks = 64;
  {
    Mount mount(host, options);
    Database database(mount);
    ASSERT_TRUE(database.run(kMake));
    for (int batch = 0; batch < 100; ++batch) ASSERT_TRUE(database.run(batch_sql(batch)));
    ASSERT_TRUE(database.run("CREATE INDEX by_noise ON t(noise)"));
    ASSERT_TRUE(database.run("DELETE FROM t WHERE id % 3 = 0"));
    ASSERT_TRUE(database.run("VACUUM"));
  }
  Mount mount(host, options);
  Database database(mount);
  EXPECT_EQ(database.ask("PRAGMA integrity_check"), "ok");
  EXPECT_EQ(database.ask("SELECT count(*) FROM t"), std::to_string(2000 - 2000 / 3));
  EXPECT_EQ(mount.names(), std::vector<std::string>{"data.db"});
}

// Whatever the crash, the database is sound; a transaction is there as a whole or not at all.
void crash_databases(bool killed, std::uint64_t step) {
  for (std::uint64_t at = 50; at < 2000; at += step) {
    SCOPED_TRACE("stopped after " + std::to_string(at) + " changes");
    MemoryHostDirectory host;
    int committed = 0;
    {
      host.stop_after(at);
      Mount mount(host);
      ASSERT_EQ(mount.error(), 0);
      Database database(mount);
      for (bool good = database.run(kMake); good && committed < 15; committed += good) {
        good = database.run(batch_sql(committed));
      }
    }
    const bool finished = !host.stopped();
    killed ? host.revive() : host.lose_power(at);
    Mount mount(host);
    ASSERT_EQ(mount.error(), 0);
    Database database(mount);
    ASSERT_TRUE(database.run(kMake));
    ASSERT_EQ(database.ask("PRAGMA integrity_check"), "ok");
    const int rows = std::stoi(database.ask("SELECT count(*) FROM t"));
    ASSERT_EQ(rows % 20, 0);
    // With power lost, the removal of the journal that ended the last transaction may be lost with it.
    ASSERT_GE(rows / 20, killed ? committed : committed - 1);
    ASSERT_LE(rows / 20, committed + 1);
    if (finished) break;
  }
}

TEST(EncryptedSqlite, SurvivesKills) { crash_databases(true, 7); }
TEST(EncryptedSqlite, SurvivesPowerLoss) { crash_databases(false, 5); }

}  // namespace
}  // namespace coffer::kernel::fs::testing
