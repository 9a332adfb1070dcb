// The measured program, inside an enclave and outside, and the images that are made of it.
#pragma once

#include <coffer/host.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace coffer::bench {

// A folder of its own under /tmp, removed with this object. Coffer's state goes there too, so that measuring leaves
// nothing behind.
class Workshop {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Workshop>> make();
  ~Workshop();
  Workshop(const Workshop&) = delete;
  Workshop& operator=(const Workshop&) = delete;
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

 private:
  explicit Workshop(std::filesystem::path folder) : folder_(std::move(folder)) {}
  std::filesystem::path folder_;
};

// Beside the running program.
[[nodiscard]] std::filesystem::path measured_program();
[[nodiscard]] std::filesystem::path program_beside(const std::string& name);

struct ImageWish {
  std::string name;               // of the file in the workshop
  std::uint64_t heap = 64 << 20;  // bytes
  bool debug = false;
  std::string program;            // beside the running one; empty: the measured program
  std::vector<std::string> bind;  // network patterns
  std::string encrypted_mount;    // where one is; empty: nowhere
  std::uint64_t fill_to = 0;      // measured bytes: a file of the image makes up the difference
};
struct MadeImage {
  std::filesystem::path path;
  std::uint64_t measured_bytes = 0;
};
// Signs with a key of this run. The image declares the plain mount /host.
[[nodiscard]] Result<MadeImage> make_image(const Workshop& workshop, const ImageWish& wish);

// An enclave and, on the rung `process`, the processes of its cell.
struct Loaded {
  Enclave enclave;
  std::vector<pid_t> cell;
};
[[nodiscard]] Result<Loaded> load(const std::filesystem::path& image, const LoadOptions& options = {});

// `bench-program work`, which answers lines. Not thread-safe.
class Worker {
 public:
  // `folder` is mounted at /host, and what else is to be.
  [[nodiscard]] static Result<std::unique_ptr<Worker>> inside(Loaded loaded, const std::filesystem::path& folder,
                                                              std::vector<Mount> mounts = {});
  [[nodiscard]] static Result<std::unique_ptr<Worker>> outside();
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Has the program do one piece of work; nanoseconds by its own clock.
  [[nodiscard]] Result<double> ask(const std::string& work);
  [[nodiscard]] std::vector<pid_t> cell() const { return loaded_ ? loaded_->cell : std::vector<pid_t>{}; }

 private:
  Worker() = default;
  [[nodiscard]] Result<std::string> read_line();
  FileDescriptor requests_, answers_;        // our ends
  FileDescriptor program_in_, program_out_;  // the enclave's ends, which this process holds
  std::optional<Loaded> loaded_;
  pid_t process_ = 0;
  std::string received_;
};

// Nanoseconds of one tick of the time stamp counter.
[[nodiscard]] double nanoseconds_per_tick();

}  // namespace coffer::bench
