// <sgx_urts.h> over <coffer/host.h>.
#include "compat/sgxsdk/include/sgx_urts.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <optional>
#include <string>
#include <string_view>

#include "compat/sgxsdk/host/enclave_table.h"
#include "compat/sgxsdk/include/sgx_uswitchless.h"
#include "compat/sgxsdk/protocol.h"
#include "host/image/coffer_image.h"

namespace coffer::sgxsdk {
namespace {

sgx_status_t say(sgx_status_t status, const std::string& message) {
  std::fprintf(stderr, "sgx_urts: %s\n", message.c_str());
  return status;
}

// What is in an image that its launch depends on.
struct ImageFacts {
  bool debug_allowed = false;
  std::uint32_t calls_at_once = 1;
  sgx_misc_attribute_t attributes{};
};

Result<ImageFacts> facts_of(const std::string& path, bool debug) {
  auto image = image::CofferImage::read(path);
  if (!image) return std::unexpected(image.error());
  ImageFacts facts;
  facts.debug_allowed = image->launch_as_debug().has_value();
  const std::string_view variable = kTcsVariableName;
  for (const std::string_view entry : image->environment()) {
    if (entry.size() > variable.size() && entry.starts_with(variable) && entry[variable.size()] == '=') {
      facts.calls_at_once =
          static_cast<std::uint32_t>(std::strtoul(std::string(entry.substr(variable.size() + 1)).c_str(), nullptr, 10));
    }
  }
  const auto& sigstruct = image->sigstruct();
  facts.attributes.secs_attr = {sigstruct.attributes.flags | SGX_FLAGS_INITTED | (debug ? SGX_FLAGS_DEBUG : 0),
                                sigstruct.attributes.xfrm};
  facts.attributes.misc_select = sigstruct.misc_select;
  return facts;
}

sgx_status_t status_of(const Error& error) {
  if (error.kind == ErrorKind::kRefused) return SGX_ERROR_INVALID_SIGNATURE;
  return error.kind == ErrorKind::kInput ? SGX_ERROR_INVALID_ENCLAVE : SGX_ERROR_UNEXPECTED;
}

// Loads, starts, and waits until the program serves: its constructors have run then.
sgx_status_t launch(const std::string& path, const LoadOptions& options, std::uint32_t calls_at_once,
                    EnclaveHandle& launched) {
  auto loaded = Enclave::load(path, options);
  if (!loaded) return say(status_of(loaded.error()), loaded.error().message);
  auto running = std::make_shared<RunningEnclave>(std::move(*loaded));
  running->calls_at_once = calls_at_once;
  running->enclave.serve_host_calls(ocall_handler(*running));
  if (auto started = running->enclave.start({}); !started) {
    return say(SGX_ERROR_UNEXPECTED, path + ": " + started.error().message);
  }
  std::array<std::byte, sizeof(sgx_target_info_t)> introduction;
  const auto introduced = running->enclave.call(kIntroduce, {}, introduction);
  if (!introduced) return say(running->end_status(), path + ": the enclave ended before it took its first call");
  if (introduced->status != SGX_SUCCESS || introduced->written != introduction.size()) {
    return say(SGX_ERROR_INVALID_ENCLAVE, path + ": the image is not one that sgx_sign made");
  }
  std::memcpy(&running->target, introduction.data(), introduction.size());
  launched = std::move(running);
  return SGX_SUCCESS;
}

// What the application asked for beyond the image.
struct Wishes {
  LoadOptions options;
  std::optional<Switchless> workers;
};

// The SDK's numbers: 0 retries mean the default of 20000, which is ours too.
Switchless workers_of(const sgx_uswitchless_config_t& config) {
  constexpr std::uint64_t kMost = 64, kMostLooks = 1u << 30;
  Switchless workers;
  workers.host_workers = static_cast<std::uint32_t>(std::min(config.num_uworkers, kMost));
  workers.enclave_workers = static_cast<std::uint32_t>(std::min(config.num_tworkers, kMost));
  if (config.retries_before_sleep != 0) {
    workers.looks = static_cast<std::uint32_t>(std::min(config.retries_before_sleep, kMostLooks));
  }
  return workers;
}

sgx_status_t configure(std::uint32_t features, const void* const* parts, Wishes& wishes) {
  if ((features & ~_SGX_EX_FEATURES_MASK_) != 0) return SGX_ERROR_INVALID_PARAMETER;
  for (unsigned bit = 0; bit < MAX_EX_FEATURES_COUNT; ++bit) {
    const bool asked = (features >> bit & 1) != 0;
    if (asked && (parts == nullptr || parts[bit] == nullptr)) return SGX_ERROR_INVALID_PARAMETER;
  }
  if ((features & SGX_CREATE_ENCLAVE_EX_PCL) != 0) {
    return say(SGX_ERROR_FEATURE_NOT_SUPPORTED, "encrypted enclaves (PCL) are not supported");
  }
  if ((features & SGX_CREATE_ENCLAVE_EX_KSS) != 0) {
    const auto* kss = static_cast<const sgx_kss_config_t*>(parts[SGX_CREATE_ENCLAVE_EX_KSS_BIT_IDX]);
    std::memcpy(wishes.options.config_id.data(), kss->config_id, wishes.options.config_id.size());
    wishes.options.config_svn = kss->config_svn;
  }
  if ((features & SGX_CREATE_ENCLAVE_EX_SWITCHLESS) != 0) {
    wishes.workers =
        workers_of(*static_cast<const sgx_uswitchless_config_t*>(parts[SGX_CREATE_ENCLAVE_EX_SWITCHLESS_BIT_IDX]));
  }
  return SGX_SUCCESS;
}

sgx_status_t create(const std::string& path, bool debug, sgx_enclave_id_t* id, sgx_misc_attribute_t* attributes,
                    std::uint32_t features, const void* const* parts) {
  Wishes wishes;
  if (const sgx_status_t configured = configure(features, parts, wishes); configured != SGX_SUCCESS) return configured;
  const auto rung = rung_for_launch(debug);
  if (!rung) return say(SGX_ERROR_INVALID_PARAMETER, rung.error().message);
  const auto facts = facts_of(path, debug);
  if (!facts) return say(SGX_ERROR_INVALID_ENCLAVE, facts.error().message);
  if (debug && !facts->debug_allowed) {
    return say(SGX_ERROR_NDEBUG_ENCLAVE, path + " was signed with DisableDebug and cannot be launched with debug");
  }
  wishes.options.rung = *rung;
  wishes.options.debug = debug;
  EnclaveHandle launched;
  const sgx_status_t status = launch(path, wishes.options, facts->calls_at_once, launched);
  if (status != SGX_SUCCESS) return status;
  if (wishes.workers) {
    if (auto begun = launched->enclave.use_switchless(*wishes.workers); !begun) {
      return say(SGX_ERROR_UNEXPECTED, path + ": " + begun.error().message);
    }
  }
  *id = add(std::move(launched));
  if (attributes != nullptr) *attributes = facts->attributes;
  return SGX_SUCCESS;
}

// A file of this process's memory: what loads images reads paths.
class MemoryFile {
 public:
  MemoryFile(const void* bytes, std::size_t size) : descriptor_(::memfd_create("enclave", MFD_CLOEXEC)) {
    const auto* from = static_cast<const char*>(bytes);
    while (descriptor_ >= 0 && size != 0) {
      const ssize_t written = ::write(descriptor_, from, size);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return;
      from += written;
      size -= static_cast<std::size_t>(written);
    }
    whole_ = descriptor_ >= 0;
  }
  ~MemoryFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  [[nodiscard]] bool whole() const { return whole_; }
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
  bool whole_ = false;
};

}  // namespace
}  // namespace coffer::sgxsdk

using namespace coffer::sgxsdk;

extern "C" {

sgx_status_t sgx_create_enclave_ex(const char* file_name, const int debug, sgx_launch_token_t*,
                                   int* launch_token_updated, sgx_enclave_id_t* enclave_id,
                                   sgx_misc_attribute_t* misc_attr, const uint32_t ex_features,
                                   const void* ex_features_p[32]) {
  if (file_name == nullptr || enclave_id == nullptr || (debug != 0 && debug != 1)) return SGX_ERROR_INVALID_PARAMETER;
  if (launch_token_updated != nullptr) *launch_token_updated = 0;
  if (::access(file_name, R_OK) != 0) {
    return say(SGX_ERROR_ENCLAVE_FILE_ACCESS, std::string("cannot read ") + file_name + ": " + std::strerror(errno));
  }
  return create(file_name, debug == 1, enclave_id, misc_attr, ex_features, ex_features_p);
}

sgx_status_t sgx_create_enclave(const char* file_name, const int debug, sgx_launch_token_t* launch_token,
                                int* launch_token_updated, sgx_enclave_id_t* enclave_id,
                                sgx_misc_attribute_t* misc_attr) {
  return sgx_create_enclave_ex(file_name, debug, launch_token, launch_token_updated, enclave_id, misc_attr, 0, nullptr);
}

sgx_status_t sgx_create_enclave_from_buffer_ex(uint8_t* buffer, size_t buffer_size, const int debug,
                                               sgx_enclave_id_t* enclave_id, sgx_misc_attribute_t* misc_attr,
                                               const uint32_t ex_features, const void* ex_features_p[32]) {
  if (buffer == nullptr || buffer_size == 0 || enclave_id == nullptr || (debug != 0 && debug != 1)) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  const MemoryFile file(buffer, buffer_size);
  if (!file.whole()) return SGX_ERROR_OUT_OF_MEMORY;
  return create(file.path(), debug == 1, enclave_id, misc_attr, ex_features, ex_features_p);
}

sgx_status_t sgx_destroy_enclave(const sgx_enclave_id_t enclave_id) {
  const EnclaveHandle enclave = remove(enclave_id);
  if (enclave == nullptr) return SGX_ERROR_INVALID_ENCLAVE_ID;
  // Where the program is in order, its destructors run; it never answers this call.
  if (enclave->calls.load() == 0) (void)enclave->enclave.call(kLeave, {}, {});
  enclave->enclave.destroy();
  return SGX_SUCCESS;
}

void* sgx_urts_shared_malloc(const sgx_enclave_id_t enclave_id, size_t size) {
  const EnclaveHandle enclave = find(enclave_id);
  return enclave == nullptr ? nullptr : enclave->enclave.allocate_shared(size);
}
void sgx_urts_shared_free(const sgx_enclave_id_t enclave_id, void* memory) {
  const EnclaveHandle enclave = find(enclave_id);
  if (enclave != nullptr && memory != nullptr) enclave->enclave.release_shared(memory);
}

sgx_status_t sgx_get_target_info(const sgx_enclave_id_t enclave_id, sgx_target_info_t* target_info) {
  if (target_info == nullptr) return SGX_ERROR_INVALID_PARAMETER;
  const EnclaveHandle enclave = find(enclave_id);
  if (enclave == nullptr) return SGX_ERROR_INVALID_ENCLAVE_ID;
  *target_info = enclave->target;
  return SGX_SUCCESS;
}

}  // extern "C"
