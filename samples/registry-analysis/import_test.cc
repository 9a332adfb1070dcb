#include "import.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "analyse.h"

namespace registry {
namespace {

constexpr char kHeader[] = "Registry,Assignment,Organization Name,Organization Address\n";

class ImportTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("registry-import-" + std::to_string(getpid()));
    std::filesystem::create_directory(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void write(const char* name, const std::string& rows) { std::ofstream(folder_ / name) << rows; }
  std::string import_error() {
    try {
      Database database(":memory:", Database::Mode::kReplace);
      import_folder(folder_, database);
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return "no error";
  }

  std::filesystem::path folder_;
};

TEST(Country, IsTheLastCountryCodeOfAnAddress) {
  EXPECT_EQ(country_of("2181 Buchanan Loop Ferndale WA US 98248"), "US");
  EXPECT_EQ(country_of("4445 Garand Montreal QC CA H4R 2H9"), "CA");
  EXPECT_EQ(country_of("Hauptstrasse 1 Berlin Berlin DE 10115"), "DE");
  EXPECT_EQ(country_of("Harare ZW"), "ZW");
  EXPECT_EQ(country_of("Andorra AD"), "AD");
  EXPECT_EQ(country_of("no code XX here"), "");
  EXPECT_EQ(country_of(""), "");
}

TEST_F(ImportTest, CountsAndAnswers) {
  write("a.csv", std::string(kHeader) + "MA-L,001122,\"Acme, Inc\",Road 1 Town US 1\nMA-S,001122334,Beta,\n");
  write("b.csv", std::string(kHeader) + "MA-L,001122,Gamma,Road 2 Town DE 2\n");
  Database database(":memory:", Database::Mode::kReplace);
  const ImportCounts counts = import_folder(folder_, database);
  EXPECT_EQ(counts.files, 2u);
  EXPECT_EQ(counts.rows, 3u);
  const std::string text = analyse(database, 5);
  EXPECT_NE(text.find("001122        2  Acme, Inc  Gamma"), std::string::npos) << text;
  EXPECT_NE(text.find("Acme, Inc               1   16777216"), std::string::npos) << text;
}

TEST_F(ImportTest, RefusesWhatIsNoRegistrationList) {
  EXPECT_EQ(import_error(), folder_.string() + ": holds no .csv file");
  write("a.csv", "one,two\n");
  EXPECT_NE(import_error().find("a.csv:1: not an IEEE registration list"), std::string::npos);
  write("a.csv", std::string(kHeader) + "MA-L,001122,only three\n");
  EXPECT_NE(import_error().find("a.csv:2: not four fields"), std::string::npos);
  write("a.csv", std::string(kHeader) + "MA-L,00112Z,Acme,\n");
  EXPECT_NE(import_error().find("a.csv:2: not an address prefix: 00112Z"), std::string::npos);
}

}  // namespace
}  // namespace registry
