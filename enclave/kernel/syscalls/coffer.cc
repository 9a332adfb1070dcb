// Coffer's own system calls: reports and keys. include/coffer/enclave.h is their face. Calls are call_syscalls().
#include <cerrno>
#include <cstring>

#include "base/bytes.h"
#include "base/secret.h"
#include "boundary/monotonic_counters.h"
#include "enclave/kernel/core/enclu.h"
#include "enclave/kernel/core/kernel.h"
#include "enclave/kernel/support/crypto.h"
#include "enclave/kernel/syscalls/syscall.h"

namespace coffer::kernel {

namespace {

using Arguments = SyscallArguments;

// EGETKEY of the report key, and the MAC again (SDM 3D 40.4, EREPORT).
std::int64_t check_report(std::uint64_t address) {
  sgx::Report report;
  if (!get_user(address, &report)) return -EFAULT;
  sgx::KeyRequest request{};
  request.key_name = static_cast<std::uint16_t>(sgx::KeyName::kReport);
  request.key_id = report.key_id;
  sgx::Bytes<16> key{};
  if (get_key(request, &key) != sgx::LeafError::kSuccess) return -EIO;
  std::array<std::byte, 16> mac;
  aes128_cmac(std::as_bytes(std::span<const std::uint8_t, 16>(key)), bytes_of(report.body), mac);
  wipe(&key, sizeof(key));
  const bool same = equal_in_constant_time(mac, std::as_bytes(std::span(report.mac)));
  return same ? 0 : -EBADMSG;
}

std::int64_t sys_report(const Arguments& c) {
  constexpr std::uint64_t kCheck = 1;
  if (c.a[3] == kCheck) return check_report(c.a[0]);
  sgx::Bytes<64> data;
  sgx::TargetInfo target;
  sgx::Report report;
  if (!get_user(c.a[0], &data) || !get_user(c.a[1], &target)) return -EFAULT;
  if (!make_report(target, data, &report)) return -EINVAL;
  return put_user(c.a[2], report) ? 0 : -EFAULT;
}

std::int64_t sys_target_info(const Arguments& c) {
  sgx::Report report;
  if (!make_report(sgx::TargetInfo{}, {}, &report)) return -EIO;
  sgx::TargetInfo info{};
  info.mrenclave = report.body.mrenclave;
  info.attributes = report.body.attributes;
  info.misc_select = report.body.misc_select;
  info.config_id = report.body.config_id;
  info.config_svn = report.body.config_svn;
  return put_user(c.a[0], info) ? 0 : -EFAULT;
}

std::int64_t sys_seal_key(const Arguments& c) {
  if (c.a[0] != sgx::key_policy::kMrEnclave && c.a[0] != sgx::key_policy::kMrSigner) return -EINVAL;
  sgx::KeyRequest request{};
  request.key_name = static_cast<std::uint16_t>(sgx::KeyName::kSeal);
  request.key_policy = static_cast<std::uint16_t>(c.a[0]);
  request.attribute_mask.flags = sgx::attribute::kInit | sgx::attribute::kDebug;
  if (!get_user(c.a[1], &request.key_id)) return -EFAULT;
  sgx::Bytes<16> key{};
  if (get_key(request, &key) != sgx::LeafError::kSuccess) return -EIO;
  const bool given = put_user(c.a[2], key);
  wipe(&key, sizeof(key));
  return given ? 0 : -EFAULT;
}

constexpr std::uint16_t kKssPolicy = sgx::key_policy::kNoIsvProdId | sgx::key_policy::kConfigId |
                                     sgx::key_policy::kIsvFamilyId | sgx::key_policy::kIsvExtProdId;

bool has_kss() {
  sgx::Report report;
  return make_report(sgx::TargetInfo{}, {}, &report) && (report.body.attributes.flags & sgx::attribute::kKss) != 0;
}

// What EGETKEY answers with #GP, which would be the kernel's own fault (SDM 3D 40.4, EGETKEY).
bool would_fault(const sgx::KeyRequest& request) {
  constexpr std::uint16_t kKnown = sgx::key_policy::kMrEnclave | sgx::key_policy::kMrSigner | kKssPolicy;
  std::uint8_t reserved = request.reserved1;
  for (const std::uint8_t byte : request.reserved2) reserved |= byte;
  if (reserved != 0 || (request.key_policy & ~kKnown) != 0) return true;
  return ((request.key_policy & kKssPolicy) != 0 || request.config_svn != 0) && !has_kss();
}

// EGETKEY as it is: 0, the leaf's error as a positive number, or a negative errno.
std::int64_t sys_get_key(const Arguments& c) {
  sgx::KeyRequest request;
  if (!get_user(c.a[0], &request)) return -EFAULT;
  if (would_fault(request)) return -EINVAL;
  sgx::Bytes<16> key{};
  const sgx::LeafError error = get_key(request, &key);
  if (error != sgx::LeafError::kSuccess) return static_cast<std::int64_t>(error);
  const bool given = put_user(c.a[1], key);
  wipe(&key, sizeof(key));
  return given ? 0 : -EFAULT;
}

// A counter of the platform. What the host answers is believed where the vault has authenticated it.
std::int64_t sys_counter(const Arguments& c) {
  boundary::CounterStatement statement;
  statement.question.operation = static_cast<boundary::CounterOperation>(c.a[0]);
  statement.question.id = c.a[1];
  auto& nonce = statement.question.nonce;
  random_bytes(std::as_writable_bytes(std::span(nonce)));
  const Answer answer = call_host(boundary::Request::kCounter, c.a[0], c.a[1], nonce[0], nonce[1]);
  statement.result = answer.result;
  statement.value = answer.extra[0];
  sgx::KeyRequest request{};
  request.key_name = static_cast<std::uint16_t>(sgx::KeyName::kReport);
  request.key_id = boundary::kCounterKeyId;
  sgx::Bytes<16> key{};
  if (get_key(request, &key) != sgx::LeafError::kSuccess) return -EIO;
  std::array<std::byte, 16> mac;
  aes128_cmac(std::as_bytes(std::span<const std::uint8_t, 16>(key)), bytes_of(statement), mac);
  wipe(&key, sizeof(key));
  const std::array<std::uint64_t, 2> given = {answer.extra[1], answer.extra[2]};
  if (!equal_in_constant_time(mac, std::as_bytes(std::span(given)))) {
    return answer.result == -ENOSYS ? -ENOSYS : -EBADMSG;
  }
  constexpr std::int64_t kMostErrno = 4095;
  if (answer.result != 0) return answer.result < 0 && answer.result >= -kMostErrno ? answer.result : -EIO;
  return put_user(c.a[2], statement.value) ? 0 : -EFAULT;
}

constexpr SyscallEntry kTable[] = {
    {0xf001, "coffer_report", "data, target_info, report, check", sys_report, ""},
    {0xf002, "coffer_seal_key", "policy, key_id, key", sys_seal_key, ""},
    {0xf004, "coffer_target_info", "target_info", sys_target_info, ""},
    {0xf005, "coffer_get_key", "key_request, key", sys_get_key, ""},
    {0xf006, "coffer_counter", "operation, id, value", sys_counter,
     "value: authenticated by the platform's vault for this question; an error: any"},
};

}  // namespace

std::span<const SyscallEntry> coffer_syscalls() { return kTable; }

}  // namespace coffer::kernel
