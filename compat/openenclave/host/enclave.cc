// Creating and ending enclaves.
#include "compat/openenclave/host/enclave.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openenclave/edger8r/host.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "base/file.h"
#include "compat/openenclave/host/image.h"
#include "compat/openenclave/host/log.h"
#include "compat/openenclave/host/place.h"
#include "compat/openenclave/protocol.h"
#include "host/image/coffer_image.h"
#include "host/parts.h"

namespace coffer::openenclave {
namespace {

constexpr std::uint32_t kDebugFlags = OE_ENCLAVE_FLAG_DEBUG | OE_ENCLAVE_FLAG_DEBUG_AUTO;

struct Request {
  std::string path;
  std::uint32_t flags = 0;
  std::span<const oe_enclave_setting_t> settings;
  std::span<const oe_ocall_func_t> ocalls;
  std::span<const oe_ecall_info_t> ecalls;
};

// A failure: what the function returns, and why, for the log.
struct Failure {
  oe_result_t result;
  std::string why;
};
template <class T>
using Outcome = std::expected<T, Failure>;

std::unexpected<Failure> failed(oe_result_t result, std::string why) {
  return std::unexpected(Failure{result, std::move(why)});
}
std::unexpected<Failure> failed(oe_result_t result, const Error& error) { return failed(result, error.message); }

// A file that only this process has, for the loader to read.
Outcome<FileDescriptor> in_memory(ByteView content) {
  FileDescriptor file(::memfd_create("openenclave", MFD_CLOEXEC));
  std::size_t done = 0;
  while (file && done < content.size()) {
    const ssize_t written = ::write(file.get(), content.data() + done, content.size() - done);
    if (written <= 0) return failed(OE_OUT_OF_MEMORY, "no memory for the signed image");
    done += static_cast<std::size_t>(written);
  }
  if (!file) return failed(OE_OUT_OF_MEMORY, "no memory for the signed image");
  return file;
}

// An enclave that nobody signed, signed with the user's debug key.
Outcome<std::vector<std::byte>> sign_for_debugging(const Request& request, ByteView elf) {
  auto properties = read_oeinfo(elf, request.path);
  if (!properties) return failed(OE_INVALID_IMAGE, properties.error());
  if (!*properties) {
    return failed(OE_FAILURE, request.path + ": not signed, and without OE_SET_ENCLAVE_SGX; sign it with oesign");
  }
  if ((request.flags & kDebugFlags) == 0) return failed(OE_FAILURE, request.path + ": not signed; sign it with oesign");
  if (!(*properties)->debug) {
    return failed(OE_DEBUG_DOWNGRADE, request.path + ": not signed, and does not allow debugging; sign it with oesign");
  }
  if (auto checked = check_properties(**properties, request.path); !checked) {
    return failed(OE_INVALID_IMAGE, checked.error());
  }
  const auto kernel_path = host::find_part("enclave-kernel.elf");
  if (!kernel_path) return failed(OE_NOT_FOUND, kernel_path.error());
  const auto kernel = read_file(*kernel_path);
  if (!kernel) return failed(OE_NOT_FOUND, kernel.error());
  const auto date = image::signing_date();
  if (!date) return failed(OE_INVALID_PARAMETER, date.error());
  auto built = build_image(elf, std::filesystem::path(request.path).filename().string(), **properties, *kernel, *date);
  if (!built) return failed(OE_INVALID_IMAGE, built.error());
  const auto key = debug_key();
  if (!key) return failed(OE_FAILURE, key.error());
  if (auto signed_now = image::sign_image(built->file, request.path, *key); !signed_now) {
    return failed(OE_FAILURE, signed_now.error());
  }
  return std::move(built->file);
}

// What the settings ask for.
struct Asked {
  LoadOptions load;
  std::optional<Switchless> switchless;
};

std::uint32_t workers(std::size_t most) {
  return static_cast<std::uint32_t>(std::min<std::size_t>(most, kThreadsBesides - 1));
}

Outcome<void> apply(const oe_enclave_setting_t& setting, bool key_separation, Asked& asked) {
  switch (setting.setting_type) {
    case OE_ENCLAVE_SETTING_CONTEXT_SWITCHLESS:
      if (setting.u.context_switchless_setting == nullptr) {
        return failed(OE_INVALID_PARAMETER, "a switchless setting without its values");
      }
      asked.switchless =
          Switchless{.host_workers = workers(setting.u.context_switchless_setting->max_host_workers),
                     .enclave_workers = workers(setting.u.context_switchless_setting->max_enclave_workers)};
      return {};
    case OE_SGX_ENCLAVE_CONFIG_DATA: {
      const auto* config = setting.u.config_data;
      if (config == nullptr) return failed(OE_INVALID_PARAMETER, "a configuration without its values");
      if (!key_separation) {
        if (config->ignore_if_unsupported) return {};
        return failed(OE_UNSUPPORTED, "a configuration needs an enclave with key separation (OE_SET_ENCLAVE_SGX2)");
      }
      std::memcpy(asked.load.config_id.data(), config->config_id, asked.load.config_id.size());
      asked.load.config_svn = config->config_svn;
      return {};
    }
    default:
      return failed(OE_INVALID_PARAMETER,
                    fmt::format("unknown setting 0x{:x}", static_cast<unsigned>(setting.setting_type)));
  }
}

void fill_tables(const Request& request, oe_enclave_t& enclave) {
  enclave.ocalls.assign(request.ocalls.begin(), request.ocalls.end());
  for (std::uint64_t i = 0; i < request.ecalls.size(); ++i) {
    const std::uint64_t number = number_of(request.ecalls[i].name);
    if (number >= enclave.ecalls.size()) enclave.ecalls.resize(number + 1, OE_ECALL_ID_NULL);
    enclave.ecalls[number] = i;
  }
}

// Starts the program; returns once it serves.
Outcome<void> start(oe_enclave_t& enclave, const std::optional<Switchless>& switchless) {
  enclave.enclave.serve_host_calls([&enclave](const HostCall& call) { return serve_host_call(enclave, call); });
  RunOptions options;
  options.name = std::filesystem::path(enclave.path).filename().string();
  options.environment = {fmt::format("{}={}", kHandle, reinterpret_cast<std::uintptr_t>(&enclave)),
                         fmt::format("{}={}", kLogLevel, static_cast<unsigned>(log_level()))};
  if (auto started = enclave.enclave.start(options); !started) return failed(OE_FAILURE, started.error());
  if (auto serving = enclave.enclave.wait_until_serving(); !serving) {
    return failed(serving.error().kind == ErrorKind::kLost ? OE_ENCLAVE_ABORTING : OE_FAILURE,
                  enclave.path + ": " + serving.error().message);
  }
  if (!switchless) return {};
  if (auto used = enclave.enclave.use_switchless(*switchless); !used) return failed(OE_FAILURE, used.error());
  return {};
}

Outcome<std::unique_ptr<oe_enclave_t>> create(const Request& request) {
  find_installation();
  auto content = read_file(request.path);
  if (!content) return failed(OE_NOT_FOUND, content.error());
  const bool signed_here = !image::CofferImage::recognises(*content);
  if (signed_here) {
    auto made = sign_for_debugging(request, *content);
    if (!made) return std::unexpected(made.error());
    content = std::move(*made);
  }
  const auto image = image::CofferImage::parse(*content, request.path);
  if (!image) return failed(OE_INVALID_IMAGE, image.error());
  const auto properties = properties_of(image->environment());
  if (!properties) return failed(OE_INVALID_IMAGE, request.path + ": a Coffer image that oesign did not make");
  const bool may_debug = may_be_debug(image->sigstruct());
  if ((request.flags & OE_ENCLAVE_FLAG_DEBUG) != 0 && !may_debug) {
    return failed(OE_DEBUG_DOWNGRADE, request.path + ": signed without Debug=1");
  }
  Asked asked;
  asked.load.debug = may_debug && (request.flags & kDebugFlags) != 0;
  const auto rung = rung_for_launch(asked.load.debug);
  if (!rung) return failed(OE_INVALID_PARAMETER, rung.error());
  asked.load.rung = *rung;
  const bool key_separation = (image->sigstruct().attributes.flags & sgx::attribute::kKss) != 0;
  for (const auto& setting : request.settings) {
    if (auto applied = apply(setting, key_separation, asked); !applied) return std::unexpected(applied.error());
  }
  FileDescriptor file;
  if (signed_here) {
    auto made = in_memory(*content);
    if (!made) return std::unexpected(made.error());
    file = std::move(*made);
  }
  // A signed one by its own name, which `coffer ps` shows and debuggers look for symbols beside.
  auto loaded = Enclave::load(file ? fmt::format("/proc/self/fd/{}", file.get()) : request.path, asked.load);
  if (!loaded) {
    const bool refused = loaded.error().kind == ErrorKind::kRefused;
    return failed(refused ? OE_PLATFORM_ERROR : OE_FAILURE, request.path + ": " + loaded.error().message);
  }
  auto enclave = std::make_unique<oe_enclave_t>(std::move(*loaded));
  enclave->path = request.path;
  enclave->tcs = static_cast<std::uint32_t>(properties->tcs);
  enclave->shares_all_memory = asked.load.rung == RungKind::kInline;
  fill_tables(request, *enclave);
  if (auto started = start(*enclave, asked.switchless); !started) return std::unexpected(started.error());
  log(OE_LOG_LEVEL_INFO, fmt::format("{}: enclave created with {} threads", request.path, enclave->tcs));
  return enclave;
}

}  // namespace
}  // namespace coffer::openenclave

using namespace coffer::openenclave;

extern "C" {

oe_result_t oe_create_enclave(const char* path, oe_enclave_type_t type, uint32_t flags,
                              const oe_enclave_setting_t* settings, uint32_t setting_count,
                              const oe_ocall_func_t* ocall_table, uint32_t ocall_count,
                              const oe_ecall_info_t* ecall_name_table, uint32_t ecall_count, oe_enclave_t** enclave) {
  if (enclave != nullptr) *enclave = nullptr;
  const bool wrong_type = type != OE_ENCLAVE_TYPE_SGX && type != OE_ENCLAVE_TYPE_AUTO;
  if (path == nullptr || enclave == nullptr || wrong_type || (flags & OE_ENCLAVE_FLAG_RESERVED) != 0 ||
      (settings == nullptr) != (setting_count == 0) || (ocall_table == nullptr && ocall_count != 0) ||
      (ecall_name_table == nullptr && ecall_count != 0)) {
    return OE_INVALID_PARAMETER;
  }
  auto made = create({.path = path,
                      .flags = flags,
                      .settings = {settings, setting_count},
                      .ocalls = {ocall_table, ocall_count},
                      .ecalls = {ecall_name_table, ecall_count}});
  if (!made) {
    log(OE_LOG_LEVEL_ERROR, "oe_create_enclave: " + made.error().why);
    return made.error().result;
  }
  *enclave = made->release();
  return OE_OK;
}

oe_result_t oe_terminate_enclave(oe_enclave_t* enclave) {
  if (enclave == nullptr) return OE_INVALID_PARAMETER;
  oe_result_t result = OE_OK;
  if (!enclave->aborted) {
    std::size_t written = 0;
    enclave->ending = true;
    // Its answer is the program's end, which wait() tells apart from a crash.
    const oe_result_t ended = call(*enclave, kTerminate, {}, {}, written);
    if (ended == OE_REENTRANT_ECALL || ended == OE_OUT_OF_THREADS) {
      enclave->ending = false;
      return ended;
    }
    const auto status = enclave->enclave.wait();
    if (!status || status->signal != 0) result = OE_ENCLAVE_ABORTING;
  }
  delete enclave;
  return result;
}

}  // extern "C"
