#include "cli/reference/reference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "cli/command_line.h"
#include "node/command_line.h"

namespace coffer::cli {
namespace {

using ::testing::HasSubstr;

std::string without_escapes(std::string text) {
  std::erase(text, '\\');
  return text;
}

TEST(Reference, EveryVerbHasAPageWithAllThatItsHelpNames) {
  int status = 0;
  const auto command = make_command(status);
  const auto pages = manual_pages(*command, "1.2");
  const auto verbs = verbs_of(*command);
  ASSERT_GT(verbs.size(), 5u);
  EXPECT_EQ(pages.size(), verbs.size() + 1);
  for (const CLI::App* verb : verbs) {
    const auto page = std::ranges::find(pages, "man1/coffer-" + verb->get_name() + ".1", &ReferenceFile::name);
    ASSERT_NE(page, pages.end()) << verb->get_name();
    const std::string text = without_escapes(page->text);
    EXPECT_THAT(text, HasSubstr(verb->get_description()));
    EXPECT_THAT(text, HasSubstr("Coffer 1.2"));
    auto parts = verbs_of(*verb);
    parts.push_back(verb);
    for (const CLI::App* part : parts) {
      for (const CLI::Option* option : options_of(*part)) {
        for (const std::string& name : names_of_option(*option)) EXPECT_THAT(text, HasSubstr(name)) << page->name;
        EXPECT_THAT(text, HasSubstr(option->get_description())) << page->name;
      }
    }
    EXPECT_THAT(without_escapes(pages.back().text), HasSubstr("coffer-" + verb->get_name()));
  }
}

TEST(Reference, TextIsNeverARequestOfRoff) {
  CLI::App command{"Does things.", "coffer"};
  auto* verb = command.add_subcommand("do", ".de a thing with a \\backslash and --dashes");
  verb->footer("'quoted line\n.TH not a title");
  for (const auto& page : manual_pages(command, "1")) {
    EXPECT_THAT(page.text, ::testing::Not(HasSubstr("\n.de")));
    EXPECT_THAT(page.text, ::testing::Not(HasSubstr("\n'quoted")));
    EXPECT_THAT(page.text, ::testing::Not(HasSubstr("\n.TH not")));
  }
}

// Completes `line` in a real bash with the generated script.
std::string completed(const CLI::App& command, const std::vector<std::string>& words) {
  const std::string& program = command.get_name();
  char folder[] = "/tmp/coffer-completion-XXXXXX";
  if (::mkdtemp(folder) == nullptr) return "no folder";
  const std::filesystem::path path = folder;
  std::ofstream(path / program) << bash_completion(command);
  std::string script = "source " + (path / program).string() + "\nCOMP_WORDS=(";
  for (const std::string& word : words) script += "'" + word + "' ";
  script += ")\nCOMP_CWORD=" + std::to_string(words.size() - 1) + "\n_" + program + "\necho \"${COMPREPLY[@]}\"\n";
  std::ofstream(path / "script") << script;
  const std::string run = "bash " + (path / "script").string() + " >" + (path / "out").string() + " 2>&1";
  EXPECT_EQ(std::system(run.c_str()), 0);
  std::ifstream out(path / "out");
  std::string line;
  std::getline(out, line);
  std::filesystem::remove_all(path);
  return line;
}

TEST(Reference, BashCompletesVerbsOptionsAndChoices) {
  int status = 0;
  const auto command = make_command(status);
  EXPECT_EQ(completed(*command, {"coffer", "insp"}), "inspect");
  EXPECT_THAT(completed(*command, {"coffer", ""}), HasSubstr("sign"));
  EXPECT_EQ(completed(*command, {"coffer", "sign", "--conf"}), "--config");
  EXPECT_EQ(completed(*command, {"coffer", "key", "n"}), "new");
  EXPECT_EQ(completed(*command, {"coffer", "run", "--rung", "in"}), "inline");
  EXPECT_EQ(completed(*command, {"coffer", "run", "x.enclave", "--", "--ru"}), "");
}

TEST(Reference, TheDaemonHasItsPageAndCompletion) {
  node::Options ignored;
  const auto daemon = node::make_command(ignored);
  const ReferenceFile page = daemon_page(*daemon, "1.2");
  EXPECT_EQ(page.name, "man8/cofferd.8");
  EXPECT_THAT(page.text, ::testing::StartsWith(".TH COFFERD 8 "));
  const std::string text = without_escapes(page.text);
  ASSERT_GT(options_of(*daemon).size(), 5u);
  for (const CLI::Option* option : options_of(*daemon)) {
    for (const std::string& name : names_of_option(*option)) EXPECT_THAT(text, HasSubstr(name));
    EXPECT_THAT(text, HasSubstr(option->get_description()));
  }
  EXPECT_EQ(completed(*daemon, {"cofferd", "--epc-"}), "--epc-per-user");
  EXPECT_EQ(completed(*daemon, {"cofferd", "--config", "--ep"}), "");
  EXPECT_THAT(zsh_completion(*daemon), ::testing::StartsWith("#compdef cofferd\n"));
  EXPECT_THAT(zsh_completion(*daemon), HasSubstr("--epc-per-user["));
}

TEST(Reference, ZshKnowsEveryVerb) {
  int status = 0;
  const auto command = make_command(status);
  const std::string script = zsh_completion(*command);
  EXPECT_THAT(script, ::testing::StartsWith("#compdef coffer\n"));
  for (const CLI::App* verb : verbs_of(*command)) EXPECT_THAT(script, HasSubstr("'" + verb->get_name() + "')"));
  EXPECT_THAT(script, HasSubstr("(inline process sgx)"));
}

}  // namespace
}  // namespace coffer::cli
