// oe_seal() and oe_unseal(): the registered plug-ins, and the one that comes with the library.
//
// A sealed blob, all little-endian:
//   0    plug-in's id, 16
//   16   version, 4; bytes of the context, 4; bytes of the plaintext, 8
//   32   KEYREQUEST, 512
//   544  nonce, 12; reserved, zero, 4
//   560  tag, 16
//   576  context, ciphertext
// The key: EGETKEY with the KEYREQUEST, then HKDF-Expand (SHA-256) with the label below and the context. Associated
// data: the first 560 bytes, the context, the caller's data.
//
// unseal() believes a KEYREQUEST only where the key is this enclave's or its signer's alone, and debug enclaves have
// another: with other policies and masks, anybody's enclave could make blobs that look like this one's.
#include <openenclave/enclave.h>
#include <openenclave/internal/sgxkeys.h>
#include <openenclave/sgx/seal.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <span>

#include "compat/openenclave/enclave/keys.h"
#include "enclave/sdk/crypto.h"

namespace {

using coffer::sdk::Bytes;

constexpr std::uint32_t kVersion = 1;
constexpr std::string_view kLabel = "coffer openenclave seal 1";
constexpr std::size_t kMostContext = 1 << 16;

struct Header {
  oe_uuid_t plugin;
  std::uint32_t version, context_size;
  std::uint64_t plaintext_size;
  sgx_key_request_t request;
  std::uint8_t nonce[12];
  std::uint32_t reserved;
};
static_assert(sizeof(Header) == 560);
constexpr std::size_t kFixed = sizeof(Header) + coffer::sdk::kGcmTag;

struct Free {
  void operator()(std::uint8_t* memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<std::uint8_t, Free>;

Bytes bytes(const void* memory, std::size_t size) { return {static_cast<const std::byte*>(memory), size}; }

// What the settings say beyond the key request.
struct Extra {
  Bytes context;
  const void* nonce = nullptr;
};

oe_result_t apply(const oe_seal_setting_t& setting, sgx_key_request_t& request, Extra& extra) {
  switch (setting.type) {
    case OE_SEAL_SETTING_POLICY:
      return OE_OK;  // read before
    case OE_SEAL_SETTING_ADDITIONAL_CONTEXT:
      if (setting.size > kMostContext || (setting.value.p == nullptr && setting.size != 0)) return OE_INVALID_PARAMETER;
      extra.context = bytes(setting.value.p, setting.size);
      return OE_OK;
    case OE_SEAL_SETTING_IV:
      if (setting.size != coffer::sdk::kGcmNonce || setting.value.p == nullptr) return OE_INVALID_PARAMETER;
      extra.nonce = setting.value.p;
      return OE_OK;
    case OE_SEAL_SETTING_SGX_KEYNAME:
      return setting.value.w == SGX_KEYSELECT_SEAL ? OE_OK : OE_UNSUPPORTED;
    case OE_SEAL_SETTING_SGX_ISVSVN:
      request.isv_svn = setting.value.w;
      return OE_OK;
    case OE_SEAL_SETTING_SGX_CPUSVN:
      if (setting.size != sizeof(request.cpu_svn) || setting.value.p == nullptr) return OE_INVALID_PARAMETER;
      std::memcpy(request.cpu_svn, setting.value.p, sizeof(request.cpu_svn));
      return OE_OK;
    case OE_SEAL_SETTING_SGX_FLAGSMASK:
      request.attribute_mask.flags = setting.value.q;
      return OE_OK;
    case OE_SEAL_SETTING_SGX_XFRMMASK:
      request.attribute_mask.xfrm = setting.value.q;
      return OE_OK;
    case OE_SEAL_SETTING_SGX_MISCMASK:
      request.misc_attribute_mask = setting.value.d;
      return OE_OK;
    case OE_SEAL_SETTING_SGX_CONFIGSVN:
      request.config_svn = setting.value.w;
      return OE_OK;
    default:
      return OE_UNSUPPORTED;
  }
}

// Such that nobody but this enclave, or its signer's, has the key; and no debug enclave that of another.
bool is_ours_alone(const sgx_key_request_t& request) {
  constexpr std::uint64_t kNeeded = SGX_FLAGS_INITTED | SGX_FLAGS_DEBUG;
  const bool one_policy = request.key_policy == SGX_KEYPOLICY_MRENCLAVE || request.key_policy == SGX_KEYPOLICY_MRSIGNER;
  return request.key_name == SGX_KEYSELECT_SEAL && one_policy && (request.attribute_mask.flags & kNeeded) == kNeeded;
}

class SealingKey {
 public:
  SealingKey() = default;
  SealingKey(const SealingKey&) = delete;
  SealingKey& operator=(const SealingKey&) = delete;
  ~SealingKey() { ::explicit_bzero(key_.data(), key_.size()); }
  oe_result_t derive(const sgx_key_request_t& request, Bytes context) {
    sgx_key_t root = {};
    const oe_result_t got = oe_get_key(&request, &root);
    const bool expanded =
        got == OE_OK && coffer::sdk::expand_key(bytes(root.buf, sizeof(root.buf)), kLabel, context, key_);
    ::explicit_bzero(&root, sizeof(root));
    if (got != OE_OK) return got;
    return expanded ? OE_OK : OE_CRYPTO_ERROR;
  }
  [[nodiscard]] std::span<const std::byte, 32> get() const { return key_; }

 private:
  std::array<std::byte, 32> key_{};
};

oe_result_t seal_with_gcm(const oe_seal_setting_t* settings, size_t settings_count, const uint8_t* plaintext,
                          size_t plaintext_size, const uint8_t* additional_data, size_t additional_data_size,
                          uint8_t** blob, size_t* blob_size);
oe_result_t unseal_with_gcm(const uint8_t* blob, size_t blob_size, const uint8_t* additional_data,
                            size_t additional_data_size, uint8_t** plaintext, size_t* plaintext_size);

}  // namespace

extern "C" const oe_seal_plugin_definition_t oe_seal_plugin_gcm_aes = {
    {{0xd0, 0x61, 0xa7, 0x3c, 0x2e, 0x0b, 0x4e, 0x0f, 0x9c, 0x55, 0x1a, 0x62, 0x8f, 0x4d, 0x70, 0x11}},
    seal_with_gcm,
    unseal_with_gcm};

namespace {

oe_result_t seal_with_gcm(const oe_seal_setting_t* settings, size_t settings_count, const uint8_t* plaintext,
                          size_t plaintext_size, const uint8_t* additional_data, size_t additional_data_size,
                          uint8_t** blob, size_t* blob_size) {
  const std::span<const oe_seal_setting_t> given(settings, settings_count);
  auto policy = OE_SEAL_POLICY_UNIQUE;
  for (const auto& setting : given) {
    if (setting.type == OE_SEAL_SETTING_POLICY) policy = static_cast<oe_seal_policy_t>(setting.value.w);
  }
  Header header{};
  header.plugin = oe_seal_plugin_gcm_aes.id;
  header.version = kVersion;
  header.plaintext_size = plaintext_size;
  oe_result_t result = coffer::openenclave::seal_key_request(policy, header.request);
  Extra extra;
  for (const auto& setting : given) {
    if (result == OE_OK) result = apply(setting, header.request, extra);
  }
  if (result != OE_OK) return result;
  if (!is_ours_alone(header.request)) return OE_INVALID_PARAMETER;
  header.context_size = static_cast<std::uint32_t>(extra.context.size());
  if (extra.nonce == nullptr) {
    if (oe_random(header.nonce, sizeof(header.nonce)) != OE_OK) return OE_FAILURE;
  } else {
    std::memcpy(header.nonce, extra.nonce, sizeof(header.nonce));
  }
  std::size_t size = 0;
  if (__builtin_add_overflow(kFixed + extra.context.size(), plaintext_size, &size)) return OE_INTEGER_OVERFLOW;
  SealingKey key;
  if (result = key.derive(header.request, extra.context); result != OE_OK) return result;
  Memory made(static_cast<std::uint8_t*>(std::malloc(size)));
  if (made == nullptr) return OE_OUT_OF_MEMORY;
  std::memcpy(made.get(), &header, sizeof(header));
  if (!extra.context.empty()) std::memcpy(made.get() + kFixed, extra.context.data(), extra.context.size());
  const std::span<std::byte> whole(reinterpret_cast<std::byte*>(made.get()), size);
  const auto tag = whole.subspan(sizeof(header)).first<coffer::sdk::kGcmTag>();
  if (!coffer::sdk::gcm_seal(
          key.get(), std::span<const std::byte, 12>(bytes(header.nonce, 12)),
          {bytes(&header, sizeof(header)), extra.context, bytes(additional_data, additional_data_size)},
          bytes(plaintext, plaintext_size), whole.subspan(kFixed + extra.context.size()), tag)) {
    return OE_CRYPTO_ERROR;
  }
  *blob = made.release();
  *blob_size = size;
  return OE_OK;
}

oe_result_t unseal_with_gcm(const uint8_t* blob, size_t blob_size, const uint8_t* additional_data,
                            size_t additional_data_size, uint8_t** plaintext, size_t* plaintext_size) {
  Header header;
  if (blob_size < kFixed) return OE_INVALID_PARAMETER;
  std::memcpy(&header, blob, sizeof(header));
  const std::size_t variable = blob_size - kFixed;
  if (header.version != kVersion || header.reserved != 0 || header.context_size > variable ||
      header.plaintext_size != variable - header.context_size || !is_ours_alone(header.request)) {
    return OE_INVALID_PARAMETER;
  }
  const Bytes context = bytes(blob + kFixed, header.context_size);
  SealingKey key;
  if (const oe_result_t derived = key.derive(header.request, context); derived != OE_OK) return derived;
  const std::size_t size = header.plaintext_size;
  Memory opened(static_cast<std::uint8_t*>(std::malloc(std::max<std::size_t>(size, 1))));
  if (opened == nullptr) return OE_OUT_OF_MEMORY;
  const Bytes whole = bytes(blob, blob_size);
  if (!coffer::sdk::gcm_open(key.get(), std::span<const std::byte, 12>(bytes(header.nonce, 12)),
                             {bytes(&header, sizeof(header)), context, bytes(additional_data, additional_data_size)},
                             whole.subspan(kFixed + context.size()), {reinterpret_cast<std::byte*>(opened.get()), size},
                             whole.subspan(sizeof(header)).first<coffer::sdk::kGcmTag>())) {
    return OE_FAILURE;
  }
  *plaintext = opened.release();
  *plaintext_size = size;
  return OE_OK;
}

constexpr std::size_t kMostPlugins = 8;
std::mutex lock;
std::array<const oe_seal_plugin_definition_t*, kMostPlugins> plugins = {&oe_seal_plugin_gcm_aes};
std::size_t count = 1, usual = 0;

const oe_seal_plugin_definition_t* find(const oe_uuid_t* id) {
  const std::scoped_lock held(lock);
  if (id == nullptr) return plugins.at(usual);
  const auto end = plugins.begin() + static_cast<std::ptrdiff_t>(count);
  const auto found = std::find_if(plugins.begin(), end, [id](const oe_seal_plugin_definition_t* each) {
    return std::memcmp(&each->id, id, sizeof(*id)) == 0;
  });
  return found == end ? nullptr : *found;
}

bool missing(const void* memory, std::size_t size) { return memory == nullptr && size != 0; }

}  // namespace

extern "C" {

oe_result_t oe_seal(const oe_uuid_t* plugin_id, const oe_seal_setting_t* settings, size_t settings_count,
                    const uint8_t* plaintext, size_t plaintext_size, const uint8_t* additional_data,
                    size_t additional_data_size, uint8_t** blob, size_t* blob_size) {
  if (blob == nullptr || blob_size == nullptr) return OE_INVALID_PARAMETER;
  *blob = nullptr;
  *blob_size = 0;
  if (missing(settings, settings_count) || missing(plaintext, plaintext_size) ||
      missing(additional_data, additional_data_size)) {
    return OE_INVALID_PARAMETER;
  }
  const oe_seal_plugin_definition_t* plugin = find(plugin_id);
  if (plugin == nullptr) return OE_NOT_FOUND;
  return plugin->seal(settings, settings_count, plaintext, plaintext_size, additional_data, additional_data_size, blob,
                      blob_size);
}

oe_result_t oe_unseal(const uint8_t* blob, size_t blob_size, const uint8_t* additional_data,
                      size_t additional_data_size, uint8_t** plaintext, size_t* plaintext_size) {
  if (plaintext == nullptr || plaintext_size == nullptr) return OE_INVALID_PARAMETER;
  *plaintext = nullptr;
  *plaintext_size = 0;
  if (blob == nullptr || blob_size < sizeof(oe_uuid_t) || missing(additional_data, additional_data_size)) {
    return OE_INVALID_PARAMETER;
  }
  oe_uuid_t id;
  std::memcpy(&id, blob, sizeof(id));
  const oe_seal_plugin_definition_t* plugin = find(&id);
  if (plugin == nullptr) return OE_NOT_FOUND;
  return plugin->unseal(blob, blob_size, additional_data, additional_data_size, plaintext, plaintext_size);
}

oe_result_t oe_register_seal_plugin(const oe_seal_plugin_definition_t* plugin, bool make_default) {
  if (plugin == nullptr || plugin->seal == nullptr || plugin->unseal == nullptr) return OE_INVALID_PARAMETER;
  if (find(&plugin->id) != nullptr) return OE_ALREADY_EXISTS;
  const std::scoped_lock held(lock);
  if (count == kMostPlugins) return OE_OUT_OF_MEMORY;
  if (make_default) usual = count;
  plugins.at(count++) = plugin;
  return OE_OK;
}

oe_result_t oe_unregister_seal_plugin(const oe_seal_plugin_definition_t* plugin) {
  const std::scoped_lock held(lock);
  const auto end = plugins.begin() + static_cast<std::ptrdiff_t>(count);
  const auto found = std::find(plugins.begin(), end, plugin);
  if (plugin == nullptr || found == end) return OE_NOT_FOUND;
  if (found == plugins.begin()) return OE_BUSY;  // the library's own stays
  std::copy(found + 1, end, found);
  --count;
  usual = 0;
  return OE_OK;
}

}  // extern "C"
