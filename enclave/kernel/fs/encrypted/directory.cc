#include "enclave/kernel/fs/encrypted/directory.h"

#include <errno.h>

#include <cstring>
#include <optional>

#include "base/bytes.h"

namespace coffer::kernel::fs::encrypted {

namespace {

constexpr std::size_t kRoom = kBlockSize - sizeof(DirectoryBlockHeader);
constexpr std::uint64_t kMaxBlocks = std::uint64_t{1} << 32;

std::uint64_t hash_of(std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a, and a last mix for the low bits
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash ^ (hash >> 29);
}

DirectoryBlockHeader header_of(const Buffer& buffer) {
  DirectoryBlockHeader header;
  std::memcpy(&header, buffer.data.data(), sizeof(header));
  return header;
}

void set_header(Buffer& buffer, const DirectoryBlockHeader& header) {
  std::memcpy(buffer.data.data(), &header, sizeof(header));
}

// Walks the entries of one block; stops for good at the first that does not fit.
class BlockEntries {
 public:
  explicit BlockEntries(const Buffer& buffer)
      : reader_(ByteView(buffer.data)
                    .subspan(sizeof(DirectoryBlockHeader), std::min<std::size_t>(header_of(buffer).used, kRoom))),
        sound_(header_of(buffer).used <= kRoom) {}

  bool next() {
    offset_ = sizeof(DirectoryBlockHeader) + reader_.position();
    if (!sound_ || reader_.remaining() == 0) return false;
    const auto header = reader_.read<DirectoryEntryHeader>();
    const auto name = header ? reader_.take(header->name_size) : std::nullopt;
    if (!name || name->empty()) {
      sound_ = false;
      return false;
    }
    header_ = *header;
    name_ = {reinterpret_cast<const char*>(name->data()), name->size()};
    return true;
  }
  [[nodiscard]] bool sound() const { return sound_; }
  [[nodiscard]] std::string_view name() const { return name_; }
  [[nodiscard]] Directory::Entry entry() const { return {header_.inode, header_.type}; }
  [[nodiscard]] std::size_t offset() const { return offset_; }
  [[nodiscard]] std::size_t size() const { return sizeof(DirectoryEntryHeader) + name_.size(); }

 private:
  ByteReader reader_;
  bool sound_;
  DirectoryEntryHeader header_;
  std::string_view name_;
  std::size_t offset_ = 0;
};

}  // namespace

Expected<Directory::Place> Directory::locate(std::string_view name) {
  const std::uint64_t count = blocks();
  const std::uint64_t first = count == 0 ? 0 : hash_of(name) % count;
  for (std::uint64_t probe = 0; probe < count; ++probe) {
    const std::uint64_t block = (first + probe) % count;
    auto buffer = forest_.read_block(object_.tree, block);
    if (!buffer) return error(buffer.error());
    if (!*buffer) return error(EIO);  // directories have no holes
    BlockEntries entries(**buffer);
    while (entries.next()) {
      if (entries.name() == name) return Place{block, entries.offset(), entries.entry()};
    }
    if (!entries.sound()) return error(EIO);
    if (header_of(**buffer).overflowed == 0) break;
  }
  return error(ENOENT);
}

Expected<Directory::Entry> Directory::find(std::string_view name) {
  auto place = locate(name);
  if (!place) return error(place.error());
  return place->entry;
}

Expected<void> Directory::add(std::string_view name, const Entry& entry) {
  if (name.empty() || name.size() > kMaxName) return error(name.empty() ? EINVAL : ENAMETOOLONG);
  const std::size_t need = sizeof(DirectoryEntryHeader) + name.size();
  // At most 7/10 full: probes stay short.
  if ((object_.record.entry_bytes + need) * 10 > blocks() * kRoom * 7) {
    if (auto rebuilt = rebuild(blocks() == 0 ? 1 : blocks() * 2); !rebuilt) return rebuilt;
  }
  for (;;) {
    auto put_in = put(name, entry);
    if (!put_in) return error(put_in.error());
    if (*put_in) break;
    if (auto rebuilt = rebuild(blocks() * 2); !rebuilt) return rebuilt;
  }
  object_.record.entry_count += 1;
  object_.record.entry_bytes += need;
  object_.record_dirty = true;
  return {};
}

// False where no block has room.
Expected<bool> Directory::put(std::string_view name, const Entry& entry) {
  const std::size_t need = sizeof(DirectoryEntryHeader) + name.size();
  const std::uint64_t count = blocks();
  const std::uint64_t first = hash_of(name) % count;
  for (std::uint64_t probe = 0; probe < count; ++probe) {
    auto buffer = forest_.modify_block(object_.tree, (first + probe) % count, false);
    if (!buffer) return error(buffer.error());
    DirectoryBlockHeader header = header_of(**buffer);
    if (header.used > kRoom) return error(EIO);
    if (need > kRoom - header.used) {
      header.overflowed = 1;
      set_header(**buffer, header);
      continue;
    }
    DirectoryEntryHeader stored;
    stored.inode = entry.inode;
    stored.type = entry.type;
    stored.name_size = static_cast<std::uint8_t>(name.size());
    std::byte* to = (*buffer)->data.data() + sizeof(header) + header.used;
    std::memcpy(to, &stored, sizeof(stored));
    std::memcpy(to + sizeof(stored), name.data(), name.size());
    header.used = static_cast<std::uint16_t>(header.used + need);
    set_header(**buffer, header);
    return true;
  }
  return false;
}

Expected<void> Directory::rebuild(std::uint64_t new_blocks) {
  if (new_blocks > kMaxBlocks) return error(ENOSPC);
  auto all = list();
  if (!all) return error(all.error());
  // From here on an error leaves half a directory: the tree stays at its committed state then.
  for (std::uint64_t block = 0; block < new_blocks; ++block) {
    auto buffer = forest_.modify_block(object_.tree, block, true);
    if (!buffer) {
      object_.tree.damaged = true;
      return error(buffer.error());
    }
    (*buffer)->data.fill(std::byte{0});
  }
  object_.record.size = new_blocks * kBlockSize;
  object_.record_dirty = true;
  for (const DirectoryEntry& entry : *all) {
    auto done = put(entry.name, {entry.inode, entry.type});
    if (done && *done) continue;
    object_.tree.damaged = true;
    return error(done ? EIO : done.error());
  }
  return {};
}

Expected<void> Directory::replace(std::string_view name, const Entry& entry) {
  auto place = locate(name);
  if (!place) return error(place.error());
  auto buffer = forest_.modify_block(object_.tree, place->block, false);
  if (!buffer) return error(buffer.error());
  DirectoryEntryHeader stored;
  stored.inode = entry.inode;
  stored.type = entry.type;
  stored.name_size = static_cast<std::uint8_t>(name.size());
  std::memcpy((*buffer)->data.data() + place->offset, &stored, sizeof(stored));
  return {};
}

Expected<void> Directory::remove(std::string_view name) {
  auto place = locate(name);
  if (!place) return error(place.error());
  auto buffer = forest_.modify_block(object_.tree, place->block, false);
  if (!buffer) return error(buffer.error());
  DirectoryBlockHeader header = header_of(**buffer);
  const std::size_t size = sizeof(DirectoryEntryHeader) + name.size();
  const std::size_t end = sizeof(header) + header.used;
  std::byte* data = (*buffer)->data.data();
  std::memmove(data + place->offset, data + place->offset + size, end - place->offset - size);
  std::memset(data + end - size, 0, size);
  header.used = static_cast<std::uint16_t>(header.used - size);
  set_header(**buffer, header);
  InodeRecord& record = object_.record;
  if (record.entry_count == 0 || record.entry_bytes < size) return error(EIO);
  record.entry_count -= 1;
  record.entry_bytes -= size;
  object_.record_dirty = true;
  return {};
}

Expected<std::vector<DirectoryEntry>> Directory::list() {
  std::vector<DirectoryEntry> all;
  for (std::uint64_t block = 0; block < blocks(); ++block) {
    auto buffer = forest_.read_block(object_.tree, block);
    if (!buffer) return error(buffer.error());
    if (!*buffer) return error(EIO);
    BlockEntries entries(**buffer);
    while (entries.next()) {
      all.push_back({std::string(entries.name()), entries.entry().inode, entries.entry().type});
    }
    if (!entries.sound()) return error(EIO);
  }
  return all;
}

}  // namespace coffer::kernel::fs::encrypted
