// coffer sign: from an ordinary static program to a signed enclave image, in one step or two.
#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "base/file.h"
#include "base/hex.h"
#include "base/secret.h"
#include "cli/command_line.h"
#include "cli/verbs.h"
#include "host/image/coffer_image.h"
#include "host/image/settings.h"
#include "host/image/signer.h"
#include "sgx/sigstruct.h"

namespace coffer::cli {
namespace {

struct Options {
  std::string program, key, config, output, signature, public_key, kernel, date;
  std::string heap_max, stack;
  std::optional<std::uint32_t> threads, svn, product_id;
  bool debug = false, print_digest = false;

  [[nodiscard]] bool changes_settings() const {
    return !config.empty() || !heap_max.empty() || !stack.empty() || threads || svn || product_id || debug;
  }
};

// The image before its signature.
struct Prepared {
  std::vector<std::byte> file;
  std::string system_calls;  // how many sites are patched; empty where the image was made before
  std::string cpuid;         // as system_calls
};

Result<sgx::SigningKey> read_key(const std::string& path) {
  constexpr std::size_t kLimit = 1 << 16;
  auto content = read_file(path, kLimit);
  if (!content) return std::unexpected(content.error());
  auto key = sgx::SigningKey::from_pem({reinterpret_cast<const char*>(content->data()), content->size()});
  wipe(content->data(), content->size());
  if (!key) return std::unexpected(Error{key.error().kind, path + ": " + key.error().message});
  return key;
}

Result<void> apply_size(const std::string& text, const char* option, std::uint64_t least, std::uint64_t most,
                        std::uint64_t& place) {
  if (text.empty()) return {};
  auto size = image::parse_size(text);
  if (!size) return input_error(fmt::format("{}: {}", option, size.error().message));
  if (*size < least || *size > most)
    return input_error(fmt::format("{} must be from {} to {} bytes", option, least, most));
  place = *size;
  return {};
}

// coffer.toml, then the options over it.
Result<image::Settings> settings_of(const Options& options) {
  image::Settings settings;
  if (!options.config.empty()) {
    auto read = image::read_settings(options.config);
    if (!read) return read;
    settings = std::move(*read);
  }
  auto heap = apply_size(options.heap_max, "--heap-max", image::kMinHeap, image::kMaxHeap, settings.heap_max);
  if (!heap) return std::unexpected(heap.error());
  auto stack = apply_size(options.stack, "--stack", image::kMinStack, image::kMaxStack, settings.stack);
  if (!stack) return std::unexpected(stack.error());
  settings.threads = options.threads.value_or(settings.threads);
  settings.svn = static_cast<std::uint16_t>(options.svn.value_or(settings.svn));
  settings.product_id = static_cast<std::uint16_t>(options.product_id.value_or(settings.product_id));
  settings.debug = settings.debug || options.debug;
  if (auto checked = image::check_settings(settings); !checked) return std::unexpected(checked.error());
  return settings;
}

// The unsigned image of an ELF program.
Result<Prepared> build(const Options& options, ByteView program) {
  auto settings = settings_of(options);
  if (!settings) return std::unexpected(settings.error());
  auto kernel_path =
      options.kernel.empty() ? installed_part("enclave-kernel.elf") : Result<std::filesystem::path>(options.kernel);
  if (!kernel_path) return std::unexpected(kernel_path.error());
  auto kernel = read_file(*kernel_path);
  if (!kernel) return std::unexpected(kernel.error());
  auto files = image::collect_files(*settings);
  if (!files) return std::unexpected(files.error());
  auto date = options.date.empty() ? image::signing_date() : image::parse_date(options.date);
  if (!date) return std::unexpected(date.error());
  auto built = image::build_image({.kernel = *kernel,
                                   .program = program,
                                   .program_name = std::filesystem::path(options.program).filename().string(),
                                   .settings = std::move(*settings),
                                   .files = std::move(*files),
                                   .date = *date});
  if (!built) return std::unexpected(built.error());
  return Prepared{
      std::move(built->file),
      fmt::format("{} of {} places without a trap on software processors", built->sites_patched, built->sites_found),
      fmt::format("{} places, which the enclave's kernel answers on hardware", built->cpuid_sites)};
}

// What there is to sign: an image that was written before, or a new one.
Result<Prepared> load_or_build(const Options& options) {
  auto content = read_file(options.program);
  if (!content || !image::CofferImage::recognises(*content)) {
    return content ? build(options, *content) : std::unexpected(content.error());
  }
  if (options.changes_settings()) {
    return input_error(options.program + " is an image already, its settings are fixed; give the program instead");
  }
  if (auto image = image::CofferImage::parse(*content, options.program); !image) {
    return std::unexpected(image.error());
  }
  return Prepared{std::move(*content), "", ""};
}

void print_result(const Options& options, const Prepared& prepared, const sgx::Sigstruct& sigstruct) {
  std::printf("%s\n  mrenclave   %s\n  mrsigner    %s\n  product id  %u\n  svn         %u\n  debug       %s\n",
              options.output.c_str(), to_hex(bytes_of(sigstruct.enclave_hash.bytes)).c_str(),
              to_hex(bytes_of(sgx::mrsigner_of(sigstruct).bytes)).c_str(), sigstruct.isv_prod_id, sigstruct.isv_svn,
              (sigstruct.attributes.flags & sgx::attribute::kDebug) != 0 ? "yes: anyone can look inside" : "no");
  if (!prepared.system_calls.empty()) std::printf("  syscalls    %s\n", prepared.system_calls.c_str());
  if (!prepared.cpuid.empty()) std::printf("  cpuid       %s\n", prepared.cpuid.c_str());
}

Result<sgx::Sigstruct> sign_now(const Options& options, std::span<std::byte> file) {
  auto key = read_key(options.key);
  if (!key) return std::unexpected(key.error());
  if (!key->is_private()) return input_error(options.key + " is a public key; --key needs the private one");
  return image::sign_image(file, options.program, *key);
}

Result<sgx::Sigstruct> attach(const Options& options, std::span<std::byte> file) {
  constexpr std::size_t kLimit = 1 << 16;
  auto key = read_key(options.public_key);
  if (!key) return std::unexpected(key.error());
  auto signature = read_file(options.signature, kLimit);
  if (!signature) return std::unexpected(signature.error());
  auto attached = image::attach_signature_to_image(file, options.program, *key, *signature);
  if (!attached && attached.error().kind == ErrorKind::kRefused) {
    return refused(attached.error().message +
                   "; the digest covers the date and all settings: sign the image that "
                   "--print-digest wrote with -o");
  }
  return attached;
}

int print_digest(const Options& options) {
  auto prepared = load_or_build(options);
  if (!prepared) return report(prepared.error());
  auto image = image::CofferImage::parse(prepared->file, options.program);
  if (!image) return report(image.error());
  if (!options.output.empty()) {
    if (auto written = write_file_atomically(options.output, prepared->file); !written) return report(written.error());
  }
  std::printf("%s\n", to_hex(bytes_of(sgx::digest_to_sign(image->sigstruct()))).c_str());
  return 0;
}

// What is wrong with the options together, or "".
std::string_view wrong_options(const Options& options) {
  const bool second_step = !options.signature.empty() || !options.public_key.empty();
  if (options.print_digest) {
    return second_step || !options.key.empty() ? "--print-digest takes no key and no signature" : "";
  }
  if (options.output.empty()) return "-o says where to write the image, and is missing";
  if (second_step && (options.signature.empty() || options.public_key.empty())) {
    return "--signature and --public-key belong together";
  }
  if (second_step == !options.key.empty()) {
    return second_step ? "--key and --signature exclude each other"
                       : "a key is missing: --key FILE (make one with `coffer key new FILE`)";
  }
  return "";
}

int sign(const Options& options) {
  if (auto wrong = wrong_options(options); !wrong.empty()) {
    return report({ErrorKind::kInput, std::string(wrong) + "; see `coffer sign --help`"});
  }
  if (options.print_digest) return print_digest(options);
  auto prepared = load_or_build(options);
  if (!prepared) return report(prepared.error());
  auto sigstruct = options.key.empty() ? attach(options, prepared->file) : sign_now(options, prepared->file);
  if (!sigstruct) return report(sigstruct.error());
  if (auto written = write_file_atomically(options.output, prepared->file); !written) return report(written.error());
  print_result(options, *prepared, *sigstruct);
  return 0;
}

constexpr const char* kExamples =
    "Examples:\n"
    "  coffer sign hello --key signer.pem -o hello.enclave\n"
    "  coffer sign hello --key signer.pem --config coffer.toml --heap-max 96M -o hello.enclave\n"
    "  with a key that lives elsewhere:\n"
    "  coffer sign hello --print-digest -o hello.enclave > digest.hex\n"
    "  xxd -r -p digest.hex | openssl pkeyutl -sign -inkey KEY -pkeyopt digest:sha256 > signature\n"
    "  coffer sign hello.enclave --signature signature --public-key signer.pub -o hello.enclave\n\n"
    "docs/coffer-toml.md lists the settings. $SOURCE_DATE_EPOCH or --date makes images reproducible.";

}  // namespace

void add_sign(CLI::App& app, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* sign_verb = app.add_subcommand("sign", "Make a signed enclave image from a static program");
  sign_verb->footer(kExamples);
  sign_verb->add_option("APP", options->program, "A program linked with -static-pie, or an unsigned image")->required();
  sign_verb->add_option("--key", options->key, "Private key (PEM)")->type_name("FILE");
  sign_verb->add_option("-o,--output", options->output, "The image to write")->type_name("FILE");
  sign_verb->add_option("--config", options->config, "Settings: a coffer.toml; the options below go before it")
      ->type_name("FILE");
  sign_verb->add_option("--heap-max", options->heap_max, "Most memory for heap, mappings and stacks (1G)")
      ->type_name("SIZE");
  sign_verb->add_option("--threads", options->threads, "Threads that can be inside at once (8)")
      ->check(CLI::Range(1u, image::kMaxThreads).description(""))
      ->type_name("N");
  sign_verb->add_option("--stack", options->stack, "Stack of the main thread (8M)")->type_name("SIZE");
  sign_verb->add_option("--svn", options->svn, "Security version (0)")
      ->check(CLI::Range(0u, 65535u).description(""))
      ->type_name("N");
  sign_verb->add_option("--product-id", options->product_id, "Product id (0)")
      ->check(CLI::Range(0u, 65535u).description(""))
      ->type_name("N");
  sign_verb->add_flag("--debug", options->debug, "A debug image: protects nothing, can be debugged");
  sign_verb->add_flag("--print-digest", options->print_digest, "Print the SHA-256 to sign elsewhere, in hex");
  sign_verb->add_option("--signature", options->signature, "The signature made elsewhere (384 bytes)")
      ->type_name("FILE");
  sign_verb->add_option("--public-key", options->public_key, "The key that made it (PEM)")->type_name("FILE");
  sign_verb->add_option("--date", options->date, "Date in the signature, like 2026-11-22 (today)")->type_name("DATE");
  sign_verb->add_option("--kernel", options->kernel, "")->group("");
  sign_verb->callback([options, &status] { status = sign(*options); });
}

}  // namespace coffer::cli
