// <sgx_tprotected_fs.h>: files that stand in memory while they are open (protected_format.h has how they are kept).
#include "compat/sgxsdk/include/sgx_tprotected_fs.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>

#include "base/secret.h"
#include "compat/sgxsdk/enclave/protected_format.h"

// What sgx_tprotected_fs.edl makes, in the enclave's own generated code.
extern "C" {
sgx_status_t coffer_protected_size(std::int32_t* result, const char* name, std::uint64_t* size);
sgx_status_t coffer_protected_read(std::int32_t* result, const char* name, std::uint64_t offset, std::uint8_t* bytes,
                                   std::uint64_t size);
sgx_status_t coffer_protected_write(std::int32_t* result, const char* name, std::uint64_t offset,
                                    const std::uint8_t* bytes, std::uint64_t size);
sgx_status_t coffer_protected_replace(std::int32_t* result, const char* name);
sgx_status_t coffer_protected_remove(std::int32_t* result, const char* name);
}

namespace coffer::sgxsdk {
namespace {

using Bytes = std::vector<std::uint8_t>;
constexpr std::uint64_t kPiece = 256 * 1024;  // of a file, for each OCALL

// Secrets that are wiped wherever their owner ends or grows.
struct Content {
  Content() = default;
  ~Content() { wipe(bytes.data(), bytes.size()); }
  Content(const Content&) = delete;
  Content& operator=(const Content&) = delete;
  void grow(std::size_t size) {
    if (size > bytes.capacity()) {
      Bytes larger;
      larger.reserve(std::max(size, 2 * bytes.capacity()));
      larger.assign(bytes.begin(), bytes.end());
      wipe(bytes.data(), bytes.size());
      bytes = std::move(larger);
    }
    bytes.resize(size);
  }
  Bytes bytes;
};

// 0, or what went wrong: an errno of the application's, EIO where the call itself failed. The host's word: bounded. By
// reference, since the call that fills it stands beside it among the arguments.
int outcome(sgx_status_t called, const std::int32_t& result) {
  if (called != SGX_SUCCESS || result < 0 || result > 4095) return EIO;
  return result;
}

int load(const char* name, Bytes& file) {
  std::int32_t result = 0;
  std::uint64_t size = 0;
  if (const int error = outcome(coffer_protected_size(&result, name, &size), result); error != 0) return error;
  if (size > kMostProtected + sizeof(ProtectedHeader)) return EFBIG;
  file.resize(size);
  for (std::uint64_t at = 0; at < size; at += kPiece) {
    const std::uint64_t piece = std::min(kPiece, size - at);
    const sgx_status_t called = coffer_protected_read(&result, name, at, file.data() + at, piece);
    if (const int error = outcome(called, result); error != 0) return error;
  }
  return 0;
}

int store(const char* name, const Bytes& file) {
  std::int32_t result = 0;
  for (std::uint64_t at = 0; at < file.size(); at += kPiece) {
    const std::uint64_t piece = std::min<std::uint64_t>(kPiece, file.size() - at);
    const sgx_status_t called = coffer_protected_write(&result, name, at, file.data() + at, piece);
    if (const int error = outcome(called, result); error != 0) return error;
  }
  return outcome(coffer_protected_replace(&result, name), result);
}

struct Mode {
  bool read = false, write = false, append = false, create = false, truncate = false;
};
std::optional<Mode> mode_of(const char* text) {
  Mode mode;
  switch (*text) {
    case 'r':
      mode.read = true;
      break;
    case 'w':
      mode.write = mode.create = mode.truncate = true;
      break;
    case 'a':
      mode.write = mode.append = mode.create = true;
      break;
    default:
      return std::nullopt;
  }
  for (++text; *text != '\0'; ++text) {
    if (*text == '+') {
      mode.read = mode.write = true;
    } else if (*text != 'b') {
      return std::nullopt;
    }
  }
  return mode;
}

struct File {
  ~File() { wipe(&key, sizeof(key)); }

  std::mutex lock;
  std::string name;
  Mode mode;
  FileKey key;
  Content content;
  std::uint64_t position = 0;
  bool dirty = false, ended = false;
  int error = 0;

  // 0 or why not.
  int save() {
    if (!dirty) return 0;
    Bytes file;
    if (const sgx_status_t status = protect(key, name, content.bytes, file); status != SGX_SUCCESS) return status;
    const int failed = store(name.c_str(), file);
    dirty = failed != 0;
    return failed;
  }
};

int find_key(const ProtectedHeader* header, const sgx_key_128bit_t* given, FileKey& key) {
  if (given != nullptr) {
    std::memcpy(key.value, *given, sizeof(key.value));
    // A sealed file's key that was exported: the file stays its enclave's.
    if (header != nullptr && header->key_kind == KeyKind::kSealed) {
      key.kind = KeyKind::kSealed;
      key.cpu_svn = header->cpu_svn;
      key.isv_svn = header->isv_svn;
      key.key_id = header->key_id;
    }
    return 0;
  }
  if (header == nullptr) return make_sealed_key(key);
  if (header->key_kind == KeyKind::kGiven) return SGX_ERROR_MAC_MISMATCH;
  return key_of(*header, key) == SGX_SUCCESS ? 0 : SGX_ERROR_MAC_MISMATCH;
}

int open_existing(File& file, const Bytes& stored, const sgx_key_128bit_t* key) {
  ProtectedHeader header;
  if (const sgx_status_t status = read_header(stored, file.name, header); status != SGX_SUCCESS) return status;
  if (const int error = find_key(&header, key, file.key); error != 0) return error;
  return unprotect(file.key, file.name, stored, file.content.bytes);
}

int open_file(File& file, const sgx_key_128bit_t* key) {
  Bytes stored;
  const int found = load(file.name.c_str(), stored);
  if (found != 0 && (found != ENOENT || !file.mode.create)) return found;
  if (found == 0 && !file.mode.truncate) return open_existing(file, stored, key);
  file.dirty = true;  // it exists from now on, empty
  return find_key(nullptr, key, file.key);
}

File* open(const char* name, const char* text, const sgx_key_128bit_t* key) {
  const auto mode = name == nullptr || *name == '\0' || text == nullptr ? std::nullopt : mode_of(text);
  if (!mode) {
    errno = EINVAL;
    return nullptr;
  }
  try {
    auto file = std::make_unique<File>();
    file->name = name;
    file->mode = *mode;
    errno = open_file(*file, key);
    if (errno != 0) return nullptr;
    if (mode->append) file->position = file->content.bytes.size();
    return file.release();
  } catch (const std::bad_alloc&) {
    errno = ENOMEM;
    return nullptr;
  }
}

// Runs `work` on an open file; `otherwise` for NULL, and where memory is out.
template <class Value, class Work>
Value with(SGX_FILE* stream, Value otherwise, Work work) {
  if (stream == nullptr) {
    errno = EINVAL;
    return otherwise;
  }
  auto& file = *static_cast<File*>(stream);
  const std::scoped_lock guard(file.lock);
  try {
    return work(file);
  } catch (const std::bad_alloc&) {
    file.error = ENOMEM;
    return otherwise;
  }
}

bool fits(std::size_t size, std::size_t count) { return size == 0 || count <= kMostProtected / size; }

std::int32_t flush(File& file) {
  if (const int failed = file.save(); failed != 0) {
    file.error = failed;
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace coffer::sgxsdk

using namespace coffer::sgxsdk;

extern "C" {

SGX_FILE* sgx_fopen(const char* filename, const char* mode, const sgx_key_128bit_t* key) {
  return open(filename, mode, key);
}
SGX_FILE* sgx_fopen_auto_key(const char* filename, const char* mode) { return open(filename, mode, nullptr); }
SGX_FILE* sgx_fopen_ex(const char* filename, const char* mode, const sgx_key_128bit_t* key, const uint64_t) {
  return open(filename, mode, key);
}

size_t sgx_fwrite(const void* ptr, size_t size, size_t count, SGX_FILE* stream) {
  return with(stream, size_t{0}, [&](File& file) -> size_t {
    if (ptr == nullptr || size == 0 || count == 0 || !file.mode.write || !fits(size, count)) {
      file.error = EINVAL;
      return 0;
    }
    if (file.mode.append) file.position = file.content.bytes.size();
    const std::uint64_t end = file.position + size * count;
    if (end > kMostProtected) {
      file.error = EFBIG;
      return 0;
    }
    if (end > file.content.bytes.size()) file.content.grow(end);
    std::memcpy(file.content.bytes.data() + file.position, ptr, size * count);
    file.position = end;
    file.dirty = true;
    return count;
  });
}

size_t sgx_fread(void* ptr, size_t size, size_t count, SGX_FILE* stream) {
  return with(stream, size_t{0}, [&](File& file) -> size_t {
    if (ptr == nullptr || size == 0 || count == 0 || !file.mode.read || !fits(size, count)) {
      file.error = EINVAL;
      return 0;
    }
    const std::uint64_t left = file.content.bytes.size() - file.position;
    const std::uint64_t elements = std::min<std::uint64_t>(count, left / size);
    if (elements < count) file.ended = true;
    if (elements != 0) std::memcpy(ptr, file.content.bytes.data() + file.position, elements * size);
    file.position += elements * size;
    return elements;
  });
}

int64_t sgx_ftell(SGX_FILE* stream) {
  return with(stream, int64_t{-1}, [](File& file) { return static_cast<int64_t>(file.position); });
}

int32_t sgx_fseek(SGX_FILE* stream, int64_t offset, int origin) {
  return with(stream, int32_t{-1}, [&](File& file) -> int32_t {
    const auto size = static_cast<int64_t>(file.content.bytes.size());
    const int64_t from = origin == SEEK_SET ? 0 : origin == SEEK_CUR ? static_cast<int64_t>(file.position) : size;
    const bool known = origin == SEEK_SET || origin == SEEK_CUR || origin == SEEK_END;
    // Written so that nothing overflows, whatever the offset.
    if (!known || offset < -from || offset > size - from) {
      file.error = EINVAL;
      return -1;
    }
    file.position = static_cast<std::uint64_t>(from + offset);
    file.ended = false;
    return 0;
  });
}

int32_t sgx_fflush(SGX_FILE* stream) { return with(stream, int32_t{1}, flush); }
int32_t sgx_fclear_cache(SGX_FILE* stream) { return with(stream, int32_t{1}, flush); }
int32_t sgx_ferror(SGX_FILE* stream) {
  return with(stream, int32_t{-1}, [](File& file) { return static_cast<int32_t>(file.error); });
}
int32_t sgx_feof(SGX_FILE* stream) {
  return with(stream, int32_t{-1}, [](File& file) { return file.ended ? int32_t{1} : int32_t{0}; });
}
void sgx_clearerr(SGX_FILE* stream) {
  (void)with(stream, 0, [](File& file) {
    file.error = 0;
    file.ended = false;
    return 0;
  });
}
int32_t sgx_fclose(SGX_FILE* stream) {
  const int32_t result = with(stream, int32_t{1}, flush);
  delete static_cast<File*>(stream);
  return result;
}

int32_t sgx_remove(const char* filename) {
  if (filename == nullptr) return 1;
  int32_t result = 0;
  errno = outcome(coffer_protected_remove(&result, filename), result);
  return errno == 0 ? 0 : 1;
}

int32_t sgx_fexport_auto_key(const char* filename, sgx_key_128bit_t* key) {
  if (key == nullptr) return 1;
  const std::unique_ptr<File> file(open(filename, "r", nullptr));
  if (file == nullptr) return 1;
  std::memcpy(*key, file->key.value, sizeof(*key));
  return 0;
}

int32_t sgx_fimport_auto_key(const char* filename, const sgx_key_128bit_t* key) {
  if (key == nullptr) return 1;
  const std::unique_ptr<File> file(open(filename, "r+", key));
  if (file == nullptr) return 1;
  if (make_sealed_key(file->key) != SGX_SUCCESS) return 1;
  file->dirty = true;
  return file->save() == 0 ? 0 : 1;
}

}  // extern "C"
