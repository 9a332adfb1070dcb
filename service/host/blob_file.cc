#include "service/host/blob_file.h"

#include <fcntl.h>
#include <sqlite3.h>

#include <cerrno>

#include "base/file.h"

namespace coffer::service {
namespace {

using Statement = std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)>;

Statement prepare(sqlite3* database, const char* text) {
  sqlite3_stmt* statement = nullptr;
  sqlite3_prepare_v2(database, text, -1, &statement, nullptr);
  return {statement, &sqlite3_finalize};
}

bool bind(sqlite3_stmt* statement, int place, const std::string& text) {
  return sqlite3_bind_text(statement, place, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT) == SQLITE_OK;
}

}  // namespace

struct BlobFile::State {
  sqlite3* database = nullptr;
  std::string path;
  std::mutex mutex;

  ~State() { sqlite3_close(database); }
  [[nodiscard]] bool run(const char* text) const {
    return sqlite3_exec(database, text, nullptr, nullptr, nullptr) == SQLITE_OK;
  }
  [[nodiscard]] std::unexpected<Error> failed(const char* what) const {
    return fail(ErrorKind::kSystem, path + ": " + what + ": " + sqlite3_errmsg(database));
  }
  [[nodiscard]] bool change(const BlobChange& one) const;
};

bool BlobFile::State::change(const BlobChange& one) const {
  const Statement statement = prepare(database, one.blob ? "INSERT OR REPLACE INTO blobs(name, blob) VALUES(?1, ?2)"
                                                         : "DELETE FROM blobs WHERE name = ?1");
  if (statement == nullptr || !bind(statement.get(), 1, one.name)) return false;
  if (one.blob) {
    // An empty vector's null pointer would bind NULL.
    const int bound = one.blob->empty()
                          ? sqlite3_bind_zeroblob(statement.get(), 2, 0)
                          : sqlite3_bind_blob64(statement.get(), 2, one.blob->data(), one.blob->size(), SQLITE_STATIC);
    if (bound != SQLITE_OK) return false;
  }
  return sqlite3_step(statement.get()) == SQLITE_DONE;
}

BlobFile::BlobFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
BlobFile::BlobFile(BlobFile&&) noexcept = default;
BlobFile& BlobFile::operator=(BlobFile&&) noexcept = default;
BlobFile::~BlobFile() = default;

Result<BlobFile> BlobFile::open(const std::filesystem::path& path) {
  // SQLite would make it readable for others.
  const FileDescriptor made(::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  if (!made) return system_error(path.string() + ": cannot be opened", errno);
  auto state = std::make_unique<State>();
  state->path = path.string();
  if (sqlite3_open_v2(path.c_str(), &state->database, SQLITE_OPEN_READWRITE, nullptr) != SQLITE_OK) {
    return state->failed("cannot be opened");
  }
  // EXCLUSIVE: held from the first write, so that two services never share a store.
  if (!state->run(
          "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; PRAGMA journal_mode = DELETE;"
          "BEGIN EXCLUSIVE; CREATE TABLE IF NOT EXISTS blobs(name TEXT PRIMARY KEY, blob BLOB NOT NULL) WITHOUT ROWID;"
          "COMMIT")) {
    return state->failed(sqlite3_errcode(state->database) == SQLITE_BUSY ? "another service uses this store"
                                                                         : "is no store of a service");
  }
  return BlobFile(std::move(state));
}

Result<std::optional<std::vector<std::byte>>> BlobFile::get(const std::string& name) {
  const std::lock_guard lock(state_->mutex);
  const Statement statement = prepare(state_->database, "SELECT blob FROM blobs WHERE name = ?1");
  if (statement == nullptr || !bind(statement.get(), 1, name)) return state_->failed("cannot be read");
  const int step = sqlite3_step(statement.get());
  if (step == SQLITE_DONE) return std::nullopt;
  if (step != SQLITE_ROW) return state_->failed("cannot be read");
  const auto* bytes = static_cast<const std::byte*>(sqlite3_column_blob(statement.get(), 0));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement.get(), 0));
  return std::vector<std::byte>(bytes, bytes + size);
}

Result<void> BlobFile::apply(const std::vector<BlobChange>& changes) {
  const std::lock_guard lock(state_->mutex);
  if (!state_->run("BEGIN EXCLUSIVE")) return state_->failed("cannot be written");
  for (const BlobChange& one : changes) {
    if (state_->change(one)) continue;
    auto error = state_->failed("cannot be written");
    (void)state_->run("ROLLBACK");
    return error;
  }
  if (state_->run("COMMIT")) return {};
  auto error = state_->failed("cannot be written");
  (void)state_->run("ROLLBACK");
  return error;
}

}  // namespace coffer::service
