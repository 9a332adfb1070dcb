#include "enclave/kernel/fs/links.h"

#include <errno.h>

#include "enclave/kernel/fs/path.h"

namespace coffer::kernel::fs {

namespace {

// A path that is being walked: what was resolved, and what is still to come.
class Walk {
 public:
  Walk(const MountTable& mounts, std::string_view absolute) : mounts_(mounts), rest_(absolute.substr(1)) {}

  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[nodiscard]] const std::string& done() const { return done_; }

  Expected<void> step(bool follow_last) {
    const std::size_t slash = rest_.find('/');
    const std::string part = rest_.substr(0, slash);
    rest_.erase(0, slash == std::string::npos ? rest_.size() : slash + 1);
    if (part.empty() || part == ".") return {};
    if (part == "..") {
      if (confined_to_ != nullptr && done_ == confined_to_->path) return error(EXDEV);
      done_ = parent_of(done_);
      return {};
    }
    auto here = mounts_.locate(done_, part);
    if (!here) return error(here.error());
    if (confined_to_ != nullptr && here->mount != confined_to_) return error(EXDEV);
    const bool may_be_link = !here->relative.empty() && !here->mount->file_system->has_own_links();
    if (may_be_link && (follow_last || !rest_.empty())) {
      auto target = here->mount->file_system->read_link(here->relative);
      if (target) return follow(*here->mount, *target);
    }
    done_ = std::move(here->absolute);
    return {};
  }

 private:
  Expected<void> follow(const MountPoint& mount, std::string_view target) {
    if (++links_ > kMostLinksFollowed) return error(ELOOP);
    if (target.empty()) return error(ENOENT);
    if (mount.file_system->has_host_links()) confined_to_ = &mount;
    if (target.starts_with('/')) {
      done_ = "/";
      std::string_view beneath_mount = target.substr(1);
      if (confined_to_ != nullptr) {
        if (!beneath(confined_to_->path, target, &beneath_mount)) return error(EXDEV);
        done_ = confined_to_->path;
      }
      target = beneath_mount;
    }
    if (target.size() + rest_.size() >= kMaxPathLength) return error(ENAMETOOLONG);
    std::string rest(target);
    if (!rest_.empty()) rest += '/';
    rest_ = rest + rest_;
    return {};
  }

  const MountTable& mounts_;
  std::string done_ = "/";  // normalised, without links
  std::string rest_;
  const MountPoint* confined_to_ = nullptr;  // the host has had a say in the way since its mount
  int links_ = 0;
};

}  // namespace

bool stopped_at_link(int error_number) { return error_number == ELOOP || error_number == EXDEV; }

Expected<Location> resolve_links(const MountTable& mounts, const Location& location, bool follow_last) {
  Walk walk(mounts, location.absolute);
  while (!walk.at_end()) {
    if (auto stepped = walk.step(follow_last || location.must_be_directory); !stepped) return error(stepped.error());
  }
  auto resolved = mounts.locate("/", walk.done());
  if (resolved) resolved->must_be_directory = location.must_be_directory;
  return resolved;
}

}  // namespace coffer::kernel::fs
