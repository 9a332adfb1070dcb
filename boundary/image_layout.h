// The layout page: what an image says about itself to the enclave kernel. Freestanding; written by `coffer sign`,
// measured, read by the kernel. It is the page (or pages) that follow the kernel's last segment; the kernel finds it at
// its linker symbol __kernel_end.
//
// All offsets are from the enclave's base unless said otherwise; all sizes are bytes.
//
//   base + 0            kernel text (R-X), kernel data (RW-)
//   layout_offset       ImageLayout, then the blob (R--)
//   app_base            the application's segments as its ELF says, rounded to pages
//   thunk_offset        one thunk for each patched system-call site (R-X)
//   files_offset        contents of measured files (R--), each from a page boundary
//   thread_offset       thread_count blocks of thread_stride: TCS, SSA frames, kernel thread block (see below)
//   heap_offset         never added: brk, mmap and stacks, committed with EACCEPT on demand; up to `size`
#pragma once

#include <cstddef>
#include <cstdint>

#include "sgx/offsets.h"

namespace coffer::boundary {

inline constexpr std::uint64_t kLayoutMagic = 0x31545541'4c464f43;  // "COFLAUT1"
inline constexpr std::uint32_t kLayoutVersion =
    6;  // 2: network rules, 3: the kernel's own thread, 4: CPUID, 5: working directory, 6: calls out

// Blocks of one thread: page 0 the TCS, then kSsaFrames frames of one page, then the kernel's block, whose last
// page-sized piece is the thread control block that GS points to and whose rest is the kernel stack (it grows down).
inline constexpr std::uint32_t kSsaFrames = 3;
inline constexpr std::uint32_t kServiceThreads = 1;       // the last block is the kernel's own: signals and timers
inline constexpr std::uint32_t kKernelStackPages = 8;     // ordinary kernel stack
inline constexpr std::uint32_t kExceptionStackPages = 2;  // used at CSSA > 0
inline constexpr std::uint64_t kThreadStride =
    SGX_PAGE_SIZE * (1 + kSsaFrames + kExceptionStackPages + kKernelStackPages + 1);
inline constexpr std::uint64_t kThreadSsaOffset = SGX_PAGE_SIZE;
inline constexpr std::uint64_t kThreadExceptionStackEnd = SGX_PAGE_SIZE * (1 + kSsaFrames + kExceptionStackPages);
inline constexpr std::uint64_t kThreadControlOffset = kThreadStride - SGX_PAGE_SIZE;  // also the kernel stack's end

struct LayoutSegment {                           // one PT_LOAD of the application
  std::uint64_t offset, file_size, memory_size;  // page-rounded by the reader, not here
  std::uint32_t permissions;                     // SecinfoFlags bits R, W, X
  std::uint32_t reserved;
};
inline constexpr std::size_t kMaxSegments = 8;

struct LayoutFile {                      // a measured read-only file; path is absolute, in the blob
  std::uint32_t path_offset, path_size;  // from the start of the blob
  std::uint64_t content_offset, content_size;
  std::uint32_t mode, reserved;
};

// A mount that the image declares: only these may be given by the host, with this kind (and at most this much right).
struct LayoutMount {
  std::uint32_t path_offset, path_size;  // in the blob
  std::uint32_t kind;                    // MountKind
  std::uint32_t read_only;
  std::uint32_t key_policy;  // encrypted: 1 MRENCLAVE, 2 MRSIGNER, 3 key given at start
  std::uint32_t reserved;
};

// A patched system-call site. The first `length` bytes at `site` become a 5-byte jump to `thunk` and padding, on
// software rungs only and after EINIT; the thunk does what those bytes did, with RCX = the address after the syscall.
struct LayoutSite {
  std::uint64_t site, thunk;
  std::uint32_t length;  // 5..15
  std::uint32_t reserved;
};

struct ImageLayout {
  std::uint64_t magic = kLayoutMagic;
  std::uint32_t version = kLayoutVersion;
  std::uint32_t flags = 0;                           // bit 0: any environment variable may pass (debug images only)
  std::uint64_t size = 0;                            // ELRANGE
  std::uint64_t layout_offset = 0, layout_size = 0;  // this page and the blob

  std::uint64_t app_base = 0;     // where the ELF's virtual address 0 stands
  std::uint64_t app_entry = 0;    // e_entry + app_base
  std::uint64_t app_headers = 0;  // AT_PHDR
  std::uint32_t app_header_count = 0, segment_count = 0;
  LayoutSegment segments[kMaxSegments] = {};

  std::uint64_t thunk_offset = 0, thunk_size = 0;
  std::uint64_t files_offset = 0, files_size = 0;
  std::uint64_t thread_offset = 0;
  std::uint32_t thread_count = 0, reserved1 = 0;  // kServiceThreads of them not the program's
  // Addresses that the kernel hands out: heap, mappings, stacks. Programs reserve far more than they touch (one arena
  // of the C library takes 128 MiB of addresses), so the range is larger than heap_limit, the memory that they may
  // touch; the driver enforces that, whatever the EPC's size.
  std::uint64_t heap_offset = 0, heap_size = 0;
  std::uint64_t heap_limit = 0;
  std::uint64_t stack_size = 0;  // of the main thread, from the heap range

  // Tables, from the start of the blob, which begins at layout_offset + sizeof(ImageLayout).
  std::uint64_t blob_size = 0;
  std::uint32_t files_table = 0, file_count = 0;              // LayoutFile[]
  std::uint32_t mounts_table = 0, mount_count = 0;            // LayoutMount[]
  std::uint32_t sites_table = 0, site_count = 0;              // LayoutSite[]
  std::uint32_t environment_table = 0, environment_size = 0;  // allowed names, NUL-terminated, one after another;
                                                              // "NAME=value" entries are set by the image itself
  std::uint32_t name_offset = 0, name_size = 0;               // the program's name (AT_EXECFN)
  std::uint32_t network_table = 0, network_count = 0;         // NetworkRule[] (boundary/network.h)
  // CPUID instructions of the kernel and the program, ascending: std::uint64_t[], offsets. A software rung that is to
  // trap as hardware does makes each a UD2, after EINIT, and the kernel takes a UD2 there for what it was.
  std::uint32_t cpuid_table = 0, cpuid_count = 0;
  // Where the program starts: an absolute path; size 0: the root.
  std::uint32_t working_directory_offset = 0, working_directory_size = 0;
};
inline constexpr std::uint32_t kLayoutAnyEnvironment = 1;
inline constexpr std::uint32_t kLayoutDynamicCode = 2;     // the program may make memory executable
inline constexpr std::uint32_t kLayoutSanitized = 4;       // debug images only: ELRANGE begins at kSanitizedBase
inline constexpr std::uint32_t kLayoutHostReportData = 8;  // the host may choose report data: boundary/attestation.h

}  // namespace coffer::boundary
