// The ioctls' and mappings' answers, errors first.
#include "emulate/device.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <cerrno>

#include <thread>

#include "boundary/emulated_device.h"
#include "emulate/testing/device_fixture.h"

namespace coffer::emulate::testing {
namespace {

constexpr int kRw = PROT_READ | PROT_WRITE;
constexpr std::uint64_t kPage = sgx::kPageSize;

template <class T>
std::uint64_t address_of(const T& value) {
  return reinterpret_cast<std::uint64_t>(&value);
}

sgx_enclave_add_pages add_request(const Segment& segment, const sgx::Secinfo& secinfo) {
  sgx_enclave_add_pages request{};
  request.src = reinterpret_cast<std::uint64_t>(segment.content.data());
  request.offset = segment.offset;
  request.length = segment.content.size();
  request.secinfo = address_of(secinfo);
  request.flags = SGX_PAGE_MEASURE;
  return request;
}

long create(OpenDevice& device, const std::function<void(sgx::Secs&)>& change = {}) {
  sgx::Secs secs = make_secs(device.base());
  if (change) change(secs);
  sgx_enclave_create request{.src = address_of(secs)};
  return device.control(SGX_IOC_ENCLAVE_CREATE, request);
}

TEST(Create, Errors) {
  OpenDevice device;
  sgx_enclave_create nowhere{.src = 8};
  EXPECT_EQ(device.control(SGX_IOC_ENCLAVE_CREATE, nowhere), -EFAULT);
  EXPECT_EQ(device.device().control(SGX_IOC_ENCLAVE_CREATE, 8, device), -EFAULT);
  EXPECT_EQ(create(device, [](sgx::Secs& secs) { secs.size = 3 * kPage; }), -EINVAL);
  EXPECT_EQ(create(device, [](sgx::Secs& secs) { secs.size = 0; }), -EINVAL);
  EXPECT_EQ(create(device, [](sgx::Secs& secs) { secs.base_address += kPage; }), -EIO) << "not aligned to the size";
  EXPECT_EQ(create(device, [](sgx::Secs& secs) { secs.attributes.flags = 0; }), -EIO) << "not 64-bit";
  EXPECT_EQ(create(device, [](sgx::Secs& secs) { secs.reserved3[0] = 1; }), -EIO);
  EXPECT_EQ(create(device), 0);
  EXPECT_EQ(create(device), -EINVAL) << "twice";
}

TEST(Ioctls, AskForTheRightState) {
  OpenDevice device;
  sgx_enclave_add_pages add{};
  sgx_enclave_init init{};
  sgx_enclave_restrict_permissions restrict {};
  sgx_enclave_modify_types modify{};
  sgx_enclave_remove_pages remove{};
  for (const bool created : {false, true}) {
    if (created) {
      ASSERT_EQ(create(device), 0);
    } else {
      EXPECT_EQ(device.control(SGX_IOC_ENCLAVE_ADD_PAGES, add), -EINVAL);
      EXPECT_EQ(device.control(SGX_IOC_ENCLAVE_INIT, init), -EINVAL);
    }
    EXPECT_EQ(device.control(SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, restrict), -EINVAL);
    EXPECT_EQ(device.control(SGX_IOC_ENCLAVE_MODIFY_TYPES, modify), -EINVAL);
    EXPECT_EQ(device.control(SGX_IOC_ENCLAVE_REMOVE_PAGES, remove), -EINVAL);
    EXPECT_EQ(device.device().control(boundary::kEmulatedTrapCpuid, 0, device), -EINVAL);
  }
  EXPECT_EQ(device.control(_IO(SGX_MAGIC, 0x7f), add), -ENOTTY);
  OpenDevice built;
  ASSERT_EQ(built.build_and_map(), 0);
  for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{1} << 47, ~std::uint64_t{0}}) {
    EXPECT_EQ(built.device().control(boundary::kEmulatedTrapCpuid, offset, built), -EINVAL) << "no image of Coffer's";
  }
}

TEST(AddPages, Errors) {
  OpenDevice device;
  ASSERT_EQ(create(device), 0);
  const Segment& segment = segments()[2];
  const auto refused = [&](const std::function<void(sgx_enclave_add_pages&, sgx::Secinfo&)>& change) {
    sgx::Secinfo secinfo{.flags = segment.flags};
    sgx_enclave_add_pages request = add_request(segment, secinfo);
    change(request, secinfo);
    return device.control(SGX_IOC_ENCLAVE_ADD_PAGES, request);
  };
  EXPECT_EQ(refused([](auto& request, auto&) { request.src += 1; }), -EINVAL);
  EXPECT_EQ(refused([](auto& request, auto&) { request.offset += 1; }), -EINVAL);
  EXPECT_EQ(refused([](auto& request, auto&) { request.length = 0; }), -EINVAL);
  EXPECT_EQ(refused([](auto& request, auto&) { request.length = kPage / 2; }), -EINVAL);
  EXPECT_EQ(refused([](auto& request, auto&) { request.offset = SE_SIZE; }), -EINVAL);
  EXPECT_EQ(refused([](auto& request, auto&) { request.offset = ~(kPage - 1); }), -EINVAL) << "wraps";
  EXPECT_EQ(refused([](auto& request, auto&) { request.src = 0; }), -EFAULT);
  EXPECT_EQ(refused([](auto& request, auto&) { request.secinfo = 0; }), -EFAULT);
  EXPECT_EQ(refused([](auto&, auto& secinfo) { secinfo.flags.value = 0x202; }), -EINVAL) << "W without R";
  EXPECT_EQ(refused([](auto&, auto& secinfo) { secinfo.flags.value = 0x103; }), -EINVAL) << "a TCS with permissions";
  EXPECT_EQ(refused([](auto&, auto& secinfo) { secinfo.flags.value = 0x003; }), -EINVAL) << "a SECS";
  EXPECT_EQ(refused([](auto&, auto& secinfo) { secinfo.flags.value |= 8; }), -EINVAL) << "PENDING";
  EXPECT_EQ(refused([](auto&, auto& secinfo) { secinfo.reserved[55] = 1; }), -EINVAL);
  EXPECT_EQ(refused([](auto&, auto&) {}), 0);
  EXPECT_EQ(refused([](auto&, auto&) {}), -EBUSY) << "there already";
}

TEST(AddPages, TellsHowFarItGot) {
  OpenDevice device;
  ASSERT_EQ(create(device), 0);
  const sgx::Secinfo secinfo{.flags = segments()[2].flags};
  void* source = ::mmap(nullptr, 3 * kPage, kRw, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(source, MAP_FAILED);
  ::munmap(static_cast<std::byte*>(source) + 2 * kPage, kPage);
  sgx_enclave_add_pages request{};
  request.src = reinterpret_cast<std::uint64_t>(source);
  request.length = 3 * kPage;
  request.secinfo = address_of(secinfo);
  EXPECT_EQ(device.control(SGX_IOC_ENCLAVE_ADD_PAGES, request), -EFAULT);
  EXPECT_EQ(request.count, 2 * kPage);
  ::munmap(source, 2 * kPage);
}

TEST(Init, Errors) {
  const auto answer = [](const std::function<void(sgx::Sigstruct&)>& before,
                         const std::function<void(sgx::Sigstruct&)>& after) {
    OpenDevice device;
    sgx::Sigstruct sigstruct = make_sigstruct(before);
    if (after) after(sigstruct);
    const Control control = [&](unsigned long request, void* argument) -> long {
      if (request == SGX_IOC_ENCLAVE_INIT) return 0;
      return device.device().control(request, reinterpret_cast<std::uint64_t>(argument), device);
    };
    EXPECT_EQ(testing::build(control, device.base()), 0);
    sgx_enclave_init request{.sigstruct = address_of(sigstruct)};
    return device.control(SGX_IOC_ENCLAVE_INIT, request);
  };
  EXPECT_EQ(answer({}, {}), 0);
  EXPECT_EQ(answer({}, [](auto& s) { s.signature[0] ^= 1; }), -EPERM);
  EXPECT_EQ(answer([](auto& s) { s.enclave_hash.bytes[0] ^= 1; }, {}), -EPERM);
  EXPECT_EQ(answer({}, [](auto& s) { s.vendor = 1; }), -EINVAL);
  EXPECT_EQ(answer([](auto& s) { s.attributes.flags |= std::uint64_t{1} << 40; }, {}), -EINVAL) << "unknown attribute";
  EXPECT_EQ(answer([](auto& s) { s.misc_select |= 1u << 31; }, {}), -EINVAL);
}

TEST(Provision, IsForWhoHoldsTheDevice) {
  OpenDevice device;
  ASSERT_EQ(create(device, [](sgx::Secs& secs) { secs.attributes.flags |= sgx::attribute::kProvisionKey; }), 0);
  const sgx::Sigstruct sigstruct = make_sigstruct();
  sgx_enclave_init init{.sigstruct = address_of(sigstruct)};
  EXPECT_EQ(device.control(SGX_IOC_ENCLAVE_INIT, init), -EACCES);
  sgx_enclave_provision provision{.fd = 5};
  EXPECT_EQ(device.control(SGX_IOC_ENCLAVE_PROVISION, provision), -EINVAL) << "some other descriptor";
  device.provisioning.insert(5);
  EXPECT_EQ(device.control(SGX_IOC_ENCLAVE_PROVISION, provision), 0);
  EXPECT_EQ(device.control(SGX_IOC_ENCLAVE_INIT, init), -EPERM) << "now it is the signature that is wrong";
}

TEST(Mappings, AreBoundedByWhatThePagesWereAddedWith) {
  OpenDevice device;
  ASSERT_EQ(device.map(0, SE_SIZE, kRw | PROT_EXEC), 0) << "nothing is there yet";
  device.unmap(0, SE_SIZE);
  ASSERT_EQ(device.build(), 0);
  EXPECT_EQ(device.map(SE_CODE, kPage, PROT_READ | PROT_EXEC), 0);
  EXPECT_EQ(device.map(SE_CODE, kPage, kRw), -EACCES);
  EXPECT_EQ(device.map(SE_DATA, kPage, PROT_READ | PROT_EXEC), -EACCES);
  EXPECT_EQ(device.map(SE_TCS, 2 * kPage, kRw), 0) << "a TCS is mapped so, whatever its permissions";
  EXPECT_EQ(device.map(SE_CODE, 2 * kPage, PROT_READ | PROT_EXEC), -EACCES) << "one page of the range refuses";
  EXPECT_EQ(device.map(SE_CODE, 2 * kPage, PROT_READ), 0);
  EXPECT_EQ(device.map(SE_FREE, kPage, kRw | PROT_EXEC), 0) << "nobody said anything about this page";
  EXPECT_EQ(device.device().may_map(device.base() + SE_SIZE, device.base() + SE_SIZE + kPage, PROT_READ), -EACCES);
}

TEST(ChangingPages, Errors) {
  OpenDevice device;
  ASSERT_EQ(device.build_and_map(), 0);
  const auto restrict = [&](sgx_enclave_restrict_permissions request) {
    return device.control(SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, request);
  };
  EXPECT_EQ(restrict({.offset = SE_DATA, .length = 0, .permissions = 1}), -EINVAL);
  EXPECT_EQ(restrict({.offset = SE_DATA + 1, .length = kPage, .permissions = 1}), -EINVAL);
  EXPECT_EQ(restrict({.offset = SE_DATA, .length = kPage, .permissions = 2}), -EINVAL) << "W without R";
  EXPECT_EQ(restrict({.offset = SE_DATA, .length = kPage, .permissions = 8}), -EINVAL);
  EXPECT_EQ(restrict({.offset = SE_DATA, .length = kPage, .permissions = 1, .result = 1}), -EINVAL);
  EXPECT_EQ(restrict({.offset = SE_DATA, .length = kPage, .permissions = 1, .count = 1}), -EINVAL);
  EXPECT_EQ(restrict({.offset = SE_TCS, .length = kPage, .permissions = 1}), -EINVAL) << "a TCS";
  EXPECT_EQ(restrict({.offset = SE_FREE, .length = kPage, .permissions = 1}), -EFAULT) << "no page";
  const auto modify = [&](sgx_enclave_modify_types request) {
    return device.control(SGX_IOC_ENCLAVE_MODIFY_TYPES, request);
  };
  EXPECT_EQ(modify({.offset = SE_DATA, .length = kPage, .page_type = 2}), -EINVAL) << "REG is no new type";
  EXPECT_EQ(modify({.offset = SE_DATA, .length = kPage, .page_type = 0x101}), -EINVAL);
  EXPECT_EQ(modify({.offset = SE_TCS, .length = kPage, .page_type = 1}), -EINVAL) << "TCS to TCS";
  EXPECT_EQ(modify({.offset = SE_CODE, .length = kPage, .page_type = 1}), -EPERM) << "was never writable";
  EXPECT_EQ(modify({.offset = SE_FREE, .length = kPage, .page_type = 4}), -EFAULT);
  sgx_enclave_remove_pages remove{.offset = SE_DATA, .length = kPage};
  EXPECT_EQ(device.control(SGX_IOC_ENCLAVE_REMOVE_PAGES, remove), -EPERM) << "not trimmed";
}

TEST(RemovePages, OnlyWhatTheEnclaveHasAccepted) {
  OpenDevice device;
  ASSERT_EQ(device.build_and_map(), 0);
  sgx_enclave_modify_types trim{.offset = SE_DATA2, .length = kPage, .page_type = 4};
  ASSERT_EQ(device.control(SGX_IOC_ENCLAVE_MODIFY_TYPES, trim), 0);
  EXPECT_EQ(trim.count, kPage);
  sgx_enclave_remove_pages remove{.offset = SE_DATA2, .length = kPage};
  EXPECT_EQ(device.control(SGX_IOC_ENCLAVE_REMOVE_PAGES, remove), -EPERM) << "EACCEPT was skipped";
  EXPECT_EQ(remove.count, 0u);
  // EACCEPT wants its SECINFO inside: the enclave writes it, and runs the leaf.
  sgx_enclave_run run = device.run();
  const std::uint64_t secinfo = device.base() + SE_DATA + 0x40;
  Call store{.rdi = SE_CMD_STORE, .rsi = 0x400 | 0x10, .rdx = secinfo};
  ASSERT_EQ(device.enter(store, run), 0);
  Call accept{.rdi = SE_CMD_LEAF, .rsi = SGX_ENCLU_EACCEPT, .rdx = secinfo, .r8 = device.base() + SE_DATA2};
  ASSERT_EQ(device.enter(accept, run), 0);
  ASSERT_EQ(run.function, 4u);
  EXPECT_EQ(accept.rdi, 0u);
  EXPECT_EQ(device.control(SGX_IOC_ENCLAVE_REMOVE_PAGES, remove), 0);
  EXPECT_EQ(remove.count, kPage);
  sgx_enclave_remove_pages again{.offset = SE_DATA2, .length = kPage};
  EXPECT_EQ(device.control(SGX_IOC_ENCLAVE_REMOVE_PAGES, again), -EFAULT) << "gone";
}

}  // namespace
}  // namespace coffer::emulate::testing
