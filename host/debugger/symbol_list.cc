#include "host/debugger/symbol_list.h"

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <link.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>

// A static program has no use for them, and is not to hold a dynamic linker because of them.
#pragma weak dlopen
#pragma weak dlclose

namespace coffer::host {

// What GDB reads of a file: the public part of the linker's entry.
struct SymbolList::Entry {
  link_map map{};
  std::string name;
};

namespace {

// glibc's r_debug_extended, from 2.35 on.
struct Namespace {
  r_debug base;
  Namespace* next;
};
constexpr int kExtended = 2;  // r_version of one whose `next` counts

bool linker_has_namespaces() {
  const std::string_view version = ::gnu_get_libc_version();  // "2.36"
  const char* end = version.end();
  int major = 0;
  int minor = 0;
  const auto first = std::from_chars(version.begin(), end, major);
  if (first.ec != std::errc{} || first.ptr == end) return false;
  if (std::from_chars(first.ptr + 1, end, minor).ec != std::errc{}) return false;
  return major > 2 || (major == 2 && minor >= 35);
}

// The linker's own list, from where it tells debuggers in the program's dynamic section; null in static programs.
Namespace* find_linker_list() {
  Namespace* found = nullptr;
  const auto look = [](dl_phdr_info* object, std::size_t, void* result) {
    for (int i = 0; i < object->dlpi_phnum; ++i) {
      if (object->dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
      const auto* entry = reinterpret_cast<const ElfW(Dyn)*>(object->dlpi_addr + object->dlpi_phdr[i].p_vaddr);
      for (; entry->d_tag != DT_NULL; ++entry) {
        if (entry->d_tag == DT_DEBUG)
          *static_cast<Namespace**>(result) = reinterpret_cast<Namespace*>(entry->d_un.d_ptr);
      }
    }
    return 1;  // the first is the program
  };
  if (linker_has_namespaces()) ::dl_iterate_phdr(look, static_cast<void*>(&found));
  return found != nullptr && found->base.r_map != nullptr ? found : nullptr;
}

// Ours, which stays in the linker's list for ever: who follows us in it was put there by the linker.
struct Shown {
  std::mutex lock;
  Namespace* ours = nullptr;

  static Shown& instance() {
    static Shown& shown = *new Shown;
    return shown;
  }

  bool prepare() {
    if (ours != nullptr) return true;
    Namespace* last = find_linker_list();
    if (last == nullptr) return false;
    while (last->base.r_version >= kExtended && last->next != nullptr) last = last->next;
    auto* made = new Namespace{};
    made->base.r_version = kExtended;
    made->base.r_brk = last->base.r_brk;
    made->base.r_state = r_debug::RT_CONSISTENT;
    last->next = made;
    last->base.r_version = std::max(last->base.r_version, kExtended);
    ours = made;
    return true;
  }

  void add(link_map& entry) {
    link_map** at = &ours->base.r_map;
    while (*at != nullptr) {
      entry.l_prev = *at;
      at = &(*at)->l_next;
    }
    *at = &entry;
  }

  void remove(link_map& entry) {
    (entry.l_prev == nullptr ? ours->base.r_map : entry.l_prev->l_next) = entry.l_next;
    if (entry.l_next != nullptr) entry.l_next->l_prev = entry.l_prev;
  }
};

// GDB reads the lists anew when the linker has unloaded something: a small library of the C library's own that this
// program does not use.
void make_debugger_look() {
  if (dlopen == nullptr || dlclose == nullptr || !is_traced()) return;
  for (const char* library : {"libanl.so.1", "libBrokenLocale.so.1", "libutil.so.1", "librt.so.1", "libdl.so.2"}) {
    if (void* used = ::dlopen(library, RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD); used != nullptr) {
      ::dlclose(used);
      continue;
    }
    if (void* loaded = ::dlopen(library, RTLD_LAZY | RTLD_LOCAL); loaded != nullptr) {
      ::dlclose(loaded);
      return;
    }
  }
}

}  // namespace

bool is_traced() {
  constexpr std::string_view kField = "TracerPid:";
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(kField)) return line.find_first_of("123456789", kField.size()) != std::string::npos;
  }
  return false;
}

SymbolList::SymbolList(const std::vector<SymbolFile>& files, std::uint64_t enclave_base) {
  Shown& shown = Shown::instance();
  {
    const std::scoped_lock guard(shown.lock);
    if (files.empty() || !shown.prepare()) return;
    for (const SymbolFile& file : files) {
      auto entry = std::make_unique<Entry>();
      entry->name = file.file.string();
      entry->map.l_addr = enclave_base + file.base;
      entry->map.l_name = entry->name.data();
      if (file.dynamic != 0) entry->map.l_ld = reinterpret_cast<ElfW(Dyn)*>(enclave_base + file.dynamic);
      shown.add(entry->map);
      entries_.push_back(std::move(entry));
    }
  }
  make_debugger_look();
}

SymbolList::~SymbolList() {
  if (entries_.empty()) return;
  Shown& shown = Shown::instance();
  {
    const std::scoped_lock guard(shown.lock);
    for (const auto& entry : entries_) shown.remove(entry->map);
  }
  make_debugger_look();
}

}  // namespace coffer::host
