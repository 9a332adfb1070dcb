// Which files on this machine are the ELF files that an image was made of, symbols and all: an image has only what is
// loaded.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "host/image/coffer_image.h"

namespace coffer::host {

// Offsets are from the enclave's base.
struct SymbolFile {
  std::filesystem::path file;  // absolute
  std::uint64_t base = 0;      // where the file's address 0 stands
  std::uint64_t dynamic = 0;   // of its dynamic section; 0: it has none
};

// The program and the enclave kernel, as far as they are found: the kernel among the installed parts; the program where
// $COFFER_SYMBOLS says, beside `image_path` under the same name without its ending, or under any name there. A file
// counts only where its code is the image's. $COFFER_SYMBOLS=off: none.
[[nodiscard]] std::vector<SymbolFile> find_symbol_files(const std::filesystem::path& image_path,
                                                        const image::CofferImage& image);

// The function that has code at `offset`, and how far behind its beginning that is: "store(int*)+0x4"; empty where no
// file knows it. From symbol tables alone; lines are for `coffer symbolize`.
[[nodiscard]] std::string function_at(const std::vector<SymbolFile>& files, std::uint64_t offset);

}  // namespace coffer::host
