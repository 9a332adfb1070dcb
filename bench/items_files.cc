// Files of an encrypted mount against what they cannot do without: AES-GCM of the same bytes and the host's file I/O,
// done by the same binary outside. The files lie in memory where the machine has a place for that (/dev/shm): a disk
// would be the same for both sides, and make every ratio look better.
#include <unistd.h>

#include <cstdlib>

#include "bench/items.h"

namespace coffer::bench {

namespace {

constexpr double kMicrosecond = 1e3;
constexpr std::uint64_t kFileSize = std::uint64_t{32} << 20;  // four times what the mount keeps in its cache
constexpr const char* kInside = "/sealed";

// Removed with this object.
class Folder {
 public:
  explicit Folder(const Workshop& workshop) {
    for (const std::filesystem::path& place : {std::filesystem::path("/dev/shm"), workshop.folder()}) {
      std::string name = (place / "coffer-bench-XXXXXX").string();
      if (::mkdtemp(name.data()) == nullptr) continue;
      path_ = name;
      return;
    }
  }
  ~Folder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

struct Shape {
  std::uint64_t block_size;
  std::string name;
  double reach;
};

class FileItem {
 public:
  static Result<std::vector<Row>> measure(Bench& bench) {
    const Folder folder(bench.workshop());
    if (folder.path().empty()) return fail(ErrorKind::kSystem, "there is no place for the encrypted files");
    auto image = make_image(bench.workshop(), {.name = "files", .encrypted_mount = kInside});
    if (!image) return std::unexpected(image.error());
    auto loaded = load(image->path);
    if (!loaded) return std::unexpected(loaded.error());
    const auto sealed = folder.path() / "sealed";
    std::filesystem::create_directory(sealed);
    auto inside = Worker::inside(std::move(*loaded), bench.workshop().folder(),
                                 {{.host = sealed, .enclave = kInside, .key = std::nullopt}});
    auto outside = Worker::outside();
    if (!inside || !outside) return std::unexpected(inside ? outside.error() : inside.error());
    FileItem item(bench, **inside, **outside, folder.path());
    for (const Shape& shape : {Shape{64 << 10, "64 KiB", 0.6}, Shape{4 << 10, "4 KiB", 0.4}}) {
      if (auto measured = item.measure(shape); !measured) return std::unexpected(measured.error());
    }
    if (auto measured = item.measure_cached(); !measured) return std::unexpected(measured.error());
    return item.rows_;
  }

 private:
  FileItem(Bench& bench, Worker& inside, Worker& outside, std::filesystem::path folder)
      : bench_(bench), inside_(inside), outside_(outside), folder_(std::move(folder)) {}

  // Reads come before writes at random, which take a file's blocks apart.
  Result<void> measure(const Shape& shape) {
    for (const std::string how : {"write", "read", "read-random"}) {
      if (auto compared = compare(shape, how); !compared) return compared;
    }
    return compare(shape, "write-random");
  }

  // Random reads of the whole file find no block in the mount's cache; these find all. Reported only.
  Result<void> measure_cached() {
    auto measured = compare({4 << 10, "4 KiB", 0}, "read-part");
    if (measured) rows_.back().reach.clear();
    return measured;
  }

  Result<void> compare(const Shape& shape, const std::string& how) {
    const std::string size = " " + std::to_string(shape.block_size) + " ";
    const std::string file = "file-" + std::to_string(shape.block_size);
    const auto each = [&](Worker& worker, const std::string& kind, const std::string& place) -> Result<double> {
      auto all = worker.ask(kind + how + size + place + "/" + file);
      const std::uint64_t blocks = kFileSize / shape.block_size;
      return all ? Result<double>(*all / static_cast<double>(blocks)) : all;
    };
    const auto ours = [&] { return each(inside_, "file-", kInside); };
    const auto theirs = [&] { return each(outside_, "gcm-file-", folder_.string()); };
    // The first two times a file grows.
    for (int i = 0; i < 2; ++i) {
      const auto first = ours();
      const auto second = theirs();
      if (!first || !second) return std::unexpected(first ? second.error() : first.error());
    }
    const auto best = sample_by_turns(bench_.budget(1.5), ours, theirs);
    if (!best) return std::unexpected(best.error());
    const bool at_random = !how.ends_with("read") && !how.ends_with("write");
    const std::string name = "encrypted file, " + shape.name + (at_random ? " random " : " ") +
                             how.substr(0, how.find('-')) + (how.ends_with("-part") ? ", cached" : "");
    Row row = compare_speed(name, "us", best->ours / kMicrosecond, best->theirs / kMicrosecond, shape.reach);
    row.counterpart_name = "AES-GCM + host file I/O";
    rows_.push_back(row);
    return {};
  }

  Bench& bench_;
  Worker& inside_;
  Worker& outside_;
  std::filesystem::path folder_;
  std::vector<Row> rows_;
};

}  // namespace

std::vector<Item> file_items() {
  return {{"encrypted files", [](Bench& bench) { return FileItem::measure(bench); }}};
}

}  // namespace coffer::bench
