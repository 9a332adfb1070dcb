#include "host/image/syscall_sites.h"

#include <Zydis/Zydis.h>

#include <algorithm>
#include <array>
#include <optional>

namespace coffer::image {
namespace {

constexpr std::uint32_t kJumpSize = 5;     // jmp rel32
constexpr std::uint32_t kMaxPatch = 15;    // LayoutSite
constexpr std::size_t kMaxNeighbours = 3;  // instructions displaced on each side
constexpr std::uint32_t kSyscallSize = 2;
constexpr std::uint32_t kCpuidSize = 2;
constexpr std::size_t kLeafLoads = 8;  // instructions before a CPUID that may load its leaf
constexpr std::uint64_t kRtSigreturn = 15;
constexpr std::uint64_t kMaxSystemCall = 1024;  // numbers that an immediate can plausibly hold

struct Instruction {
  std::uint64_t address = 0;
  std::uint8_t length = 0;
  bool syscall = false;
  bool cpuid = false;
  bool movable = false;  // runs the same at another address
  bool falls_through = true;
  std::optional<std::uint64_t> target;  // code or data that it names relative to RIP
  bool loads_address = false;           // lea of `target`
  std::optional<std::uint64_t> number;  // mov of an immediate to EAX or RAX
  bool writes_eax = false;              // by mov or xor of registers
};

class Disassembler {
 public:
  Disassembler() { ZydisDecoderInit(&decoder_, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64); }

  std::optional<Instruction> decode(ByteView code, std::uint64_t address) const;

 private:
  ZydisDecoder decoder_{};
};

bool is_movable(const ZydisDecodedInstruction& decoded) {
  if (decoded.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE || (decoded.attributes & ZYDIS_ATTRIB_IS_RELATIVE) != 0) {
    return false;
  }
  switch (decoded.meta.category) {
    case ZYDIS_CATEGORY_CALL:
    case ZYDIS_CATEGORY_COND_BR:
    case ZYDIS_CATEGORY_UNCOND_BR:
    case ZYDIS_CATEGORY_RET:
    case ZYDIS_CATEGORY_SYSCALL:
    case ZYDIS_CATEGORY_SYSRET:
    case ZYDIS_CATEGORY_SYSTEM:
    case ZYDIS_CATEGORY_INTERRUPT:
    case ZYDIS_CATEGORY_CET:  // ENDBR64 marks a place that indirect branches may reach
    case ZYDIS_CATEGORY_SGX:
    case ZYDIS_CATEGORY_IO:
      return false;
    default:
      return decoded.mnemonic != ZYDIS_MNEMONIC_CPUID && decoded.mnemonic != ZYDIS_MNEMONIC_HLT &&
             decoded.mnemonic != ZYDIS_MNEMONIC_UD0 && decoded.mnemonic != ZYDIS_MNEMONIC_UD1 &&
             decoded.mnemonic != ZYDIS_MNEMONIC_UD2 && decoded.mnemonic != ZYDIS_MNEMONIC_XBEGIN &&
             decoded.mnemonic != ZYDIS_MNEMONIC_XABORT;
  }
}

// xor, mov or lea whose destination is EAX or RAX.
bool writes_eax(const ZydisDecodedInstruction& decoded) {
  const auto& raw = decoded.raw;
  const bool one_byte = decoded.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT;
  if (!one_byte || (decoded.attributes & ZYDIS_ATTRIB_HAS_MODRM) == 0) return false;
  const bool as_memory_operand = raw.modrm.mod == 3 && raw.modrm.rm == 0 && raw.rex.B == 0;
  const bool as_register_operand = raw.modrm.reg == 0 && raw.rex.R == 0;
  switch (decoded.opcode) {
    case 0x31:  // xor r32, r/m32
    case 0x89:  // mov r32, r/m32
      return as_memory_operand;
    case 0x33:
    case 0x8b:
    case 0x8d:  // lea
      return as_register_operand;
    default:
      return false;
  }
}

std::optional<Instruction> Disassembler::decode(ByteView code, std::uint64_t address) const {
  ZydisDecodedInstruction decoded;
  if (ZYAN_FAILED(ZydisDecoderDecodeInstruction(&decoder_, nullptr, code.data(), code.size(), &decoded))) {
    return std::nullopt;
  }
  Instruction instruction;
  instruction.address = address;
  instruction.length = decoded.length;
  instruction.syscall = decoded.mnemonic == ZYDIS_MNEMONIC_SYSCALL && decoded.length == kSyscallSize;
  instruction.cpuid = decoded.mnemonic == ZYDIS_MNEMONIC_CPUID && decoded.length == kCpuidSize;
  instruction.movable = is_movable(decoded);
  instruction.falls_through = decoded.meta.category != ZYDIS_CATEGORY_UNCOND_BR &&
                              decoded.meta.category != ZYDIS_CATEGORY_RET && decoded.mnemonic != ZYDIS_MNEMONIC_UD2 &&
                              decoded.mnemonic != ZYDIS_MNEMONIC_HLT;
  if ((decoded.attributes & ZYDIS_ATTRIB_IS_RELATIVE) != 0) {
    const bool immediate = decoded.raw.imm[0].is_relative != 0;
    const std::int64_t distance = immediate ? decoded.raw.imm[0].value.s : decoded.raw.disp.value;
    instruction.target = address + decoded.length + static_cast<std::uint64_t>(distance);
    instruction.loads_address = decoded.mnemonic == ZYDIS_MNEMONIC_LEA;
  }
  if (decoded.mnemonic == ZYDIS_MNEMONIC_MOV && decoded.raw.imm[0].size != 0 && decoded.raw.disp.size == 0) {
    const bool short_form =
        decoded.opcode == 0xb8 && (decoded.attributes & ZYDIS_ATTRIB_HAS_MODRM) == 0 && decoded.raw.rex.B == 0;
    const bool long_form =
        decoded.opcode == 0xc7 && decoded.raw.modrm.mod == 3 && decoded.raw.modrm.rm == 0 && decoded.raw.rex.B == 0;
    if (short_form || long_form) instruction.number = decoded.raw.imm[0].value.u;
  }
  instruction.writes_eax = writes_eax(decoded);
  return instruction;
}

// How sure it is that a stretch of text holds instructions and not data.
enum class Certainty {
  kFunction,  // a function symbol with a size covers it
  kLikely,    // a function symbol without a size, or a program without symbols: may hold tables too
  kUnknown,   // between functions
};

// A stretch of text that is disassembled from its first byte on.
struct Piece {
  std::uint64_t address = 0;
  ByteView code;
  Certainty certainty = Certainty::kUnknown;
};

// Splits a text range along the function symbols; what lies between them becomes pieces of its own.
std::vector<Piece> split_text(const ElfProgram::TextRange& text, std::span<const ElfSymbol> functions) {
  std::vector<Piece> pieces;
  const std::uint64_t end = text.address + text.code.size();
  std::uint64_t position = text.address;
  const auto between = functions.empty() ? Certainty::kLikely : Certainty::kUnknown;
  auto add = [&](std::uint64_t to, Certainty certainty) {
    if (to > position) {
      pieces.push_back({position, text.code.subspan(position - text.address, to - position), certainty});
    }
    position = std::max(position, to);
  };
  auto first = std::ranges::lower_bound(functions, text.address, {}, &ElfSymbol::address);
  for (auto symbol = first; symbol != functions.end() && symbol->address < end; ++symbol) {
    auto next = std::find_if(symbol, functions.end(), [&](const auto& s) { return s.address > symbol->address; });
    std::uint64_t limit = next == functions.end() ? end : std::min(end, next->address);
    // Hand-written functions often have no size; they reach to the next one.
    std::uint64_t stop = symbol->size == 0 ? limit : symbol->address + std::min(symbol->size, end - symbol->address);
    if (stop <= position) continue;  // an alias, or inside the function before it
    if (symbol->address > position) add(symbol->address, between);
    if (symbol->address == position) add(stop, symbol->size != 0 ? Certainty::kFunction : Certainty::kLikely);
  }
  add(end, between);
  return pieces;
}

class Surveyor {
 public:
  explicit Surveyor(const ElfProgram& program) : program_(program) {}
  SiteSurvey survey();

 private:
  template <class Visit>
  void walk(const Piece& piece, Visit visit) const;
  void collect_targets();
  void add_target(std::uint64_t address) {
    if (in_text(address)) targets_.push_back(address);
  }
  void add_jump_table(std::uint64_t table);
  [[nodiscard]] bool in_text(std::uint64_t address) const;
  [[nodiscard]] bool target_inside(std::uint64_t begin, std::uint64_t end) const;
  [[nodiscard]] bool is_cpuid(const Piece& piece, std::span<const Instruction> code, std::size_t index) const;
  [[nodiscard]] bool must_stay(std::span<const Instruction> code, std::size_t site) const;
  [[nodiscard]] std::optional<PatchableSite> patch(const Piece& piece, std::span<const Instruction> code,
                                                   std::size_t site, std::uint64_t free_from) const;
  [[nodiscard]] std::optional<PatchableSite> displace(const Piece& piece, std::span<const Instruction> code,
                                                      std::size_t first, std::size_t site, std::size_t last) const;

  const ElfProgram& program_;
  Disassembler disassembler_;
  std::vector<Piece> pieces_;
  std::vector<std::size_t> pieces_with_sites_;
  std::vector<std::uint64_t> targets_;            // sorted: places that something can jump to
  std::vector<std::uint64_t> cancellation_ends_;  // see must_stay()
};

template <class Visit>
void Surveyor::walk(const Piece& piece, Visit visit) const {
  std::size_t position = 0;
  while (position < piece.code.size()) {
    auto instruction = disassembler_.decode(piece.code.subspan(position), piece.address + position);
    if (instruction) visit(*instruction);
    position += instruction ? instruction->length : 1;  // data between functions: go on at the next byte
  }
}

bool Surveyor::in_text(std::uint64_t address) const {
  return std::ranges::any_of(program_.text(), [&](const auto& range) {
    return address >= range.address && address - range.address < range.code.size();
  });
}

// A switch statement's table: 32-bit distances from the table itself. Every address that code loads may be one, so this
// takes too many targets rather than too few.
void Surveyor::add_jump_table(std::uint64_t table) {
  constexpr std::size_t kMaxEntries = 4096;
  ByteReader reader(program_.content_at(table));
  for (std::size_t i = 0; i < kMaxEntries; ++i) {
    auto distance = reader.read<std::int32_t>();
    if (!distance) return;
    const std::uint64_t target = table + static_cast<std::uint64_t>(std::int64_t{*distance});
    if (!in_text(target)) return;
    targets_.push_back(target);
  }
}

void Surveyor::collect_targets() {
  add_target(program_.entry());
  for (std::uint64_t target : program_.relocation_targets()) add_target(target);
  for (const ElfSymbol& symbol : program_.symbols()) {
    add_target(symbol.address);
    if (symbol.name == "__cp_end" || symbol.name == "__syscall_cancel_arch_end") {
      cancellation_ends_.push_back(symbol.address);
    }
  }
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    bool has_site = false;
    walk(pieces_[i], [&](const Instruction& instruction) {
      has_site = has_site || instruction.syscall || instruction.cpuid;
      if (!instruction.target) return;
      add_target(*instruction.target);
      if (instruction.loads_address && !in_text(*instruction.target)) add_jump_table(*instruction.target);
    });
    if (has_site) pieces_with_sites_.push_back(i);
  }
  std::ranges::sort(targets_);
  auto doubles = std::ranges::unique(targets_);
  targets_.erase(doubles.begin(), doubles.end());
}

bool Surveyor::target_inside(std::uint64_t begin, std::uint64_t end) const {
  auto next = std::ranges::upper_bound(targets_, begin);
  return next != targets_.end() && *next < end;
}

// Sites whose place means something to others: the return from a signal handler, which unwinders know by its bytes, and
// the end of the C library's cancellation points, which it compares an interrupted RIP with.
bool Surveyor::must_stay(std::span<const Instruction> code, std::size_t site) const {
  if (site > 0 && code[site - 1].number == kRtSigreturn) return true;
  return std::ranges::find(cancellation_ends_, code[site].address + kSyscallSize) != cancellation_ends_.end();
}

// Where no function's size vouches for the bytes, only one whose leaf is loaded shortly before.
bool Surveyor::is_cpuid(const Piece& piece, std::span<const Instruction> code, std::size_t index) const {
  if (!code[index].cpuid || piece.certainty == Certainty::kUnknown) return false;
  if (piece.certainty == Certainty::kFunction) return true;
  for (std::size_t back = 1; back <= std::min(index, kLeafLoads); ++back) {
    const Instruction& before = code[index - back];
    const bool leads_on = before.falls_through && before.address + before.length == code[index - back + 1].address;
    if (!leads_on) return false;
    if (before.number || before.writes_eax) return true;
  }
  return false;
}

std::optional<PatchableSite> Surveyor::displace(const Piece& piece, std::span<const Instruction> code,
                                                std::size_t first, std::size_t site, std::size_t last) const {
  for (std::size_t i = first; i <= last; ++i) {
    if (i != site && !code[i].movable) return std::nullopt;
    if (i != first && code[i].address != code[i - 1].address + code[i - 1].length) return std::nullopt;
  }
  const std::uint64_t begin = code[first].address;
  const std::uint64_t end = code[last].address + code[last].length;
  if (end - begin < kJumpSize || end - begin > kMaxPatch || target_inside(begin, end)) return std::nullopt;
  const std::uint64_t after = code[site].address + kSyscallSize;
  return PatchableSite{.address = begin,
                       .length = static_cast<std::uint32_t>(end - begin),
                       .before = piece.code.subspan(begin - piece.address, code[site].address - begin),
                       .after = piece.code.subspan(after - piece.address, end - after)};
}

std::optional<PatchableSite> Surveyor::patch(const Piece& piece, std::span<const Instruction> code, std::size_t site,
                                             std::uint64_t free_from) const {
  if (must_stay(code, site)) return std::nullopt;
  const bool loads_number = site > 0 && code[site - 1].number && *code[site - 1].number < kMaxSystemCall &&
                            code[site - 1].address + code[site - 1].length == code[site].address;
  // Bytes that no symbol vouches for may be data; those that load a system-call number right before are code.
  if (piece.certainty == Certainty::kUnknown) return std::nullopt;
  if (piece.certainty == Certainty::kLikely && !loads_number) return std::nullopt;
  for (std::size_t displaced = 1; displaced <= 2 * kMaxNeighbours; ++displaced) {
    for (std::size_t before = std::min(displaced, kMaxNeighbours) + 1; before-- > 0;) {
      const std::size_t after = displaced - before;
      if (after > kMaxNeighbours || before > site || site + after >= code.size()) continue;
      if (code[site - before].address < free_from) continue;
      if (auto found = displace(piece, code, site - before, site, site + after)) return found;
    }
  }
  return std::nullopt;
}

SiteSurvey Surveyor::survey() {
  SiteSurvey result;
  std::vector<ElfSymbol> functions;
  std::ranges::copy_if(program_.symbols(), std::back_inserter(functions), &ElfSymbol::function);
  std::ranges::sort(functions, [](const ElfSymbol& a, const ElfSymbol& b) {
    return a.address != b.address ? a.address < b.address : a.size > b.size;  // the longest of aliases first
  });
  std::vector<ElfProgram::TextRange> text(program_.text().begin(), program_.text().end());
  std::ranges::sort(text, {}, &ElfProgram::TextRange::address);
  for (const auto& range : text) {
    auto pieces = split_text(range, functions);
    pieces_.insert(pieces_.end(), pieces.begin(), pieces.end());
  }
  collect_targets();

  std::uint64_t free_from = 0;
  for (std::size_t index : pieces_with_sites_) {
    std::vector<Instruction> code;
    walk(pieces_[index], [&](const Instruction& instruction) { code.push_back(instruction); });
    for (std::size_t i = 0; i < code.size(); ++i) {
      if (is_cpuid(pieces_[index], code, i)) result.cpuid.push_back(code[i].address);
      if (!code[i].syscall) continue;
      ++result.found;
      if (!program_.has_sections()) continue;  // nothing is known about what jumps where
      if (auto site = patch(pieces_[index], code, i, free_from)) {
        free_from = site->address + site->length;
        result.patchable.push_back(*site);
      }
    }
  }
  std::ranges::sort(result.cpuid);
  return result;
}

// Appends machine code at a known address.
class CodeWriter {
 public:
  explicit CodeWriter(std::uint64_t address) : address_(address) {}

  [[nodiscard]] std::uint64_t here() const { return address_ + code_.size(); }
  void copy(ByteView bytes) { code_.insert(code_.end(), bytes.begin(), bytes.end()); }
  void bytes(std::initializer_list<std::uint8_t> values) {
    for (std::uint8_t value : values) code_.push_back(std::byte{value});
  }
  void distance_to(std::uint64_t target, std::uint64_t from) {
    const auto distance = static_cast<std::int32_t>(static_cast<std::int64_t>(target - from));
    copy(bytes_of(distance));
  }
  void jump(std::uint64_t target) {
    bytes({0xe9});
    distance_to(target, here() + sizeof(std::int32_t));
  }
  void align(std::size_t to) {
    while (here() % to != 0) bytes({0xcc});
  }
  [[nodiscard]] std::vector<std::byte> take() { return std::move(code_); }

 private:
  std::uint64_t address_;
  std::vector<std::byte> code_;
};

bool within_reach(std::uint64_t a, std::uint64_t b) {
  constexpr std::uint64_t kReach = 0x7ff00000;  // of a 32-bit distance, with room for the code around both ends
  return (a > b ? a - b : b - a) < kReach;
}

}  // namespace

SiteSurvey find_syscall_sites(const ElfProgram& program) { return Surveyor(program).survey(); }

Thunks make_thunks(std::span<const PatchableSite> sites, std::uint64_t app_base, std::uint64_t thunk_offset,
                   std::uint64_t syscall_entry) {
  constexpr std::size_t kAlignment = 16;
  Thunks thunks;
  CodeWriter code(thunk_offset);
  for (const PatchableSite& patchable : sites) {
    const std::uint64_t site = app_base + patchable.address;
    code.align(kAlignment);
    const std::uint64_t thunk = code.here();
    if (!within_reach(site, thunk) || !within_reach(thunk, syscall_entry)) continue;  // this one traps
    code.copy(patchable.before);
    code.bytes({0x48, 0x8d, 0x0d});  // lea after(%rip), %rcx: past this distance and the jump
    code.copy(bytes_of(std::int32_t{kJumpSize}));
    code.jump(syscall_entry);
    code.copy(patchable.after);
    code.jump(site + patchable.length);
    thunks.sites.push_back({.site = site, .thunk = thunk, .length = patchable.length, .reserved = 0});
  }
  thunks.code = code.take();
  return thunks;
}

}  // namespace coffer::image
