// What a program of the Intel SGX SDK takes from its host: sealed data and protected files. As they come, or well made
// ones with some bytes changed; nobody guesses a tag.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "compat/sgxsdk/enclave/protected_format.h"
#include "compat/sgxsdk/include/sgx_tseal.h"
#include "enclave/sdk/testing/fake_platform.h"

namespace {

using namespace coffer::sgxsdk;
using Bytes = std::vector<std::uint8_t>;

constexpr std::uint8_t kSecret[] = "the secret";
constexpr std::uint8_t kAlong[] = "to be read";

void must(bool holds) {
  if (!holds) std::abort();
}

struct Good {
  Bytes sealed, file;
  FileKey key;
  static const Good& ones() {
    static const Good good = [] {
      coffer::sdk::testing::become(coffer::sdk::testing::identity());
      Good made;
      made.sealed.resize(sgx_calc_sealed_data_size(sizeof(kAlong), sizeof(kSecret)));
      must(sgx_seal_data(sizeof(kAlong), kAlong, sizeof(kSecret), kSecret,
                         static_cast<std::uint32_t>(made.sealed.size()),
                         reinterpret_cast<sgx_sealed_data_t*>(made.sealed.data())) == SGX_SUCCESS);
      must(make_sealed_key(made.key) == SGX_SUCCESS);
      must(protect(made.key, "name", Bytes(std::begin(kSecret), std::end(kSecret)), made.file) == SGX_SUCCESS);
      return made;
    }();
    return good;
  }
};

// The input, or a well-made blob with the input over some of it.
Bytes blob(bool patch, const Bytes& good, const Bytes& input) {
  if (!patch || input.size() < 2) return input;
  Bytes changed = good;
  const std::size_t at = (input[0] | input[1] << 8) % changed.size();
  const std::size_t size = std::min(input.size() - 2, changed.size() - at);
  if (size != 0) std::memcpy(&changed[at], &input[2], size);
  return changed;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const Good& good = Good::ones();
  const bool patch = (data[0] & 1) != 0;
  const Bytes input(data + 1, data + size);

  Bytes sealed = blob(patch, good.sealed, input);
  // As the SDK has it, nobody says how large the blob is but itself: a program that knows asks first.
  if (sealed.size() >= sizeof(sgx_sealed_data_t)) {
    const auto* as_sealed = reinterpret_cast<const sgx_sealed_data_t*>(sealed.data());
    const std::uint32_t along = sgx_get_add_mac_txt_len(as_sealed), text = sgx_get_encrypt_txt_len(as_sealed);
    const bool readable = along != UINT32_MAX && text != UINT32_MAX;
    const std::uint32_t needed = readable ? sgx_calc_sealed_data_size(along, text) : UINT32_MAX;
    if (needed != UINT32_MAX && needed <= sealed.size()) {
      Bytes opened(text + 1u), read(along + 1u);
      std::uint32_t opened_size = text, read_size = along;
      const sgx_status_t status = sgx_unseal_data(as_sealed, read.data(), &read_size, opened.data(), &opened_size);
      if (status == SGX_SUCCESS) must(std::memcmp(opened.data(), kSecret, sizeof(kSecret)) == 0);
    }
  }

  const Bytes file = blob(patch, good.file, input);
  ProtectedHeader header;
  if (read_header(file, "name", header) == SGX_SUCCESS) {
    FileKey key;
    if (key_of(header, key) == SGX_SUCCESS) {
      Bytes content;
      const sgx_status_t status = unprotect(key, "name", file, content);
      must(status != SGX_SUCCESS || file == good.file);
    }
  }
  return 0;
}
