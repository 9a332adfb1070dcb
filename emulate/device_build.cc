// The ioctls that build an enclave: CREATE, ADD_PAGES, INIT, PROVISION.
#include <asm/sgx.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>

#include "boundary/emulated_device.h"
#include "emulate/device.h"
#include "emulate/user_memory.h"
#include "processor/entry.h"
#include "processor/patch.h"
#include "processor/raw_entry.h"

namespace coffer::emulate {

using processor::LeafOutcome;
using processor::SoftEnclave;
using sgx::kPageSize;
using sgx::PageType;
using sgx::SecinfoFlags;

namespace {

constexpr std::uint8_t kKnown = 0x80;
constexpr std::uint64_t kPagesAtOnce = 64;  // copied in from the program

// Attributes that any enclave may have; the keys of the platform are for those that PROVISION lets.
constexpr std::uint64_t kOrdinaryAttributes =
    sgx::attribute::kDebug | sgx::attribute::kMode64Bit | sgx::attribute::kKss | sgx::attribute::kAexNotify;

bool secinfo_valid(const sgx::Secinfo& secinfo) {
  const SecinfoFlags flags = secinfo.flags;
  const bool tcs = flags.type() == PageType::kTcs;
  if (!tcs && flags.type() != PageType::kReg) return false;
  if (flags.writable() && !flags.readable()) return false;
  // The processor would quietly make a TCS's permissions none, and so measure something else than it was told.
  if (tcs && flags.permissions() != 0) return false;
  constexpr std::uint64_t kMeaningful = 7 | 0xff00;
  return (flags.value & ~kMeaningful) == 0 && std::ranges::all_of(secinfo.reserved, [](auto b) { return b == 0; });
}

int protection_of(SecinfoFlags flags) {
  if (flags.type() == PageType::kTcs) return PROT_READ | PROT_WRITE;
  return (flags.readable() ? PROT_READ : 0) | (flags.writable() ? PROT_WRITE : 0) |
         (flags.executable() ? PROT_EXEC : 0);
}

}  // namespace

long Device::dispatch(unsigned long request, std::uint64_t argument, const Surroundings& surroundings) {
  switch (request) {
    case SGX_IOC_ENCLAVE_CREATE:
      return create(argument, surroundings);
    case SGX_IOC_ENCLAVE_ADD_PAGES:
      return add_pages(argument);
    case SGX_IOC_ENCLAVE_INIT:
      return init(argument);
    case SGX_IOC_ENCLAVE_PROVISION:
      return provision(argument, surroundings);
    case SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS:
      return restrict_permissions(argument);
    case SGX_IOC_ENCLAVE_MODIFY_TYPES:
      return modify_types(argument);
    case SGX_IOC_ENCLAVE_REMOVE_PAGES:
      return remove_pages(argument);
    case boundary::kEmulatedTrapCpuid:
      return trap_cpuid(argument);
    default:
      return -ENOTTY;
  }
}

long Device::create(std::uint64_t argument, const Surroundings& surroundings) {
  if (enclave_ != nullptr) return -EINVAL;
  sgx_enclave_create parameters;
  if (!read_user(argument, parameters)) return -EFAULT;
  sgx::Secs secs;
  if (!read_user(parameters.src, secs)) return -EFAULT;
  if (!std::has_single_bit(secs.size)) return -EINVAL;
  return create_enclave(secs, surroundings);
}

long Device::create_enclave(const sgx::Secs& secs, const Surroundings& surroundings) {
  const auto zero = [](const auto& bytes) { return std::ranges::all_of(bytes, [](auto b) { return b == 0; }); };
  // ECREATE faults over anything that is reserved, and over the fields that EINIT is to fill.
  if (!zero(secs.reserved1) || !zero(secs.reserved2) || !zero(secs.reserved3) || !zero(secs.reserved4) ||
      (secs.attributes.flags & sgx::attribute::kInit) != 0) {
    return -EIO;
  }
  auto enclave = SoftEnclave::make({.epc_size = platform_.epc_size,
                                    .page_limit = secs.size,
                                    .want_secret_memory = false,
                                    .share = platform_.epc->share(),
                                    .host_pages = this},
                                   platform_.keys);
  if (!enclave) return -ENOMEM;
  constexpr std::uint64_t kLargest = std::uint64_t{1} << 47;
  if (secs.size > kLargest || !mapped_.reserve(secs.size / kPageSize) || !largest_.reserve(secs.size / kPageSize)) {
    return -EIO;
  }
  auto created = (*enclave)->ecreate({.size = secs.size,
                                      .ssa_frame_size = secs.ssa_frame_size,
                                      .misc_select = secs.misc_select,
                                      .attributes = secs.attributes,
                                      .config_id = secs.config_id,
                                      .config_svn = secs.config_svn},
                                     secs.base_address);
  if (!created || !created->ok()) return -EIO;
  auto pager = processor::Pager::attach(**enclave, {}, platform_.epc);
  if (!pager) return -ENOMEM;
  enclave_ = std::move(*enclave);
  pager_ = std::move(*pager);
  if ((allowed_attributes_ & sgx::attribute::kProvisionKey) != 0) {
    enclave_->permit_attributes(sgx::attribute::kProvisionKey);
  }
  allowed_attributes_ |= kOrdinaryAttributes;
  for (const Mapping& mapping : surroundings.mappings(*this)) show(mapping.begin, mapping.end, mapping.protection);
  return 0;
}

long Device::add_page(std::uint64_t offset, const sgx::Secinfo& secinfo, ByteView content, bool measure) {
  if (enclave_->page_at(offset) || pager_->holds(offset)) return -EBUSY;
  {
    // Before EADD, so that no mapping can be made in between that allows more than the page.
    const std::scoped_lock guard(lock_);
    largest_.set(offset / kPageSize, static_cast<std::uint8_t>(kKnown | protection_of(secinfo.flags)));
  }
  const LeafOutcome added =
      pager_->add_pages(offset, secinfo.flags, content, measure ? sgx::kExtendAll : sgx::kExtendNone);
  if (added.ok()) return 0;
  const std::scoped_lock guard(lock_);
  largest_.set(offset / kPageSize, 0);
  return added.fault == LeafOutcome::Fault::kPageFault ? -ENOMEM : -EIO;
}

long Device::add_pages(std::uint64_t argument) {
  if (enclave_ == nullptr || initialised()) return -EINVAL;
  sgx_enclave_add_pages parameters;
  if (!read_user(argument, parameters)) return -EFAULT;
  if (parameters.src % kPageSize != 0 || !range_valid(parameters.offset, parameters.length)) return -EINVAL;
  sgx::Secinfo secinfo;
  if (!read_user(parameters.secinfo, secinfo)) return -EFAULT;
  if (!secinfo_valid(secinfo)) return -EINVAL;
  const bool measure = (parameters.flags & SGX_PAGE_MEASURE) != 0;
  std::vector<std::byte> pages(std::min<std::uint64_t>(parameters.length, kPagesAtOnce * kPageSize));
  long answer = 0;
  std::uint64_t done = 0;
  while (done < parameters.length && answer == 0) {
    std::uint64_t piece = std::min<std::uint64_t>(parameters.length - done, pages.size());
    // A page that is not there ends the work at that page, not at the piece it was copied with.
    if (!read_user(parameters.src + done, pages.data(), piece)) {
      piece = kPageSize;
      if (!read_user(parameters.src + done, pages.data(), piece)) answer = -EFAULT;
    }
    for (std::uint64_t at = 0; at < piece && answer == 0; at += kPageSize) {
      answer = add_page(parameters.offset + done, secinfo, ByteView(pages).subspan(at, kPageSize), measure);
      if (answer == 0) done += kPageSize;
    }
  }
  parameters.count = done;
  return write_user(argument, parameters) ? answer : -EFAULT;
}

long Device::init(std::uint64_t argument) {
  if (enclave_ == nullptr || initialised()) return -EINVAL;
  sgx_enclave_init parameters;
  if (!read_user(argument, parameters)) return -EFAULT;
  sgx::Sigstruct sigstruct;
  if (!read_user(parameters.sigstruct, sigstruct)) return -EFAULT;
  if (sigstruct.vendor != 0 && sigstruct.vendor != 0x8086) return -EINVAL;
  const sgx::Attributes& wanted = sigstruct.attributes;
  const sgx::Attributes& mask = sigstruct.attribute_mask;
  if ((enclave_->secs().attributes.flags & ~allowed_attributes_) != 0) return -EACCES;
  if ((wanted.flags & mask.flags & ~sgx::attribute::kKnown) != 0 ||
      (sigstruct.misc_select & sigstruct.misc_mask & ~sgx::kMiscExInfo) != 0 ||
      (wanted.xfrm & mask.xfrm & ~processor::machine_xfrm()) != 0) {
    return -EINVAL;
  }
  const LeafOutcome outcome = enclave_->einit(sigstruct);
  if (outcome.fault != LeafOutcome::Fault::kNone) return -EIO;
  if (!outcome.ok()) return -EPERM;
  return processor::publish_enclave(*enclave_) ? 0 : -ENOMEM;
}

long Device::provision(std::uint64_t argument, const Surroundings& surroundings) {
  sgx_enclave_provision parameters;
  if (!read_user(argument, parameters)) return -EFAULT;
  if (!surroundings.is_provisioning(static_cast<int>(parameters.fd))) return -EINVAL;
  allowed_attributes_ |= sgx::attribute::kProvisionKey;
  if (enclave_ != nullptr) enclave_->permit_attributes(sgx::attribute::kProvisionKey);
  return 0;
}

// Not the driver's: hardware needs nobody to ask.
long Device::trap_cpuid(std::uint64_t layout_offset) {
  if (!initialised()) return -EINVAL;
  return processor::trap_cpuid(*enclave_, layout_offset) ? 0 : -EINVAL;
}

}  // namespace coffer::emulate
