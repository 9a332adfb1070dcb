// Reads the IEEE registration lists (oui.csv, mam.csv, oui36.csv, iab.csv) into a database.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "database.h"

namespace registry {

struct ImportCounts {
  unsigned long files = 0, rows = 0;
};

// Replaces the tables of `database` by the rows of every *.csv in `folder`, in one transaction. Throws
// std::runtime_error where a file is not a registration list or the folder holds none.
ImportCounts import_folder(const std::filesystem::path& folder, Database& database);

// The two-letter country code in a registrant's address, or "" where there is none. Addresses are one line of street,
// town, region, country and post code without separators: the country is the last word of two capital letters that
// ISO 3166 knows.
[[nodiscard]] std::string country_of(std::string_view address);

}  // namespace registry
