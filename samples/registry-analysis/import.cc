#include "import.h"

#include <algorithm>
#include <fstream>
#include <stdexcept>
#include <vector>

#include "csv.h"

namespace registry {
namespace {

// ISO 3166-1 alpha-2, sorted, two letters each.
constexpr std::string_view kCountries =
    "ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZCACCCDCFCGCHCICKCLCMCNCOCRCUCVCWCXCYCZ"
    "DEDJDKDMDODZECEEEGEHERESETFIFJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGNGPGQGRGSGTGUGWGYHKHMHNHRHTHUIDIEILIMINIOIQIRISITJEJM"
    "JOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINLNONP"
    "NRNUNZOMPAPEPFPGPHPKPLPMPNPRPSPTPWPYQARERORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZTCTDTFTGTHTJTKTLTMTNTO"
    "TRTTTVTWTZUAUGUMUSUYUZVAVCVEVGVIVNVUWFWSYEYTZAZMZW";
static_assert(kCountries.size() == 2 * 249);

bool is_country(std::string_view word) {
  if (word.size() != 2) return false;
  std::size_t low = 0, high = kCountries.size() / 2;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    const std::string_view code = kCountries.substr(2 * middle, 2);
    if (code == word) return true;
    if (code < word) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return false;
}

// How many addresses an assignment of each list stands for: 2^(48 - bits of its prefix).
std::int64_t block_size(std::size_t prefix_digits) { return std::int64_t{1} << (48 - 4 * prefix_digits); }

std::string trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1));
}

unsigned long import_file(const std::filesystem::path& file, Statement& insert) {
  std::ifstream input(file, std::ios::binary);
  if (!input) throw std::runtime_error(file.string() + ": cannot be opened");
  CsvReader reader(input, file.string());
  std::vector<std::string> fields;
  const std::vector<std::string> header = {"Registry", "Assignment", "Organization Name", "Organization Address"};
  if (!reader.next(fields) || fields != header) {
    throw std::runtime_error(file.string() + ":1: not an IEEE registration list: the header is another");
  }
  unsigned long rows = 0;
  while (reader.next(fields)) {
    const std::string where = file.string() + ":" + std::to_string(reader.row_line());
    if (fields.size() != header.size()) throw std::runtime_error(where + ": not four fields");
    const std::string& prefix = fields[1];
    if (prefix.size() < 6 || prefix.size() > 12 || prefix.find_first_not_of("0123456789ABCDEF") != std::string::npos) {
      throw std::runtime_error((where + ": not an address prefix: ").append(prefix));
    }
    const std::string organisation = trimmed(fields[2]), address = trimmed(fields[3]);
    const std::string country = country_of(address);
    insert.reset();
    insert.bind(1, fields[0]);
    insert.bind(2, prefix);
    insert.bind(3, organisation);
    insert.bind(4, address);
    insert.bind(5, country);
    insert.bind(6, block_size(prefix.size()));
    insert.step();
    ++rows;
  }
  return rows;
}

}  // namespace

std::string country_of(std::string_view address) {
  while (!address.empty()) {
    const auto space = address.find_last_of(' ');
    const std::string_view word = space == std::string_view::npos ? address : address.substr(space + 1);
    if (is_country(word)) return std::string(word);
    address = space == std::string_view::npos ? std::string_view() : address.substr(0, space);
  }
  return {};
}

ImportCounts import_folder(const std::filesystem::path& folder, Database& database) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".csv") files.push_back(entry.path());
  }
  if (files.empty()) throw std::runtime_error(folder.string() + ": holds no .csv file");
  std::sort(files.begin(), files.end());  // the order of a directory is not the same everywhere

  database.run("BEGIN");
  database.run(
      "CREATE TABLE assignment (registry TEXT NOT NULL, prefix TEXT NOT NULL, organisation TEXT NOT NULL,"
      " address TEXT NOT NULL, country TEXT NOT NULL, size INTEGER NOT NULL)");
  ImportCounts counts;
  {
    Statement insert(database, "INSERT INTO assignment VALUES (?, ?, ?, ?, ?, ?)");
    for (const auto& file : files) {
      counts.rows += import_file(file, insert);
      ++counts.files;
    }
  }
  database.run("CREATE INDEX assignment_organisation ON assignment (organisation)");
  database.run("COMMIT");
  return counts;
}

}  // namespace registry
