// coffer key: the RSA-3072 keys that sign enclaves.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>

#include "base/file.h"
#include "base/hex.h"
#include "base/secret.h"
#include "cli/verbs.h"
#include "sgx/sigstruct.h"

namespace coffer::cli {
namespace {

struct Options {
  std::string file;
};

// Written whole under another name first, then linked into place, which fails where the name is taken: no moment shows
// half a key, and no key is ever overwritten.
Result<void> write_new_secret(const std::string& path, std::string_view content) {
  std::string temporary = path + ".XXXXXX";
  FileDescriptor fd(::mkostemp(temporary.data(), O_CLOEXEC));  // mode 0600
  if (!fd) return system_error("cannot write " + path, errno);
  Result<void> result;
  if (::write(fd.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size()) ||
      ::fsync(fd.get()) != 0) {
    result = system_error("cannot write " + path, errno);
  } else if (::link(temporary.c_str(), path.c_str()) != 0) {
    result = errno == EEXIST ? input_error(path + " exists and is not overwritten: choose another name or remove it")
                             : system_error("cannot write " + path, errno);
  }
  ::unlink(temporary.c_str());
  return result;
}

int make_key(const Options& options) {
  struct stat status{};
  if (::lstat(options.file.c_str(), &status) == 0) {  // before the seconds that a key can take
    return report(
        {ErrorKind::kInput, options.file + " exists and is not overwritten: choose another name or remove it"});
  }
  auto key = sgx::SigningKey::generate();
  if (!key) return report(key.error());
  auto pem = key->private_pem();
  if (!pem) return report(pem.error());
  auto written = write_new_secret(options.file, *pem);
  wipe(pem->data(), pem->size());
  if (!written) return report(written.error());
  sgx::Sigstruct sigstruct;
  sigstruct.modulus = key->modulus();
  std::printf("%s: a new signing key, MRSIGNER %s\n", options.file.c_str(),
              to_hex(bytes_of(sgx::mrsigner_of(sigstruct).bytes)).c_str());
  return 0;
}

int print_public_key(const Options& options) {
  constexpr std::size_t kLimit = 1 << 16;
  auto content = read_file(options.file, kLimit);
  if (!content) return report(content.error());
  auto key = sgx::SigningKey::from_pem({reinterpret_cast<const char*>(content->data()), content->size()});
  wipe(content->data(), content->size());
  if (!key) return report({key.error().kind, options.file + ": " + key.error().message});
  auto pem = key->public_pem();
  if (!pem) return report(pem.error());
  std::fputs(pem->c_str(), stdout);
  return 0;
}

}  // namespace

void add_key(CLI::App& app, int& status) {
  CLI::App* key = app.add_subcommand("key", "Make and show keys that sign enclaves");
  key->require_subcommand(1);
  key->footer(
      "Examples:\n  coffer key new signer.pem\n  coffer key public signer.pem > signer.pub\n\n"
      "The key is RSA-3072 with exponent 3, as SGX demands, in PEM, readable by its owner only.");
  auto options = std::make_shared<Options>();
  CLI::App* make = key->add_subcommand("new", "Make a private key");
  make->footer("Example:\n  coffer key new signer.pem");
  make->add_option("FILE", options->file, "Where to write it; must not exist")->required();
  make->callback([options, &status] { status = make_key(*options); });
  CLI::App* show = key->add_subcommand("public", "Print the public part of a key");
  show->footer("Example:\n  coffer key public signer.pem > signer.pub");
  show->add_option("FILE", options->file, "The key, private or public, in PEM")->required();
  show->callback([options, &status] { status = print_public_key(*options); });
}

}  // namespace coffer::cli
