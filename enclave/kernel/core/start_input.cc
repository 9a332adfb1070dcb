#include "enclave/kernel/core/start_input.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/bytes.h"
#include "enclave/kernel/core/image.h"
#include "enclave/kernel/core/kernel.h"
#include "enclave/kernel/support/cpuid.h"

namespace coffer::kernel {

using boundary::LayoutMount;
using boundary::MountInfo;
using boundary::StartInfo;

namespace {

constexpr std::uint64_t kMaxStrings = std::uint64_t{1} << 20;
constexpr std::uint32_t kMaxMounts = 32;
constexpr std::uint32_t kMaxStringCount = 65536;

void check_arena(const StartInfo& info, std::uint64_t address, std::uint64_t size) {
  if (!outside_enclave(info.arena_base, info.arena_size)) panic("the host's arena overlaps the enclave");
  set_arena(info.arena_base, info.arena_size);
  const std::uint64_t exchange = std::uint64_t{layout().thread_count} * sizeof(boundary::ExchangeArea);
  if (!in_arena(address, size)) panic("the host's start block lies outside the arena");
  if (info.thread_count < layout().thread_count || info.exchange_base % alignof(boundary::ExchangeArea) != 0 ||
      !in_arena(info.exchange_base, exchange)) {
    panic("the host's exchange areas lie outside the arena");
  }
}

void split(std::vector<std::string_view>& out, const char*& at, const char* end, std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto* stop = static_cast<const char*>(std::memchr(at, 0, static_cast<std::size_t>(end - at)));
    if (stop == nullptr) panic("the host's argument strings are not terminated");
    out.emplace_back(at, static_cast<std::size_t>(stop - at));
    at = stop + 1;
  }
}

// The image's own list: "NAME" lets a variable of the host pass, "NAME=value" sets one.
std::vector<std::string_view> filter_environment(const std::vector<std::string_view>& offered) {
  std::vector<std::string_view> result;
  const std::string_view table = layout_text(layout().environment_table, layout().environment_size);
  std::vector<std::string_view> allowed;
  for (std::size_t at = 0; at < table.size();) {
    const std::size_t stop = std::min(table.find('\0', at), table.size());
    const std::string_view entry(table.data() + at, stop - at);
    (entry.find('=') == std::string_view::npos ? allowed : result).push_back(entry);
    at = stop + 1;
  }
  const bool any = (layout().flags & boundary::kLayoutAnyEnvironment) != 0 && is_debug_enclave();
  for (std::string_view variable : offered) {
    const std::string_view name = variable.substr(0, variable.find('='));
    bool pass = any && name.size() < variable.size();
    for (std::string_view entry : allowed) pass = pass || (entry == name && name.size() < variable.size());
    if (pass) result.push_back(variable);
  }
  return result;
}

void take_mount(const MountInfo& offered, std::vector<MountInfo>* mounts) {
  MountInfo mount = offered;
  const auto* end = static_cast<const char*>(std::memchr(mount.path, 0, sizeof(mount.path)));
  if (end == nullptr) panic("the host gave a mount path that is not terminated");
  const std::string_view path(mount.path, static_cast<std::size_t>(end - mount.path));
  for (const LayoutMount& declared : layout_table<LayoutMount>(layout().mounts_table, layout().mount_count)) {
    if (layout_text(declared.path_offset, declared.path_size) != path) continue;
    // Kind and rights are the image's to say; whether a key may come from outside is too.
    constexpr std::uint32_t kKeyGiven = 3;
    mount.kind = declared.kind;
    mount.read_only = declared.read_only;
    const bool wants_key =
        mount.kind == static_cast<std::uint32_t>(boundary::MountKind::kEncrypted) && declared.key_policy == kKeyGiven;
    if (wants_key != (mount.has_key != 0))
      panic("the host gave a mount a key that the image does not ask for, or none");
    mounts->push_back(mount);
    return;
  }
  panic("the host gave a mount that the image does not declare");
}

}  // namespace

void read_start_info(std::uint64_t address, std::uint64_t size, std::uint64_t xfrm, StartInput* input) {
  if (size < sizeof(StartInfo) || !outside_enclave(address, size)) panic("the host's start block is malformed");
  std::memcpy(&input->info, reinterpret_cast<const void*>(address), sizeof(StartInfo));
  const StartInfo& info = input->info;
  std::array<boundary::CpuidEntry, boundary::kMaxCpuidEntries> claims;
  const std::uint64_t bytes = std::uint64_t{info.cpuid_count} * sizeof(claims[0]);
  if (info.cpuid_count > claims.size() || !range_fits(info.cpuid_offset, bytes, size)) {
    panic("the host's start block is malformed");
  }
  std::memcpy(claims.data(), reinterpret_cast<const void*>(address + info.cpuid_offset), bytes);
  remember_cpuid_claims(std::span(claims).first(info.cpuid_count), xfrm);
}

void read_start_input(std::uint64_t address, std::uint64_t size, StartInput* input) {
  const StartInfo& info = input->info;
  check_arena(info, address, size);
  if (!range_fits(info.strings_offset, info.strings_size, size) || info.strings_size > kMaxStrings ||
      info.argument_count > kMaxStringCount || info.environment_count > kMaxStringCount ||
      info.mount_count > kMaxMounts ||
      !range_fits(info.mounts_offset, std::uint64_t{info.mount_count} * sizeof(MountInfo), size)) {
    panic("the host's start block is malformed");
  }
  const auto* strings = reinterpret_cast<const char*>(address + info.strings_offset);
  input->strings.assign(strings, strings + info.strings_size);
  const char* at = input->strings.data();
  const char* end = at + input->strings.size();
  split(input->arguments, at, end, info.argument_count);
  std::vector<std::string_view> offered;
  split(offered, at, end, info.environment_count);
  input->environment = filter_environment(offered);
  for (std::uint32_t i = 0; i < info.mount_count; ++i) {
    MountInfo mount;
    std::memcpy(&mount, reinterpret_cast<const void*>(address + info.mounts_offset + i * sizeof(mount)), sizeof(mount));
    take_mount(mount, &input->mounts);
  }
}

}  // namespace coffer::kernel
