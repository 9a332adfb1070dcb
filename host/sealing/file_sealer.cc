#include "host/sealing/file_sealer.h"

#include <coffer/host.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.h"
#include "base/hex.h"
#include "host/image/coffer_image.h"
#include "host/image/platform_signer.h"
#include "host/parts.h"
#include "sgx/sigstruct.h"

namespace coffer::host {
namespace {

// As enclave/sealer/main.cc has them.
constexpr int kErrorStatus = 16, kReadStatus = 40, kWriteStatus = 41;

// The sealer's image with this identity, as a file in memory.
Result<FileDescriptor> signed_sealer(const SealerIdentity& identity) {
  auto part = find_part("file-sealer.enclave");
  if (!part) return std::unexpected(part.error());
  auto file = read_file(*part);
  if (!file) return std::unexpected(file.error());
  auto key = identity.signer.empty() ? image::platform_signing_key("sealer") : image::read_signing_key(identity.signer);
  if (!key) return std::unexpected(key.error());
  auto image = image::CofferImage::parse(*file, part->string());
  if (!image) return std::unexpected(image.error());
  sgx::Sigstruct sigstruct = image->sigstruct();
  sigstruct.isv_prod_id = identity.product_id;
  sigstruct.isv_svn = identity.svn;
  image::replace_sigstruct(*file, sigstruct);
  return image::sign_in_memory(*file, part->string(), *key);
}

// A file that takes its name only when it is whole.
class NewFile {
 public:
  [[nodiscard]] static Result<NewFile> make(const std::filesystem::path& path) {
    NewFile file;
    file.path_ = path;
    file.temporary_ = path.string() + ".XXXXXX";
    file.fd_ = FileDescriptor(::mkostemp(file.temporary_.data(), O_CLOEXEC));  // mode 0600
    if (!file.fd_) {
      const int why = errno;
      file.temporary_.clear();
      return system_error("cannot write " + path.string(), why);
    }
    return file;
  }
  NewFile(NewFile&& other) noexcept
      : path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, {})), fd_(std::move(other.fd_)) {}
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile() {
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
  }

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] Result<void> keep() {
    if (::fsync(fd_.get()) != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
      return system_error("cannot write " + path_.string(), errno);
    }
    temporary_.clear();
    const auto folder = path_.has_parent_path() ? path_.parent_path() : std::filesystem::path(".");
    const FileDescriptor folder_fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder_fd || ::fsync(folder_fd.get()) != 0) return system_error("cannot sync " + folder.string(), errno);
    return {};
  }

 private:
  NewFile() = default;
  std::filesystem::path path_;
  std::string temporary_;
  FileDescriptor fd_;
};

Result<FileDescriptor> open_input(const std::filesystem::path& path) {
  FileDescriptor file(path == "-" ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                  : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return system_error("cannot open " + path.string(), errno);
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return system_error("cannot read " + path.string(), errno);
  if (S_ISDIR(status.st_mode)) return input_error(path.string() + " is a directory; a file is needed");
  return file;
}

std::string hex_of(const std::string& text) { return to_hex(std::as_bytes(std::span(text))); }

Result<void> check_data(const std::string& data, std::string_view what) {
  if (data.size() <= kMostData) return {};
  return input_error(std::string(what) + " has " + std::to_string(data.size()) + " bytes; " +
                     std::to_string(kMostData) + " are possible: give a digest of it instead");
}

// The sealer's exit status, from `input` to `output`.
Result<int> run_sealer(const SealerIdentity& identity, std::vector<std::string> arguments, int input, int output) {
  auto image = signed_sealer(identity);
  if (!image) return std::unexpected(image.error());
  auto enclave = Enclave::load("/proc/self/fd/" + std::to_string(image->get()));
  if (!enclave) return fail(ErrorKind::kSystem, "the file sealer does not run: " + enclave.error().message);
  RunOptions run;
  run.arguments = std::move(arguments);
  run.standard_input = input;
  run.standard_output = output;
  auto ended = enclave->run(run);
  if (!ended) return std::unexpected(ended.error());
  if (ended->signal != 0) {
    return fail(ErrorKind::kLost,
                "the file sealer died of signal " + std::to_string(ended->signal) + " " + ended->detail);
  }
  return ended->code;
}

Result<void> outcome_of(int status, const std::filesystem::path& input, const std::filesystem::path& output) {
  if (status == 0) return {};
  if (status == kReadStatus) return fail(ErrorKind::kSystem, "cannot read " + input.string());
  if (status == kWriteStatus) {
    return fail(ErrorKind::kSystem, "cannot write " + output.string() + "; is there room left?");
  }
  const auto error = static_cast<EnclaveError>(status - kErrorStatus);
  switch (error) {
    case EnclaveError::kMalformed:
      return refused(input.string() + ": its end is missing, or it is no sealed file");
    case EnclaveError::kRefused:
      return refused(input.string() +
                     ": not authentic here: it was changed, or sealed with other data, for another signer, product or "
                     "enclave, or on another platform");
    case EnclaveError::kDowngrade:
      return refused(input.string() + ": sealed for a higher security version; see --svn");
    default:
      return fail(ErrorKind::kSystem, input.string() + ": the file sealer failed (status " + std::to_string(status) +
                                          "): " + std::string(status >= kErrorStatus ? describe(error) : ""));
  }
}

}  // namespace

Result<void> seal_file(const SealFile& order) {
  if (auto fits = check_data(order.readable, "the label"); !fits) return fits;
  if (auto fits = check_data(order.bound, "the additional data"); !fits) return fits;
  auto input = open_input(order.input);
  if (!input) return std::unexpected(input.error());
  auto output = NewFile::make(order.output);
  if (!output) return std::unexpected(output.error());
  const char* policy = order.policy == SealPolicy::kMrSigner ? "mrsigner" : "mrenclave";
  auto status = run_sealer(order.identity, {"seal", policy, hex_of(order.readable), hex_of(order.bound)}, input->get(),
                           output->fd());
  if (!status) return std::unexpected(status.error());
  if (auto done = outcome_of(*status, order.input, order.output); !done) return done;
  return output->keep();
}

Result<void> unseal_file(const UnsealFile& order) {
  if (auto fits = check_data(order.bound, "the additional data"); !fits) return fits;
  // Before an enclave is started: whether it is a sealed file at all.
  if (auto info = inspect_sealed_file(order.input); !info) return std::unexpected(info.error());
  auto input = open_input(order.input);
  if (!input) return std::unexpected(input.error());
  auto output = NewFile::make(order.output);
  if (!output) return std::unexpected(output.error());
  auto status = run_sealer(order.identity, {"unseal", hex_of(order.bound)}, input->get(), output->fd());
  if (!status) return std::unexpected(status.error());
  if (auto done = outcome_of(*status, order.input, order.output); !done) return done;
  return output->keep();
}

Result<SealedFileInfo> inspect_sealed_file(const std::filesystem::path& path) {
  auto file = open_input(path);
  if (!file) return std::unexpected(file.error());
  struct stat status{};
  if (::fstat(file->get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return input_error(path.string() + " is not a regular file");
  }
  std::vector<std::byte> front(kSealedStreamHeader + kMostData);
  const ssize_t got = ::pread(file->get(), front.data(), front.size(), 0);
  if (got < 0) return system_error("cannot read " + path.string(), errno);
  front.resize(static_cast<std::size_t>(got));
  auto info = inspect_sealed(front);
  if (!info || !info->stream) {
    return input_error(path.string() + " is not a sealed file, or of a newer version of Coffer, or cut short");
  }
  SealedFileInfo result{.info = *info,
                        .readable = {reinterpret_cast<const char*>(info->readable.data()), info->readable.size()},
                        .file_size = static_cast<std::uint64_t>(status.st_size)};
  result.info.readable = {};
  return result;
}

}  // namespace coffer::host
