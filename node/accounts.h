// Who holds how much protected memory. Not thread-safe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>

#include "base/result.h"

namespace coffer::node {

struct Limits {
  std::uint64_t total = 0;              // bytes of protected memory for all users together
  std::uint64_t per_user = 0;           // bytes for one user
  std::uint32_t enclaves_per_user = 0;  // cells that one user may have at a time
};

class Accounts {
 public:
  explicit Accounts(const Limits& limits) : limits_(limits) {}

  // Refused where a limit says no; the message names it and what is in use.
  [[nodiscard]] Result<void> reserve(uid_t user, std::uint64_t bytes);
  void release(uid_t user, std::uint64_t bytes);

  struct Use {
    std::uint64_t bytes = 0;
    std::uint32_t enclaves = 0;
  };
  [[nodiscard]] Use of(uid_t user) const;
  [[nodiscard]] const Use& all() const { return all_; }

 private:
  Limits limits_;
  Use all_;
  std::map<uid_t, Use> users_;
};

}  // namespace coffer::node
