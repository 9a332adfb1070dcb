// The kept output of a detached run: lines with their time and stream, in two files that take turns, so that the newest
// half of the bound at least is always there and the disk use never passes it.
//
// A line in the file is "MILLISECONDS o|e TEXT". A line of the program's that is longer than kLongestLine is cut into
// several.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/result.h"

namespace coffer::operate {

inline constexpr std::uint64_t kLogLimit = std::uint64_t{2} << 20;  // bytes of both files
inline constexpr std::size_t kLongestLine = 8192;

class LogWriter {
 public:
  explicit LogWriter(std::filesystem::path folder, std::uint64_t limit = kLogLimit)
      : folder_(std::move(folder)), limit_(limit) {}
  // What a stream ('o' or 'e') said; may end in the middle of a line. Lines that the disk does not take are lost.
  void append(char stream, std::string_view text);
  // The rest, where the last line has no end.
  void finish();

 private:
  struct Stream {
    char letter;
    std::string partial;
  };
  void write_line(char letter, std::string_view text);

  std::filesystem::path folder_;
  std::uint64_t limit_;
  Stream streams_[2] = {{'o', {}}, {'e', {}}};
  FileDescriptor file_;
  std::uint64_t written_ = 0;
};

struct LogLine {
  std::int64_t ms = 0;
  char stream = 'o';
  std::string text;
};
// Reads what is there, and goes on from there at the next call, across the change of files.
class LogReader {
 public:
  explicit LogReader(std::filesystem::path folder) : folder_(std::move(folder)) {}
  void read(const std::function<void(const LogLine&)>& visit);

 private:
  void take(FileDescriptor& file, const std::function<void(const LogLine&)>& visit);

  std::filesystem::path folder_;
  FileDescriptor file_;
  std::string partial_;
  bool begun_ = false;
};

}  // namespace coffer::operate
