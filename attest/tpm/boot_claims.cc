#include "attest/tpm/boot_claims.h"

#include <algorithm>
#include <array>

#include "attest/tpm/binding.h"
#include "attest/tpm/event_details.h"
#include "attest/tpm/uefi_variable.h"
#include "base/hex.h"

namespace coffer::attest::tpm {

namespace {

// Where Secure Boot's variables are measured: PCR 7, or the first RTMR.
std::uint32_t policy_register(const EventLog& log) { return log.confidential() ? 1 : 7; }

// Gathers what the proven events say. A later event of the same kind cannot make a machine look better: the variables
// count until the separator of their register, and a second SecureBoot that differs takes the claim away.
class Gatherer {
 public:
  Gatherer(const EventLog& log, Hasher& hasher) : log_(log), hash_(hasher.hash()) {
    constexpr std::array<std::array<std::uint8_t, 4>, 3> kSeparators{
        {{0, 0, 0, 0}, {0xff, 0xff, 0xff, 0xff}, {1, 0, 0, 0}}};
    for (std::size_t index = 0; index < kSeparators.size(); ++index) {
      if (const auto digest = hasher.digest(std::as_bytes(std::span(kSeparators[index])))) separators_[index] = *digest;
    }
  }

  void take(const Event& event, const Claims& description, Binding binding) {
    if (event.register_index == policy_register(log_)) look_for_separator(event);
    if (event.type == EventType::kBootServicesApplication || event.type == EventType::kBootServicesDriver ||
        event.type == EventType::kRuntimeServicesDriver) {
      take_image(event, description);
    }
    if (binding != Binding::kProven) {
      if (event.type == EventType::kVariableDriverConfig) doubtful_ = true;
      return;
    }
    if (event.register_index == policy_register(log_)) take_policy(event, description);
    take_boot_variable(description);
    take_command_line(event, description);
  }

  void finish(Claims& claims) {
    if (secure_boot_ && !doubtful_) claims.set("secureBootEnabled", *secure_boot_);
    if (!variables_.empty()) claims.set("secure_boot_variables", std::move(variables_));
    if (boot_order_) claims.set("boot_order", std::move(*boot_order_));
    if (!options_.empty()) claims.set("boot_options", std::move(options_));
    if (!images_.empty()) claims.set("boot_components", std::move(images_));
    if (!command_lines_.empty()) claims.set("kernel_command_line", std::move(command_lines_));
  }

 private:
  // By its digest: the type of an event is not measured, so a log can call a separator by another name.
  void look_for_separator(const Event& event) {
    const ByteView digest = log_.digest(event, hash_);
    separated_ = separated_ || std::ranges::any_of(separators_, [&](const Digest& each) {
                   return !digest.empty() && std::ranges::equal(each.view(), digest);
                 });
  }

  void take_image(const Event& event, const Claims& description) {
    Claims image;
    for (const HashId hash : log_.hashes()) {
      if (const ByteView digest = log_.digest(event, hash); !digest.empty()) image.set_hex(name_of(hash), digest);
    }
    if (const ClaimValue* path = description.find("device_path")) image.set("device_path", *path);
    images_.emplace_back(std::move(image));
  }

  void take_policy(const Event& event, const Claims& description) {
    if (event.type == EventType::kEfiAction) {
      // Firmware in a debug mode measures that it is, and then Secure Boot protects nothing.
      const ClaimValue* text = description.find("text");
      if (text != nullptr && *text == ClaimValue("UEFI Debug Mode")) doubtful_ = true;
    }
    if (event.type != EventType::kVariableDriverConfig) return;
    const auto variable = read_variable(event.data);
    if (!variable) return;
    const std::string name = text_of_utf16(variable->name, 256);
    if (separated_) return;
    if (name == "SecureBoot" && is_global(*variable)) {
      const bool enabled = variable->content.size() == 1 && variable->content[0] == std::byte{1};
      if (secure_boot_ && *secure_boot_ != enabled) doubtful_ = true;
      secure_boot_ = enabled;
    }
    if (const ClaimValue* signatures = description.find("signatures")) variables_.set(name, *signatures);
  }

  void take_boot_variable(const Claims& description) {
    if (const ClaimValue* order = description.find("boot_order")) boot_order_ = *order;
    const ClaimValue* name = description.find("variable");
    if (name == nullptr || description.find("description") == nullptr || options_.size() >= kMostOptions) return;
    Claims option;
    option.set("description", *description.find("description"));
    if (const ClaimValue* path = description.find("device_path")) option.set("device_path", *path);
    options_.set(*name->as<std::string>(), std::move(option));
  }

  void take_command_line(const Event& event, const Claims& description) {
    const ClaimValue* text = description.find("text");
    if (event.type != EventType::kIpl || text == nullptr) return;
    const auto* words = text->as<std::string>();
    constexpr std::string_view kGrub = "kernel_cmdline: ";
    if (words->starts_with(kGrub)) command_lines_.emplace_back(words->substr(kGrub.size()));
  }

  static constexpr std::size_t kMostOptions = 256;  // setting a claim looks through all of them
  const EventLog& log_;
  HashId hash_;
  std::array<Digest, 3> separators_{};
  std::optional<bool> secure_boot_;
  bool doubtful_ = false, separated_ = false;
  Claims variables_, options_;
  std::optional<ClaimValue> boot_order_;
  ClaimValue::List images_, command_lines_;
};

Claims describe_registers(const Registers& registers) {
  Claims banks;
  for (const Bank& bank : registers.banks) {
    Claims values;
    for (std::uint32_t index = 0; index < kMostRegisters; ++index) {
      if (bank.is_extended(index)) values.set_hex(std::to_string(index), bank.values[index].view());
    }
    banks.set(name_of(bank.hash), std::move(values));
  }
  return banks;
}

// RTMR n is the log's register n + 1; register 0 is MRTD, which no event extends.
Claims describe_rtmrs(const Registers& registers) {
  Claims values;
  const Bank* bank = registers.find(HashId::kSha384);
  if (bank == nullptr) return values;
  for (std::uint32_t index = 0; index < 4; ++index) {
    if (bank->is_extended(index + 1)) values.set_hex(std::to_string(index), bank->values[index + 1].view());
  }
  return values;
}

}  // namespace

std::optional<HashId> strongest_hash(const EventLog& log) {
  constexpr std::array kByStrength{HashId::kSha512, HashId::kSha3With512, HashId::kSha384, HashId::kSha3With384,
                                   HashId::kSha256, HashId::kSha3With256, HashId::kSm3,    HashId::kSha1};
  for (const HashId hash : kByStrength) {
    if (std::ranges::find(log.hashes(), hash) == log.hashes().end()) continue;
    const bool everywhere = std::ranges::all_of(log.events(), [&](const Event& event) {
      return event.type == EventType::kNoAction || !log.digest(event, hash).empty();
    });
    if (everywhere) return hash;
  }
  return std::nullopt;
}

BootClaims describe_boot(const EventLog& log, const Registers& registers, HashId proof, std::uint32_t covered) {
  constexpr std::size_t kMostNamed = 10;
  BootClaims boot;
  Hasher hasher(proof);
  Gatherer gatherer(log, hasher);
  ClaimValue::List events;
  events.reserve(log.events().size());
  for (std::size_t index = 0; index < log.events().size(); ++index) {
    const Event& event = log.events()[index];
    const Binding binding = binding_of(log, event, hasher);
    Claims description = describe(log, event, binding);
    const bool is_covered = event.register_index < kMostRegisters && ((covered >> event.register_index) & 1) != 0;
    if (is_covered) gatherer.take(event, description, binding);
    if (binding == Binding::kDiffers && ++boot.differing <= kMostNamed) {
      boot.differing_at += (boot.differing_at.empty() ? "" : ", ") + std::to_string(index);
    }
    events.emplace_back(std::move(description));
  }
  gatherer.finish(boot.claims);
  boot.claims.set("pcrs_after_replay", describe_registers(registers));
  if (log.confidential()) boot.claims.set("rtmr_from_log", describe_rtmrs(registers));
  boot.claims.set("event_count", std::uint64_t{log.events().size()});
  boot.claims.set("events", std::move(events));
  return boot;
}

}  // namespace coffer::attest::tpm
