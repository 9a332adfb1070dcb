#include "host/operate/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <optional>

#include "host/operate/places.h"

namespace coffer::operate {

namespace {

constexpr const char* kCurrent = "log";
constexpr const char* kPrevious = "log.1";

std::optional<LogLine> parse_line(std::string_view line) {
  LogLine parsed;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), parsed.ms);
  const auto used = static_cast<std::size_t>(end - line.data());
  if (error != std::errc{} || line.size() < used + 3) return std::nullopt;
  parsed.stream = line[used + 1];
  parsed.text = line.substr(used + 3);
  return parsed;
}

FileDescriptor open_log(const std::filesystem::path& path) {
  return FileDescriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

}  // namespace

void LogWriter::append(char letter, std::string_view text) {
  std::string& partial = streams_[letter == 'e' ? 1 : 0].partial;
  for (const char c : text) {
    if (c != '\n') partial += c;
    if (c != '\n' && partial.size() < kLongestLine) continue;
    write_line(letter, partial);
    partial.clear();
  }
}

void LogWriter::finish() {
  for (Stream& stream : streams_) {
    if (!stream.partial.empty()) write_line(stream.letter, stream.partial);
    stream.partial.clear();
  }
}

void LogWriter::write_line(char letter, std::string_view text) {
  const std::filesystem::path current = folder_ / kCurrent;
  if (file_ && written_ >= limit_ / 2) {
    std::error_code ignored;
    std::filesystem::rename(current, folder_ / kPrevious, ignored);
    file_.reset();
  }
  if (!file_) {
    file_ = FileDescriptor(::open(current.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    written_ = 0;
    if (!file_) return;
  }
  std::string line = std::to_string(now_ms()) + ' ' + letter + ' ';
  line.append(text);
  line += '\n';
  const ssize_t size = ::write(file_.get(), line.data(), line.size());
  if (size > 0) written_ += static_cast<std::uint64_t>(size);
}

void LogReader::take(FileDescriptor& file, const std::function<void(const LogLine&)>& visit) {
  std::array<char, 65536> piece{};
  while (true) {
    const ssize_t got = ::read(file.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    partial_.append(piece.data(), static_cast<std::size_t>(got));
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = partial_.find('\n', begin)) != std::string::npos; begin = end + 1) {
      if (const auto line = parse_line(std::string_view(partial_).substr(begin, end - begin))) visit(*line);
    }
    partial_.erase(0, begin);
  }
}

void LogReader::read(const std::function<void(const LogLine&)>& visit) {
  if (!begun_) {
    begun_ = true;
    if (auto previous = open_log(folder_ / kPrevious)) take(previous, visit);
  }
  if (file_) {
    take(file_, visit);
    struct stat mine{};
    struct stat current{};
    const bool same = ::fstat(file_.get(), &mine) == 0 && ::stat((folder_ / kCurrent).c_str(), &current) == 0 &&
                      mine.st_ino == current.st_ino;
    if (same) return;
    take(file_, visit);  // what came between the last read and the change
    file_.reset();
    partial_.clear();
  }
  file_ = open_log(folder_ / kCurrent);
  if (file_) take(file_, visit);
}

}  // namespace coffer::operate
