#include "base/file.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace coffer {

void FileDescriptor::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Result<std::vector<std::byte>> read_file(const std::filesystem::path& path, std::size_t limit) {
  FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return system_error("cannot open " + path.string(), errno);
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return system_error("cannot read " + path.string(), errno);
  if (S_ISDIR(status.st_mode)) return input_error(path.string() + " is a directory, a file is needed");
  if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) {  // without end, or as large as a disk
    return input_error(path.string() + " is a device, a file is needed");
  }
  if (static_cast<std::uint64_t>(status.st_size) > limit) return input_error(path.string() + " is too large");

  std::vector<std::byte> content(static_cast<std::size_t>(status.st_size));
  std::size_t filled = 0;
  while (true) {
    if (filled == content.size()) {  // a pipe, or a file that grows: make room until the end is seen
      if (filled > limit) return input_error(path.string() + " is too large");
      content.resize(filled + 65536);
    }
    ssize_t got = ::read(fd.get(), content.data() + filled, content.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("cannot read " + path.string(), errno);
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  content.resize(filled);
  return content;
}

namespace {

Result<void> write_whole(int fd, ByteView content, const std::filesystem::path& path) {
  while (!content.empty()) {
    ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_error("cannot write " + path.string(), errno);
    content = content.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace

Result<void> write_file_atomically(const std::filesystem::path& path, ByteView content, unsigned mode) {
  std::string temporary = path.string() + ".XXXXXX";
  FileDescriptor fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return system_error("cannot write " + path.string(), errno);
  auto give_up = [&](Result<void> why) {
    ::unlink(temporary.c_str());
    return why;
  };
  if (auto written = write_whole(fd.get(), content, path); !written) return give_up(written);
  if (::fchmod(fd.get(), mode) != 0 || ::fsync(fd.get()) != 0 || ::rename(temporary.c_str(), path.c_str()) != 0) {
    return give_up(system_error("cannot write " + path.string(), errno));
  }
  auto folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  FileDescriptor folder_fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder_fd || ::fsync(folder_fd.get()) != 0) return system_error("cannot sync " + folder.string(), errno);
  return {};
}

Result<std::filesystem::path> state_directory() {
  std::filesystem::path directory;
  if (const char* home = std::getenv("COFFER_HOME"); home != nullptr && *home != '\0') {
    directory = home;
  } else if (const char* data = std::getenv("XDG_DATA_HOME"); data != nullptr && *data != '\0') {
    directory = std::filesystem::path(data) / "coffer";
  } else {
    const char* user_home = std::getenv("HOME");
    const passwd* entry = user_home == nullptr ? ::getpwuid(::getuid()) : nullptr;
    if (entry != nullptr) user_home = entry->pw_dir;
    if (user_home == nullptr) return input_error("no home directory: set COFFER_HOME");
    directory = std::filesystem::path(user_home) / ".local/share/coffer";
  }
  std::error_code error;
  bool existed = std::filesystem::exists(directory, error);
  std::filesystem::create_directories(directory, error);
  if (error) return system_error("cannot make the state directory " + directory.string(), error.value());
  if (!existed && ::chmod(directory.c_str(), 0700) != 0) {
    return system_error("cannot protect the state directory " + directory.string(), errno);
  }
  return directory;
}

}  // namespace coffer
