// Manual pages in man(7)'s macros.
#include <algorithm>
#include <sstream>

#include "cli/reference/reference.h"

namespace coffer::cli {
namespace {

// Text for roff: no character of it is a command.
std::string plain(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\\') {
      escaped += "\\e";
    } else if (c == '-') {
      escaped += "\\-";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::string line(std::string_view text) {
  const std::string escaped = plain(text);
  const bool looks_like_a_request = !escaped.empty() && (escaped.front() == '.' || escaped.front() == '\'');
  return (looks_like_a_request ? "\\&" : "") + escaped + "\n";
}

std::string upper(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

std::string title(const std::string& page, const std::string& version, char section = '1') {
  return ".TH " + upper(plain(page)) + " " + section + " \"\" \"Coffer " + version + "\" \"Coffer\"\n";
}

// "-o, --output FILE", with the names in bold.
std::string option_head(const CLI::Option& option) {
  auto names = names_of_option(option);
  std::ranges::reverse(names);
  std::string head;
  for (const std::string& name : names) head += (head.empty() ? "\\fB" : ", \\fB") + plain(name) + "\\fR";
  if (is_flag(option)) return head;
  const auto choices = choices_of(option);
  std::string value;
  for (const std::string& choice : choices) value += (value.empty() ? "" : "|") + plain(choice);
  if (choices.empty()) value = plain(value_name(option));
  return head + " \\fI" + value + "\\fR";
}

std::string synopsis(const std::string& words, const CLI::App& verb) {
  std::string text = ".B " + plain(words) + "\n";
  if (!options_of(verb).empty()) text += "[\\fIOPTIONS\\fR]\n";
  for (const CLI::Option* argument : arguments_of(verb)) {
    const std::string name = "\\fI" + plain(argument->get_name(true)) + "\\fR";
    text += (argument->get_required() ? name : "[" + name + "]") +
            (argument->get_items_expected_max() > 1 ? " ...\n" : "\n");
  }
  return text;
}

std::string described(const std::vector<const CLI::Option*>& options, bool as_arguments) {
  std::string text;
  for (const CLI::Option* option : options) {
    const std::string head = as_arguments ? "\\fI" + plain(option->get_name(true)) + "\\fR" : option_head(*option);
    text += ".TP\n" + head + "\n" + line(option->get_description());
  }
  return text;
}

// The help's last part: paragraphs and lists of examples, kept as they are set there.
std::string kept(const std::string& footer) {
  if (footer.empty()) return {};
  std::string text = ".nf\n";
  std::istringstream lines(footer);
  for (std::string one; std::getline(lines, one);) text += one.empty() ? "\n" : line(one);
  return text + ".fi\n";
}

std::string verb_page(const std::string& words, const CLI::App& verb, const std::string& version) {
  std::string page = words;
  std::ranges::replace(page, ' ', '-');
  const auto nested = verbs_of(verb);
  std::string text = title(page, version) + ".SH NAME\n" + plain(page) + " \\- " + line(verb.get_description());
  text += ".SH SYNOPSIS\n";
  for (const CLI::App* one : nested) {
    text += synopsis(words + " " + one->get_name(), *one) + (one == nested.back() ? "" : ".br\n");
  }
  if (nested.empty()) text += synopsis(words, verb);
  for (const CLI::App* one : nested) {
    text += ".SH " + upper(plain(one->get_name())) + "\n" + line(one->get_description()) +
            described(arguments_of(*one), true) + described(options_of(*one), false);
    if (!one->get_footer().empty()) text += ".PP\n" + kept(one->get_footer());
  }
  if (!arguments_of(verb).empty()) text += ".SH ARGUMENTS\n" + described(arguments_of(verb), true);
  text += ".SH OPTIONS\n" + described(options_of(verb), false);
  if (!verb.get_footer().empty()) text += ".SH NOTES\n" + kept(verb.get_footer());
  return text + ".SH SEE ALSO\n.BR coffer (1)\n";
}

}  // namespace

ReferenceFile daemon_page(const CLI::App& daemon, const std::string& version) {
  const std::string& name = daemon.get_name();
  std::string text = title(name, version, '8') + ".SH NAME\n" + plain(name) + " \\- " + line(daemon.get_description());
  text += ".SH SYNOPSIS\n" + synopsis(name, daemon) + ".SH OPTIONS\n" + described(options_of(daemon), false);
  text += ".SH NOTES\n" + kept(daemon.get_footer()) + ".SH SEE ALSO\n.BR coffer (1)\n";
  return {"man8/" + name + ".8", text};
}

std::vector<ReferenceFile> manual_pages(const CLI::App& command, const std::string& version) {
  std::string main = title("coffer", version) + ".SH NAME\ncoffer \\- " + line(command.get_description()) +
                     ".SH SYNOPSIS\n.B coffer\n\\fIVERB\\fR [\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]\n.SH VERBS\n";
  std::vector<ReferenceFile> pages;
  for (const CLI::App* verb : verbs_of(command)) {
    main += ".TP\n.BR coffer\\-" + plain(verb->get_name()) + " (1)\n" + line(verb->get_description());
    pages.push_back(
        {"man1/coffer-" + verb->get_name() + ".1", verb_page("coffer " + verb->get_name(), *verb, version)});
  }
  main += ".SH OPTIONS\n" + described(options_of(command), false) + ".SH NOTES\n" + kept(command.get_footer());
  main += ".SH SEE ALSO\n.BR cofferd (8)\n";
  pages.push_back({"man1/coffer.1", main});
  return pages;
}

}  // namespace coffer::cli
