// The stored form of an encrypted mount, byte for byte (docs/design/encrypted-files.md says why it is so).
//
// Three host files: coffer.root (root records), coffer.data (blocks of 4096 bytes), coffer.lock. Integers are
// little-endian. Every structure below is what stands inside the encryption unless its comment says otherwise.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace coffer::kernel::fs::encrypted {

inline constexpr std::string_view kRootName = "coffer.root";
inline constexpr std::string_view kNewRootName = "coffer.root.new";
inline constexpr std::string_view kDataName = "coffer.data";
inline constexpr std::string_view kLockName = "coffer.lock";

inline constexpr std::size_t kBlockSize = 4096;
inline constexpr std::size_t kVolumeIdSize = 16;
inline constexpr std::size_t kSaltSize = 32;
inline constexpr std::size_t kSessionSize = 12;
inline constexpr std::size_t kTagSize = 16;

// Where a block stands in coffer.data and what it must be: 40 bytes in its parent node, inode or root record.
struct Pointer {
  std::array<std::uint8_t, 6> stored_position{};  // in blocks; 0: a hole, all zeros
  std::array<std::uint8_t, 6> stored_counter{};   // the nonce under the session's key
  std::array<std::byte, kSessionSize> session{};  // names the key
  std::array<std::byte, kTagSize> tag{};

  [[nodiscard]] std::uint64_t position() const { return load48(stored_position); }
  [[nodiscard]] std::uint64_t counter() const { return load48(stored_counter); }
  [[nodiscard]] bool is_hole() const { return position() == 0; }
  void set_position(std::uint64_t value) { store48(stored_position, value); }
  void set_counter(std::uint64_t value) { store48(stored_counter, value); }

 private:
  static std::uint64_t load48(const std::array<std::uint8_t, 6>& from) {
    std::uint64_t value = 0;
    std::memcpy(&value, from.data(), from.size());
    return value;
  }
  static void store48(std::array<std::uint8_t, 6>& to, std::uint64_t value) {
    std::memcpy(to.data(), &value, to.size());
  }
};
static_assert(sizeof(Pointer) == 40 && alignof(Pointer) == 1);

inline constexpr std::uint64_t kMaxCounter = (std::uint64_t{1} << 48) - 1;
inline constexpr std::uint64_t kMaxPosition = std::uint64_t{1} << 40;  // 4 PiB of blocks

// A node: 102 pointers and 16 bytes of zeros. A tree of height h reaches 102^h blocks.
inline constexpr std::uint64_t kFanout = kBlockSize / sizeof(Pointer);
inline constexpr std::uint32_t kMaxHeight = 6;
inline constexpr std::uint64_t kMaxFileSize = std::uint64_t{1} << 46;  // 64 TiB

// What a block is, bound to it as associated data.
struct BlockIdentity {
  std::uint64_t object;  // inode number
  std::uint64_t level;   // 0: content; above: nodes
  std::uint64_t index;   // among the blocks of its level
};
static_assert(sizeof(BlockIdentity) == 24);

// A file, directory or symbolic link, whose content is the target: 32 in each block of the inode table, which is itself
// a tree.
struct InodeRecord {
  std::uint32_t mode = 0;  // S_IF* and permissions; 0: free
  std::uint32_t height = 0;
  std::uint64_t size = 0;
  std::int64_t mtime_s = 0, ctime_s = 0;
  std::uint32_t mtime_ns = 0, ctime_ns = 0;
  Pointer root;
  std::uint64_t entry_count = 0;  // directories
  std::uint64_t entry_bytes = 0;  // directories: room that the entries take
  std::uint64_t next_free = 0;    // free records: the next one, or 0
  std::uint32_t more_names = 0;   // files and links: how many names it has beside the first
  std::uint8_t reserved[20] = {};
};
static_assert(sizeof(InodeRecord) == 128);
inline constexpr std::uint32_t kMaxMoreNames = 65'000;
inline constexpr std::uint64_t kMaxLinkTarget = 4095;
inline constexpr std::uint64_t kInodesPerBlock = kBlockSize / sizeof(InodeRecord);

inline constexpr std::uint64_t kTableInode = 1;  // numbers of the trees that the root record holds itself
inline constexpr std::uint64_t kSpaceInode = 2;
inline constexpr std::uint64_t kRootInode = 3;  // the root directory
inline constexpr std::uint64_t kMaxInodes = std::uint64_t{1} << 32;

struct TreeRecord {
  Pointer root;
  std::uint64_t height = 0;
};
static_assert(sizeof(TreeRecord) == 48);

// A block that the record's tree refers to and that the host had not been asked to make durable before the record was
// written: the record counts only where all of these are as they should be.
struct UnsyncedBlock {
  Pointer pointer;
  std::uint64_t object = 0;
  std::uint64_t level_and_index = 0;  // level << 56 | index
};
static_assert(sizeof(UnsyncedBlock) == 56);
inline constexpr std::size_t kMaxUnsynced = 64;

// One state of the whole mount.
struct RootRecord {
  std::uint64_t sequence = 0;  // grows with every record
  std::uint64_t witness = 0;   // coffer.data must hold a witness at least this new...
  TreeRecord table, space;     // ... and never one newer than `sequence`
  std::uint64_t inode_count = 0;
  std::uint64_t free_inode = 0;
  std::uint64_t data_end = 0;  // blocks from here on were never used
  std::uint64_t used = 0;      // blocks that the space map marks
  std::uint64_t unsynced_count = 0;
  UnsyncedBlock unsynced[kMaxUnsynced] = {};
};
static_assert(sizeof(RootRecord) == 152 + kMaxUnsynced * 56 - 0);

// How a record stands in a file: this header in the clear, then the encrypted payload.
struct SealedHeader {
  std::array<char, 8> magic{};
  std::array<std::byte, kVolumeIdSize> volume{};
  std::array<std::byte, kSaltSize> salt{};  // random for each record; makes a key that is used once
  std::array<std::byte, kTagSize> tag{};
};
static_assert(sizeof(SealedHeader) == 72);
inline constexpr std::array<char, 8> kRootMagic = {'C', 'O', 'F', 'R', 'O', 'O', 'T', '1'};
inline constexpr std::array<char, 8> kWitnessMagic = {'C', 'O', 'F', 'W', 'I', 'T', 'N', '1'};

// coffer.root: four slots of two equal copies. Slots 0 and 1 take durable records, 2 and 3 the others.
inline constexpr std::size_t kRecordSize = 4096;
inline constexpr std::size_t kCopies = 2;
inline constexpr std::size_t kSlotSize = kRecordSize * kCopies;
inline constexpr std::size_t kSlots = 4;
static_assert(sizeof(SealedHeader) + sizeof(RootRecord) <= kRecordSize);

// Behind the slots, in the clear: which of the enclave's keys the mount is under, for who must derive it. Whoever
// changes it makes the mount unreadable, no more. Mounts from before it was there have zeros or nothing in its place,
// and a key of ISVSVN 0.
struct KeyHeader {
  std::array<char, 8> magic{};  // zeros: SVN 0
  std::uint16_t isv_svn = 0;
  std::array<std::uint8_t, 6> reserved{};
  std::array<std::uint8_t, 16> cpu_svn{};
  std::array<std::uint8_t, 32> key_id{};
};
static_assert(sizeof(KeyHeader) == 64);
inline constexpr std::array<char, 8> kKeyMagic = {'C', 'O', 'F', 'R', 'K', 'E', 'Y', '1'};
inline constexpr std::size_t kKeyHeaderOffset = kSlots * kSlotSize;

// coffer.data, block 0: two witness records, at 0 and 2048, written in turn.
inline constexpr std::size_t kWitnessStride = 2048;

// A directory is a hash table of blocks: a name stands in block hash(name) mod count, or where that had no room, in
// one of the blocks after it (`overflowed` is set on every block that was passed over).
struct DirectoryBlockHeader {
  std::uint16_t used = 0;  // bytes of entries behind this header
  std::uint8_t overflowed = 0;
  std::uint8_t reserved[5] = {};
};
static_assert(sizeof(DirectoryBlockHeader) == 8);
struct DirectoryEntryHeader {  // followed by the name
  std::uint64_t inode = 0;
  std::uint8_t type = 0;  // DT_*
  std::uint8_t name_size = 0;
  std::uint8_t reserved[6] = {};
};
static_assert(sizeof(DirectoryEntryHeader) == 16);
inline constexpr std::size_t kMaxName = 255;

}  // namespace coffer::kernel::fs::encrypted
