#include <stdexcept>

namespace {
struct Broken {
  Broken() { throw std::runtime_error("this constructor fails"); }
} broken;
}  // namespace
