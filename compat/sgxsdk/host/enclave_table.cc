#include "compat/sgxsdk/host/enclave_table.h"

#include <cstdio>
#include <map>

namespace coffer::sgxsdk {
namespace {

struct Table {
  std::mutex lock;
  sgx_enclave_id_t last = 1;  // numbers that are small look like mistakes, and 0 is "none"
  std::map<sgx_enclave_id_t, EnclaveHandle> enclaves;
};
// Never destroyed: threads of the program may call until the process ends.
Table& table() {
  static auto* only = new Table;
  return *only;
}

}  // namespace

sgx_enclave_id_t add(EnclaveHandle enclave) {
  const std::scoped_lock guard(table().lock);
  const sgx_enclave_id_t id = ++table().last;
  table().enclaves.emplace(id, std::move(enclave));
  return id;
}

EnclaveHandle find(sgx_enclave_id_t id) {
  const std::scoped_lock guard(table().lock);
  const auto found = table().enclaves.find(id);
  return found == table().enclaves.end() ? nullptr : found->second;
}

EnclaveHandle remove(sgx_enclave_id_t id) {
  const std::scoped_lock guard(table().lock);
  auto node = table().enclaves.extract(id);
  return node.empty() ? nullptr : std::move(node.mapped());
}

sgx_status_t RunningEnclave::end_status() {
  std::call_once(asked_, [this] {
    const auto status = enclave.wait();
    // The program ended by itself: it crashed. The cell is gone: the enclave is lost, as after a power transition.
    if (!status) return;
    end_ = SGX_ERROR_ENCLAVE_CRASHED;
    if (!status->detail.empty()) std::fprintf(stderr, "sgx_urts: the enclave crashed: %s\n", status->detail.c_str());
  });
  return end_;
}

}  // namespace coffer::sgxsdk
