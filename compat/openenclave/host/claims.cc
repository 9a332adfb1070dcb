// Lists of claims as bytes, and names of claims; shared by both sides: host and enclave libraries compile it.
//
// Serialized: version, 8 bytes; number of claims, 8; then of each: size of the name with its terminator, 8; size of the
// value, 8; name; value. Little-endian.
#include <openenclave/attestation/custom_claims.h>
#include <openenclave/attestation/verifier.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

namespace {

constexpr std::size_t kMostClaims = 1 << 16;

bool copy(const void* from, std::size_t size, void** to) {
  *to = std::malloc(size == 0 ? 1 : size);
  if (*to == nullptr) return false;
  if (size != 0) std::memcpy(*to, from, size);
  return true;
}

// What is left of the bytes, taken piece by piece.
class Reader {
 public:
  Reader(const std::uint8_t* bytes, std::size_t size) : bytes_(bytes, size) {}
  bool number(std::uint64_t& value) {
    const std::uint8_t* place = take(sizeof(value));
    if (place != nullptr) std::memcpy(&value, place, sizeof(value));
    return place != nullptr;
  }
  const std::uint8_t* take(std::uint64_t size) {
    if (size > bytes_.size()) return nullptr;
    const std::uint8_t* place = bytes_.data();
    bytes_ = bytes_.subspan(size);
    return place;
  }
  [[nodiscard]] std::size_t left() const { return bytes_.size(); }

 private:
  std::span<const std::uint8_t> bytes_;
};

oe_result_t read_claim(Reader& reader, oe_claim_t& claim) {
  std::uint64_t name_size = 0, value_size = 0;
  if (!reader.number(name_size) || !reader.number(value_size)) return OE_INVALID_PARAMETER;
  const std::uint8_t* name = reader.take(name_size);
  const std::uint8_t* value = reader.take(value_size);
  if (name == nullptr || value == nullptr || name_size == 0 || name[name_size - 1] != 0) return OE_INVALID_PARAMETER;
  void *name_copy = nullptr, *value_copy = nullptr;
  if (!copy(name, name_size, &name_copy) || !copy(value, value_size, &value_copy)) {
    std::free(name_copy);
    return OE_OUT_OF_MEMORY;
  }
  claim = {static_cast<char*>(name_copy), static_cast<std::uint8_t*>(value_copy), value_size};
  return OE_OK;
}

void free_contents(const oe_claim_t* claims, std::size_t count) {
  for (const oe_claim_t& claim : std::span(claims, count)) {
    std::free(claim.name);
    std::free(claim.value);
  }
}

}  // namespace

extern "C" {

const char* OE_REQUIRED_CLAIMS[OE_REQUIRED_CLAIMS_COUNT] = {
    OE_CLAIM_ID_VERSION, OE_CLAIM_SECURITY_VERSION, OE_CLAIM_ATTRIBUTES, OE_CLAIM_UNIQUE_ID,
    OE_CLAIM_SIGNER_ID,  OE_CLAIM_PRODUCT_ID,       OE_CLAIM_FORMAT_UUID};
const char* OE_OPTIONAL_CLAIMS[OE_OPTIONAL_CLAIMS_COUNT] = {OE_CLAIM_TCB_STATUS,    OE_CLAIM_TCB_DATE,
                                                            OE_CLAIM_VALIDITY_FROM, OE_CLAIM_VALIDITY_UNTIL,
                                                            OE_CLAIM_UEID,          OE_CLAIM_HARDWARE_MODEL};

oe_result_t oe_serialize_custom_claims(const oe_claim_t* custom_claims, size_t custom_claims_length,
                                       uint8_t** claims_out, size_t* claims_size_out) {
  if (claims_out == nullptr || claims_size_out == nullptr || (custom_claims == nullptr && custom_claims_length != 0) ||
      custom_claims_length > kMostClaims) {
    return OE_INVALID_PARAMETER;
  }
  const std::span<const oe_claim_t> claims(custom_claims, custom_claims_length);
  std::size_t size = 2 * sizeof(std::uint64_t);
  for (const oe_claim_t& claim : claims) {
    if (claim.name == nullptr || (claim.value == nullptr && claim.value_size != 0)) return OE_INVALID_PARAMETER;
    if (__builtin_add_overflow(size, 2 * sizeof(std::uint64_t) + std::strlen(claim.name) + 1, &size) ||
        __builtin_add_overflow(size, claim.value_size, &size)) {
      return OE_INTEGER_OVERFLOW;
    }
  }
  auto* bytes = static_cast<std::uint8_t*>(std::malloc(size));
  if (bytes == nullptr) return OE_OUT_OF_MEMORY;
  std::uint8_t* next = bytes;
  const auto put = [&next](const void* from, std::size_t length) {
    if (length != 0) std::memcpy(next, from, length);
    next += length;
  };
  const std::uint64_t head[2] = {OE_CUSTOM_CLAIMS_VERSION, claims.size()};
  put(head, sizeof(head));
  for (const oe_claim_t& claim : claims) {
    const std::uint64_t sizes[2] = {std::strlen(claim.name) + 1, claim.value_size};
    put(sizes, sizeof(sizes));
    put(claim.name, sizes[0]);
    put(claim.value, sizes[1]);
  }
  *claims_out = bytes;
  *claims_size_out = size;
  return OE_OK;
}

oe_result_t oe_deserialize_custom_claims(const uint8_t* claims_buffer, size_t claims_buffer_size,
                                         oe_claim_t** claims_out, size_t* claims_length_out) {
  if (claims_buffer == nullptr || claims_out == nullptr || claims_length_out == nullptr) return OE_INVALID_PARAMETER;
  Reader reader(claims_buffer, claims_buffer_size);
  std::uint64_t version = 0, count = 0;
  // Each claim takes at least 17 bytes, so the count cannot ask for more memory than the bytes themselves justify.
  constexpr std::size_t kLeast = 2 * sizeof(std::uint64_t) + 1;
  if (!reader.number(version) || !reader.number(count) || version != OE_CUSTOM_CLAIMS_VERSION ||
      count > reader.left() / kLeast) {
    return OE_INVALID_PARAMETER;
  }
  std::unique_ptr<oe_claim_t, void (*)(void*)> claims(
      static_cast<oe_claim_t*>(std::calloc(count == 0 ? 1 : count, sizeof(oe_claim_t))), std::free);
  if (claims == nullptr) return OE_OUT_OF_MEMORY;
  oe_result_t result = OE_OK;
  std::size_t read = 0;
  while (result == OE_OK && read < count) {
    result = read_claim(reader, claims.get()[read]);
    if (result == OE_OK) ++read;
  }
  if (result == OE_OK && reader.left() != 0) result = OE_INVALID_PARAMETER;
  if (result != OE_OK) {
    free_contents(claims.get(), read);
    return result;
  }
  *claims_out = claims.release();
  *claims_length_out = count;
  return OE_OK;
}

oe_result_t oe_free_serialized_custom_claims(uint8_t* custom_claims_buffer) {
  std::free(custom_claims_buffer);
  return OE_OK;
}

oe_result_t oe_free_custom_claims(oe_claim_t* custom_claims, size_t custom_claims_length) {
  if (custom_claims != nullptr) free_contents(custom_claims, custom_claims_length);
  std::free(custom_claims);
  return OE_OK;
}

oe_result_t oe_free_claims(oe_claim_t* claims, size_t claims_length) {
  return oe_free_custom_claims(claims, claims_length);
}

}  // extern "C"
