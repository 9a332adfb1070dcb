// The calling convention between the enclave kernel and whatever carries it (freestanding; both sides include it).
//
// EENTER carries an EnterCommand in RDI and up to four arguments in RSI, RDX, R8, R9 (the registers that the vDSO's
// __vdso_sgx_enter_enclave passes through). EEXIT carries a Request in RDI and up to four arguments in the same
// registers. The answer to a request is the next EENTER of the same TCS with kReturn: RSI the result (negative errno or
// a count), RDX, R8, R9 further results. Bulk data stands in the thread's exchange area in the arena (ExchangeArea).
//
// Everything that comes in is hostile: the kernel takes registers as they are once, copies bulk data in once, and
// checks lengths, offsets and handles before it uses them. Each request below lists what the host may return.
#pragma once

#include <cstddef>
#include <cstdint>

#include "boundary/counters.h"
#include "boundary/cpuid.h"

namespace coffer::boundary {

enum class EnterCommand : std::uint64_t {
  kStart = 1,      // first entry: RSI = StartInfo* in the arena, RDX = its size
  kThread = 2,     // first entry of a TCS that kSpawn named: RSI = its ExchangeArea*
  kReturn = 3,     // the answer to the request that this TCS left with
  kException = 4,  // CSSA > 0: an exception is in SSA[CSSA-1]; answered with kResume or kUnhandled
  kCall = 5,  // in place of kReturn to kHostCall and kNestedReturn: a nested call, with the registers of an answer to
              // kNextCall
};

// Served by whoever performs EENTER (the cell, or the host's thread on `inline` and `sgx`), without waking the host.
// Requests from kFirstRemote on are the host program's; kFileRead and kFileWrite of files whose descriptors the cell
// has (ControlOperation::kShareFile) it answers itself.
enum class Request : std::uint64_t {
  // --- local
  kResume = 1,     // the exception was handled: ERESUME this TCS. No answer.
  kPark = 2,       // RSI = timeout in ns, ~0 for none. Sleeps until kUnpark of this TCS or the timeout or spuriously.
                   // An unpark that came first makes the next park return at once. Result: 0.
  kUnpark = 3,     // RSI = TCS index to wake. Result: 0.
  kClock = 4,      // RSI = clock id (CLOCK_REALTIME, _MONOTONIC, ...). Result: 0 or -errno; RDX = s, R8 = ns.
  kYield = 5,      // Result: 0.
  kInterrupt = 6,  // RSI = TCS index: it stops sleeping, or leaves by AEX and is entered at CSSA 1. Result: 0.
  // RSI = CounterOperation, RDX = id, R8 and R9 = nonce. Result: 0 or -errno; RDX = value, R8 and R9 = MAC, without
  // which nothing of it is believed (boundary/monotonic_counters.h).
  kCounter = 8,

  // What only an operating system can do to pages of a running enclave; the enclave checks it with EACCEPT.
  kRestrictPages = 12,  // RSI = address, RDX = pages, R8 = R, W, X that stay. EMODPR of each, ETRACK, and every thread
                        // that is inside leaves once. Result: 0 or -errno.

  // Pages that the enclave has no use for go back in two steps: the host makes them TRIM, the enclave accepts that,
  // which it alone can, and the host removes them.
  kTrimPages = 13,  // RSI = address, RDX = pages. EMODT to PT_TRIM from the first on, ETRACK, and every thread that is
                    // inside leaves once. Result: how many are TRIM now, 1 to RDX, or -errno.
  kRemovePages = 14,  // RSI = address, RDX = pages, all accepted as TRIM. EREMOVE of each. Result: 0 or -errno.

  // --- remote: life of the enclave
  kFirstRemote = 16,
  kNextCall = 16,    // RSI = status of the previous call, RDX = its result length. Answer: RSI = function index,
                     // RDX = argument address, R8 = argument bytes | room for the result << 32, R9 = where the result
                     // goes. Both in host memory: the arena; of DEBUG enclaves, anything outside ELRANGE.
  kSpawn = 17,       // RSI = TCS index to enter with kThread from a new host thread. Result: 0 or -errno.
  kThreadExit = 18,  // this TCS's thread has ended; the TCS is free. No answer.
  kExit = 19,        // RSI = exit status of the whole enclave. No answer.
  kAbort = 20,       // RSI = signal number that the process dies of, RDX = enclave-relative RIP, R8 = fault address.
                     // No answer: the enclave is dead.
  kLog = 21,         // RSI = length of text in the exchange area. Debug images and fatal errors only. Result: 0.
  kUnhandled = 22,   // answer to kException: nothing handles it. RSI = signal number, RDX = RIP offset. No answer.
  kWaitEvent = 23,   // RSI = timeout in ns, ~0 for none. Of the kernel's own thread: waits for a signal that the host
  // wants to raise, kWakeEvent or the timeout. Result: the signal's number, or 0. Only the signals of
  // kHostSignals are raised, others ignored.
  kWakeEvent = 24,  // ends the running kWaitEvent, or the next. Result: 0.

  // --- remote: calls out, and calls that come in meanwhile (docs/design/sdk.md)
  kHostCall = 25,      // RSI = function index, RDX = argument address, R8 = argument bytes | room for the result << 32,
                       // R9 = where the result goes, both in host memory. Answer: kReturn, RSI = the status, any, RDX =
                       // bytes of the result; or kCall.
  kNestedReturn = 26,  // of the call that kCall brought: RSI = status, RDX = its result length. Answer as of kHostCall.
  kShareMemory = 27,   // RSI = bytes. Result: 0 or -errno; RDX = their address, in host memory, aligned to 16.
  kUnshareMemory = 28,  // RSI = an address of kShareMemory's. Result: 0.

  // --- remote: files. Handles are small non-negative numbers that the host gives; paths are relative to the mount,
  //     '/'-separated, without "..", in the exchange area from offset 0, not terminated.
  kFileOpen = 32,       // RSI = mount id, RDX = path length, R8 = open flags (kernel ABI), R9 = mode.
                        // Result: handle or -errno.
  kFileClose = 33,      // RSI = handle. Result: 0 or -errno.
  kFileRead = 34,       // RSI = handle, RDX = offset (~0: the current position, for stdio), R8 = length <= area.
                        // Result: bytes read <= length, in the area, or -errno.
  kFileWrite = 35,      // RSI = handle, RDX = offset or ~0, R8 = length; data in the area. Result: bytes or -errno.
  kFileTruncate = 36,   // RSI = handle, RDX = size. Result: 0 or -errno.
  kFileSync = 37,       // RSI = handle, RDX = 1: data only. Result: 0 or -errno.
  kFileStat = 38,       // RSI = handle. Result: 0 or -errno; HostStat in the area.
  kPathStat = 39,       // RSI = mount id, RDX = path length, R8 = 1: do not follow a last symlink. As kFileStat.
  kPathRemove = 40,     // RSI = mount id, RDX = path length, R8 = 1: a directory. Result: 0 or -errno.
  kPathRename = 41,     // RSI = mount id, RDX = old length, R8 = new length (new path follows old), R9 = flags.
  kPathMakeDir = 42,    // RSI = mount id, RDX = path length, R8 = mode. Result: 0 or -errno.
  kDirectoryRead = 43,  // RSI = handle of a directory, RDX = how many entries to skip. Result: bytes of HostDirent
                        // records in the area, 0 at the end, or -errno.
  kPathReadLink = 44,   // RSI = mount id, RDX = path length. Result: length of the target in the area, or -errno.
  kDirectorySync = 45,  // RSI = mount id, RDX = path length. Result: 0 or -errno.
  kTerminalSize = 46,   // RSI = stdio handle. Result: 0 (a terminal; RDX = rows << 32 | columns) or -ENOTTY.
  kFileChange = 47,     // RSI = handle; HostAttributes in the area. Result: 0 or -errno.
  kPathChange = 48,   // RSI = mount id, RDX = path length, R8 = 1: of a last symlink itself; HostAttributes follow the
                      // path. Result: 0 or -errno.
  kPathLink = 49,     // RSI = mount id, RDX = old length, R8 = new length (new path follows old). A last symlink is
                      // not followed. Result: 0 or -errno.
  kPathSymlink = 50,  // RSI = mount id, RDX = path length, R8 = length of the target, which follows the path and may
                      // be any text. Result: 0 or -errno.

  // --- remote: sockets and waiting (boundary/network.h). Handles of sockets and pollers start at kFirstSocketHandle.
  //     Addresses are the ABI's sockaddr at offset 0 of the exchange area, data stands at kSocketDataOffset. Sockets
  //     of the host never block; kSocketWait in `flags` makes the request wait, until kWake or for kSocketTimeout.
  kSocketOpen = 64,       // RSI = family (AF_UNIX, AF_INET, AF_INET6), RDX = type (SOCK_STREAM, SOCK_DGRAM).
                          // Result: handle or -errno.
  kSocketClose = 65,      // RSI = handle of a socket or poller. Result: 0 or -errno.
  kSocketBind = 66,       // RSI = handle, RDX = address length. Result: 0 or -errno.
  kSocketListen = 67,     // RSI = handle, RDX = backlog. Result: 0 or -errno.
  kSocketAccept = 68,     // RSI = handle, RDX = flags, R8 = timeout ns. Result: handle or -errno; RDX = address length
                          // <= kSocketAddressRoom, the peer's address in the area.
  kSocketConnect = 69,    // RSI = handle, RDX = address length. Result: 0 or -errno (-EINPROGRESS: wait for writing).
  kSocketSend = 70,       // RSI = handle, RDX = data length, R8 = address length or 0, R9 = flags (MSG_*, kSocketWait)
                          // | timeout in ms << 32. Result: bytes <= length or -errno.
  kSocketReceive = 71,    // RSI = handle, RDX = room, R8 = flags (MSG_*, kSocketWait), R9 = timeout ns. Result: bytes
                          // (with MSG_TRUNC: of the whole datagram) or -errno; RDX = address length, R8 = MSG_* of the
                          // message, R9 = where the bytes stand in all that was received from this socket.
  kSocketSetOption = 72,  // RSI = handle, RDX = level << 32 | name, R8 = length; value at kSocketDataOffset.
  kSocketGetOption = 73,  // RSI = handle, RDX = level << 32 | name, R8 = room. Result: length <= room; value there.
  kSocketName = 74,       // RSI = handle, RDX = 1: of the peer. Result: address length or -errno.
  kSocketShutdown = 75,   // RSI = handle, RDX = SHUT_*. Result: 0 or -errno.
  kWaitFor = 76,     // RSI = number of HostWait in the area, RDX = timeout ns. Result: how many have revents, or -EINTR
                     // (kWake came, or the enclave ends).
  kPollerOpen = 77,  // Result: handle or -errno.
  kPollerWait = 78,  // RSI = handle, RDX = number of PollerChange in the area, R8 = timeout ns, R9 = most events (0:
                     // only make the changes). Result: number of PollerEvent in the area, or -EINTR. RDX = bytes of
                     // events and data.
  kWake = 79,        // RSI = TCS index: its waiting request, or its next one, answers -EINTR. Result: 0.
  kBytesWaiting = 80,  // RSI = handle. Result: bytes that could be received now, or -errno.
};

inline constexpr std::int32_t kFirstSocketHandle = 1 << 20;
inline constexpr std::uint64_t kSocketWait = std::uint64_t{1} << 31;

// What the host may raise: SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGTERM, SIGCONT, SIGWINCH.
inline constexpr int kHostSignals[] = {1, 2, 3, 10, 12, 15, 18, 28};

inline constexpr std::uint64_t kNoTimeout = ~std::uint64_t{0};
inline constexpr std::uint64_t kCurrentPosition = ~std::uint64_t{0};

// Only files with handles below this are shared with the cell.
inline constexpr std::size_t kMaxSharedHandles = 128;

// Host handles 0, 1 and 2 are the host's standard input, output and error.
inline constexpr std::int32_t kHostStdin = 0, kHostStdout = 1, kHostStderr = 2;

struct HostStat {
  std::uint64_t device, inode, size, blocks;
  std::uint32_t mode, links, uid, gid;  // mode as in struct stat
  std::int64_t mtime_s, ctime_s, atime_s;
  std::uint32_t mtime_ns, ctime_ns, atime_ns, block_size;
};
static_assert(sizeof(HostStat) == 88);

struct HostDirent {  // followed by name_length bytes of name, then padding to 8
  std::uint64_t inode;
  std::uint16_t name_length;
  std::uint8_t type;  // DT_*
  std::uint8_t reserved[5];
};
static_assert(sizeof(HostDirent) == 16);

// What kFileChange and kPathChange change. The host never sets S_ISUID or S_ISGID.
struct HostAttributes {
  std::uint32_t changes;  // kChange* bits
  std::uint32_t mode;     // permission bits
  std::int64_t atime_s, mtime_s;
  std::uint32_t atime_ns, mtime_ns;
};
static_assert(sizeof(HostAttributes) == 32);
inline constexpr std::uint32_t kChangeMode = 1, kChangeAccessTime = 2, kChangeModifyTime = 4;

inline constexpr std::size_t kExchangeSize = 128 * 1024;
inline constexpr std::size_t kMaxPath = 4096;

// One per TCS, in the arena.
struct alignas(4096) ExchangeArea {
  std::byte data[kExchangeSize];
  KernelCounters counters;  // the kernel writes and never reads
};

// What the host says at kStart. Copied in once and checked; offsets are from the start of the StartInfo.
struct StartInfo {
  std::uint64_t arena_base, arena_size;  // the whole shared memory, bytes
  std::uint64_t exchange_base;           // address of ExchangeArea[thread_count]
  std::uint32_t thread_count;            // exchange areas that exist; at least the image's threads
  std::uint32_t argument_count, environment_count, mount_count;
  std::uint64_t strings_offset, strings_size;  // argc + envc NUL-terminated strings in this order
  std::uint64_t mounts_offset;                 // MountInfo[mount_count]
  std::uint64_t cpuid_offset;                  // CpuidEntry[cpuid_count], which is kMaxCpuidEntries at most
  std::uint64_t cpu_count;
  std::uint32_t stdin_is_terminal, stdout_is_terminal, stderr_is_terminal, cpuid_count;
  std::uint64_t flags;  // kStart...
};
// A debugger of this process is attached, which stops at page faults: a DEBUG enclave commits its memory when it maps
// it.
inline constexpr std::uint64_t kStartUnderDebugger = 1;

struct MountInfo {
  std::uint32_t id;    // what the file requests carry
  std::uint32_t kind;  // MountKind
  std::uint32_t read_only;
  std::uint32_t has_key;  // encrypted: `key` is to be used instead of the sealing key
  std::uint8_t key[32];   // the host's copy is wiped after the start
  char path[256];         // where in the enclave, absolute, NUL-terminated
};
enum class MountKind : std::uint32_t { kPlain = 1, kEncrypted = 2 };

}  // namespace coffer::boundary
