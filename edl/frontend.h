// From a file's name to a checked interface: finds files, reads imports, checks.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "edl/ast.h"
#include "edl/options.h"

namespace coffer::edl {

// One compilation; files that several others import are read once. Not thread-safe.
class FrontEnd {
 public:
  // The text of a file, or nothing where there is none that can be read.
  using Reader = std::function<std::optional<std::string>(const std::string& path)>;
  // Told each file's path before it is read.
  using Observer = std::function<void(const std::string& path)>;

  FrontEnd(const Options& options, Diagnostics& diagnostics, Reader reader = read_file, Observer observer = {})
      : options_(options), diagnostics_(diagnostics), reader_(std::move(reader)), observer_(std::move(observer)) {}

  // Null: errors were reported. `name` is looked for as it is, in the search paths in their order, and for imports in
  // the importing file's folder at last.
  [[nodiscard]] std::shared_ptr<const Interface> load(const std::string& name);

  // Regular files of up to 16 MiB.
  [[nodiscard]] static std::optional<std::string> read_file(const std::string& path);

 private:
  [[nodiscard]] std::shared_ptr<const Interface> load(const std::string& name, const Place& place);
  struct Found {
    std::string path, text;
  };
  [[nodiscard]] std::optional<Found> find(const std::string& name, const Place& place) const;

  const Options& options_;
  Diagnostics& diagnostics_;
  Reader reader_;
  Observer observer_;
  std::map<std::string, std::shared_ptr<const Interface>> known_;  // by path
  std::vector<std::string> importing_;                             // paths, outermost first
};

}  // namespace coffer::edl
