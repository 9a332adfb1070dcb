// Hostile programs at the emulated /dev/sgx_enclave: any ioctl with any argument, and any mapping, in any order.
#include <asm/sgx.h>
#include <sys/mman.h>
#include <cerrno>

#include <cstdlib>
#include <cstring>

#include "base/bytes.h"
#include "emulate/testing/device_fixture.h"

namespace {

using namespace coffer;
using namespace coffer::emulate::testing;

constexpr std::uint64_t kPage = sgx::kPageSize;

// What the input's pointers may point to: whole pages, a SIGSTRUCT that is right, a SECINFO.
struct Material {
  alignas(kPage) std::byte pages[4 * kPage] = {};
  sgx::Secs secs;
  sgx::Secinfo secinfo;
  sgx::Sigstruct sigstruct = make_sigstruct();
};

template <class T>
T take(ByteReader& input) {
  T value{};
  const std::size_t size = std::min(sizeof(T), input.remaining());
  if (const auto bytes = input.take(size)) std::memcpy(&value, bytes->data(), size);
  return value;
}

std::uint64_t pointer(std::uint8_t choice, const Material& material, std::uint64_t raw) {
  switch (choice % 6) {
    case 0:
      return reinterpret_cast<std::uint64_t>(material.pages);
    case 1:
      return reinterpret_cast<std::uint64_t>(&material.secs);
    case 2:
      return reinterpret_cast<std::uint64_t>(&material.secinfo);
    case 3:
      return reinterpret_cast<std::uint64_t>(&material.sigstruct);
    case 4:
      return 0;
    default:
      return raw;
  }
}

void answered(long answer) {
  if (answer > 0 || answer < -4095) std::abort();  // 0 or an errno
}

template <class Request>
void check_count(const Request& request) {
  if (request.count > request.length || request.count % kPage != 0) std::abort();
}

void one_step(OpenDevice& device, Material& material, ByteReader& input) {
  const auto step = take<std::uint8_t>(input);
  const auto choice = take<std::uint8_t>(input);
  switch (step % 10) {
    case 0: {
      material.secs = make_secs(device.base());
      if ((choice & 1) != 0) material.secs.size = take<std::uint64_t>(input);
      if ((choice & 2) != 0) material.secs.attributes.flags = take<std::uint64_t>(input);
      if ((choice & 4) != 0) material.secs.ssa_frame_size = take<std::uint32_t>(input);
      if ((choice & 8) != 0) material.secs.base_address = take<std::uint64_t>(input);
      sgx_enclave_create request{.src = reinterpret_cast<std::uint64_t>(&material.secs)};
      return answered(device.control(SGX_IOC_ENCLAVE_CREATE, request));
    }
    case 1: {
      auto request = take<sgx_enclave_add_pages>(input);
      request.src = pointer(choice, material, request.src & ~(kPage - 1));
      request.secinfo = pointer(choice >> 4, material, request.secinfo);
      request.offset %= 2 * SE_SIZE;
      request.length %= 8 * kPage;
      if ((choice & 1) != 0) request.offset &= ~(kPage - 1);
      if ((choice & 2) != 0) request.length &= ~(kPage - 1);
      material.secinfo = take<sgx::Secinfo>(input);
      const long answer = device.control(SGX_IOC_ENCLAVE_ADD_PAGES, request);
      if (answer == 0) check_count(request);
      return answered(answer);
    }
    case 2: {
      sgx_enclave_init request{.sigstruct = pointer(choice, material, take<std::uint64_t>(input))};
      return answered(device.control(SGX_IOC_ENCLAVE_INIT, request));
    }
    case 3: {
      auto request = take<sgx_enclave_provision>(input);
      return answered(device.control(SGX_IOC_ENCLAVE_PROVISION, request));
    }
    case 4: {
      auto request = take<sgx_enclave_restrict_permissions>(input);
      const long answer = device.control(SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, request);
      if (answer == 0) check_count(request);
      return answered(answer);
    }
    case 5: {
      auto request = take<sgx_enclave_modify_types>(input);
      const long answer = device.control(SGX_IOC_ENCLAVE_MODIFY_TYPES, request);
      if (answer == 0) check_count(request);
      return answered(answer);
    }
    case 6: {
      auto request = take<sgx_enclave_remove_pages>(input);
      const long answer = device.control(SGX_IOC_ENCLAVE_REMOVE_PAGES, request);
      if (answer == 0) check_count(request);
      return answered(answer);
    }
    case 7:
      return answered(device.map(choice % 16 * kPage, (take<std::uint8_t>(input) % 4 + 1) * kPage, choice >> 5));
    case 8:
      return device.unmap(choice % 12 * kPage, (take<std::uint8_t>(input) % 4 + 1) * kPage);
    default:
      // The whole of a good enclave, so that what comes after INIT is met too.
      return answered(device.build());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::uint64_t place = reserve_elrange();
  static auto* material = new Material;
  OpenDevice device(kTestEpc, place);
  ByteReader input(std::as_bytes(std::span(data, size)));
  for (int steps = 0; input.remaining() > 0 && steps < 24; ++steps) one_step(device, *material, input);
  device.unmap(0, SE_SIZE);
  return 0;
}
