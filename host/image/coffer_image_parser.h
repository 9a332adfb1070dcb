// The reader behind CofferImage::parse(), in steps; private to host/image.
#pragma once

#include <string>
#include <string_view>

#include "host/image/coffer_image.h"

namespace coffer::image {

class CofferImage::Parser {
 public:
  Parser(ByteView file, std::string_view name) : file_(file), name_(name) {}
  [[nodiscard]] Result<CofferImage> parse();

 private:
  [[nodiscard]] std::unexpected<Error> damaged(std::string_view what) const;

  [[nodiscard]] Result<void> header();
  [[nodiscard]] Result<void> segments();
  [[nodiscard]] Result<void> segment(std::uint32_t index, const FileSegment& entry);
  [[nodiscard]] Result<void> layout();
  [[nodiscard]] Result<void> program();
  [[nodiscard]] Result<void> threads();
  [[nodiscard]] Result<void> heap();
  [[nodiscard]] Result<void> names();
  [[nodiscard]] Result<void> files();
  [[nodiscard]] Result<void> mounts();
  [[nodiscard]] Result<void> network();
  [[nodiscard]] Result<void> sites();
  [[nodiscard]] Result<void> cpuid_sites();

  // The segment that holds all of [offset, offset + size), or nothing.
  [[nodiscard]] const Segment* segment_around(std::uint64_t offset, std::uint64_t size) const;
  // `count` records of T at `table` in the blob, or nothing where they do not fit.
  template <class T>
  [[nodiscard]] std::optional<std::vector<T>> table(std::uint32_t table, std::uint32_t count) const;
  [[nodiscard]] std::optional<std::string_view> blob_text(std::uint32_t offset, std::uint32_t size) const;

  ByteView file_;
  std::string name_;
  CofferImage image_;
  std::uint64_t end_of_pages_ = 0;  // of the segments so far
  std::uint64_t end_of_file_ = 0;   // of the contents so far
  std::uint64_t zero_bytes_ = 0;
  std::uint64_t tcs_pages_ = 0;
};

}  // namespace coffer::image
