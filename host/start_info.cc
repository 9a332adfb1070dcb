#include "host/start_info.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <thread>

#include "base/secret.h"
#include "boundary/attestation.h"
#include "host/cpuid_table.h"

namespace coffer::host {

using boundary::MountInfo;
using boundary::MountKind;
using boundary::StartInfo;

namespace {

constexpr std::uint32_t kKeyGiven = 3;  // LayoutMount::key_policy

Result<MountPlan> plan_mount(const image::CofferImage& image, const Mount& mount, std::uint32_t id) {
  const auto declared = std::ranges::find_if(image.mounts(), [&](const auto& d) { return d.path == mount.enclave; });
  if (declared == image.mounts().end()) {
    return input_error("the image declares no mount at " + mount.enclave +
                       "; add it to [[mounts]] in coffer.toml and sign again");
  }
  MountPlan plan{id, static_cast<MountKind>(declared->mount.kind), declared->mount.read_only != 0, mount};
  const bool wants_key = plan.kind == MountKind::kEncrypted && declared->mount.key_policy == kKeyGiven;
  if (wants_key && !mount.key) return input_error("the mount " + mount.enclave + " needs a key: --mount-key");
  if (!wants_key && mount.key) return input_error("the mount " + mount.enclave + " takes no key from outside");
  if (mount.enclave.size() >= sizeof(MountInfo::path)) return input_error("the mount path is too long");
  return plan;
}

}  // namespace

Result<std::vector<MountPlan>> plan_mounts(const image::CofferImage& image, std::span<const Mount> mounts) {
  std::vector<MountPlan> plans;
  std::set<std::string> seen;
  for (const Mount& mount : mounts) {
    if (!seen.insert(mount.enclave).second) return input_error("the mount " + mount.enclave + " is given twice");
    auto plan = plan_mount(image, mount, static_cast<std::uint32_t>(plans.size()));
    if (!plan) return std::unexpected(plan.error());
    plans.push_back(std::move(*plan));
  }
  return plans;
}

Result<StartBlock> write_start_block(Arena& arena, const image::CofferImage& image, const RunOptions& options,
                                     std::span<const MountPlan> mounts, std::uint64_t exchange_base,
                                     bool under_debugger) {
  std::string strings(image.program_name());
  strings += '\0';
  for (const auto& list : {options.arguments, options.environment}) {
    for (const std::string& text : list) {
      if (text.find('\0') != std::string::npos) return input_error("an argument holds a NUL byte");
      strings += text;
      strings += '\0';
    }
  }
  StartInfo info{};
  info.arena_base = arena.base();
  info.arena_size = arena.size();
  info.exchange_base = exchange_base;
  info.thread_count = image.layout().thread_count;
  info.argument_count = static_cast<std::uint32_t>(1 + options.arguments.size());
  info.environment_count = static_cast<std::uint32_t>(options.environment.size());
  info.mount_count = static_cast<std::uint32_t>(mounts.size());
  info.mounts_offset = sizeof(StartInfo);
  const std::vector<boundary::CpuidEntry> cpuid = cpuid_table();
  const ByteView cpuid_bytes = std::as_bytes(std::span(cpuid));
  info.cpuid_count = static_cast<std::uint32_t>(cpuid.size());
  info.cpuid_offset = sizeof(StartInfo) + mounts.size() * sizeof(MountInfo);
  info.strings_offset = info.cpuid_offset + cpuid_bytes.size();
  info.strings_size = strings.size();
  info.cpu_count = std::max(1U, std::thread::hardware_concurrency());
  info.stdin_is_terminal = ::isatty(options.standard_input) == 1 ? 1 : 0;
  info.stdout_is_terminal = ::isatty(options.standard_output) == 1 ? 1 : 0;
  info.stderr_is_terminal = ::isatty(options.standard_error) == 1 ? 1 : 0;

  info.flags = under_debugger ? boundary::kStartUnderDebugger : 0;

  boundary::AttestationOrder order;
  if (options.attestation) {
    info.flags |= options.attestation->data ? boundary::kStartReport : boundary::kStartOutputReport;
    std::memcpy(&order.target, options.attestation->target.data(), sizeof(order.target));
    if (options.attestation->data) std::memcpy(order.data.data(), options.attestation->data->data(), order.data.size());
  }
  const std::uint64_t order_offset = info.strings_offset + strings.size();

  StartBlock block{nullptr, order_offset + (options.attestation ? sizeof(order) : 0)};
  block.block = arena.allocate(block.size);
  if (block.block == nullptr) return input_error("the arguments and the environment are too large for the arena");
  std::memcpy(block.block, &info, sizeof(info));
  for (std::size_t i = 0; i < mounts.size(); ++i) {
    MountInfo mount{};
    mount.id = mounts[i].id;
    mount.kind = static_cast<std::uint32_t>(mounts[i].kind);
    mount.read_only = mounts[i].read_only ? 1 : 0;
    mount.has_key = mounts[i].mount.key ? 1 : 0;
    if (mounts[i].mount.key) std::memcpy(mount.key, mounts[i].mount.key->data(), sizeof(mount.key));
    std::memcpy(mount.path, mounts[i].mount.enclave.data(), mounts[i].mount.enclave.size());
    std::memcpy(block.block + sizeof(StartInfo) + i * sizeof(MountInfo), &mount, sizeof(mount));
    wipe(&mount, sizeof(mount));
  }
  std::memcpy(block.block + info.cpuid_offset, cpuid_bytes.data(), cpuid_bytes.size());
  std::memcpy(block.block + info.strings_offset, strings.data(), strings.size());
  if (options.attestation) std::memcpy(block.block + order_offset, &order, sizeof(order));
  return block;
}

void wipe_start_block(Arena& arena, StartBlock block) {
  if (block.block == nullptr) return;
  wipe(block.block, block.size);
  arena.release(block.block);
}

}  // namespace coffer::host
