#include "enclave/quoting/parts.h"

#include "enclave/sdk/platform.h"

namespace coffer::quoting {

Status own_target(sgx::TargetInfo& target) {
  const auto own = sdk::platform::own_identity();
  if (!own) return Status::kSystem;
  target = {};
  target.mrenclave = own->mrenclave;
  target.attributes = own->attributes;
  target.misc_select = own->misc_select;
  target.config_id = own->config_id;
  target.config_svn = own->config_svn;
  return Status::kDone;
}

}  // namespace coffer::quoting
