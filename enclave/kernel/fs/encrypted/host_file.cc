#include "enclave/kernel/fs/encrypted/host_file.h"

#include <errno.h>

namespace coffer::kernel::fs::encrypted {

Expected<void> HostFile::open(HostDirectory& host, std::string_view name, int open_flags) {
  close();
  auto handle = host.open(name, open_flags, 0600);
  if (!handle) return error(handle.error());
  host_ = &host;
  handle_ = *handle;
  return {};
}

void HostFile::close() {
  if (host_ != nullptr) host_->close(handle_);
  host_ = nullptr;
}

Expected<std::size_t> HostFile::read_some(std::uint64_t offset, std::span<std::byte> into) {
  std::size_t done = 0;
  while (done < into.size()) {
    auto count = host_->read_at(handle_, offset + done, into.subspan(done));
    if (!count) return error(count.error());
    if (*count > into.size() - done) return error(EIO);
    if (*count == 0) break;
    done += *count;
  }
  return done;
}

Expected<void> HostFile::read(std::uint64_t offset, std::span<std::byte> into) {
  auto count = read_some(offset, into);
  if (!count) return error(count.error());
  if (*count != into.size()) return error(EIO);
  return {};
}

Expected<void> HostFile::write(std::uint64_t offset, std::span<const std::byte> from) {
  while (!from.empty()) {
    auto count = host_->write_at(handle_, offset, from);
    if (!count) return error(count.error());
    if (*count == 0 || *count > from.size()) return error(EIO);
    offset += *count;
    from = from.subspan(*count);
  }
  return {};
}

}  // namespace coffer::kernel::fs::encrypted
