// Shell completion. Both scripts first find which verb the line names, then offer what that verb takes.
#include <fmt/format.h>

#include "cli/reference/reference.h"

namespace coffer::cli {
namespace {

constexpr const char* kIds = "$(coffer ps --quiet 2>/dev/null)";

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// `text` inside single quotes of a shell.
std::string in_quotes(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

// Inside a specification of zsh's _arguments, where brackets and colons separate.
std::string specified(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') result += '\\';
    result += c;
  }
  return result;
}

// Calls `visit` with the path of each command ("", "key", "key new") and the command.
template <class Visit>
void walk(const CLI::App& command, const std::string& path, const Visit& visit) {
  visit(path, command);
  for (const CLI::App* verb : verbs_of(command)) {
    walk(*verb, path.empty() ? verb->get_name() : path + " " + verb->get_name(), visit);
  }
}

std::vector<std::string> verb_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* verb : verbs_of(command)) names.push_back(verb->get_name());
  return names;
}

bool takes_ids(const CLI::App& command) {
  for (const CLI::Option* argument : arguments_of(command)) {
    if (argument->get_name(true) == "ID") return true;
  }
  return false;
}

// One branch of zsh's case: the verbs below, or the options and arguments.
std::string zsh_branch(const CLI::App& command) {
  if (!verbs_of(command).empty()) {
    std::string text = "      local -a verbs=(";
    for (const CLI::App* verb : verbs_of(command)) {
      text += "\n        " + in_quotes(specified(verb->get_name()) + ":" + verb->get_description());
    }
    return text + ")\n      _describe verb verbs\n";
  }
  std::string text = "      _arguments -S";
  for (const CLI::Option* option : options_of(command)) {
    for (const std::string& name : names_of_option(*option)) {
      std::string word = "*" + name + "[" + specified(option->get_description()) + "]";
      if (!is_flag(*option)) {
        const auto choices = choices_of(*option);
        word += ":" + specified(value_name(*option)) + ":" + (choices.empty() ? "_files" : "(" + joined(choices) + ")");
      }
      text += " \\\n        " + in_quotes(word);
    }
  }
  text += takes_ids(command) ? std::string(" \\\n        '*:id:(") + "'\"" + kIds + "\"')'"
                             : " \\\n        '*:file:_files'";
  return text + "\n";
}

}  // namespace

std::string bash_completion(const CLI::App& command) {
  const std::string& program = command.get_name();
  std::string paths, options, verbs, ids, values;
  walk(command, "", [&](const std::string& path, const CLI::App& one) {
    if (!path.empty()) {
      const std::size_t cut = path.rfind(' ');
      const std::string parent = cut == std::string::npos ? "" : path.substr(0, cut);
      paths += "      " + in_quotes(parent + ":" + one.get_name()) + ") path=" + in_quotes(path) + " ;;\n";
    }
    if (!verbs_of(one).empty()) {
      verbs += "    " + in_quotes(path) + ") words=" + in_quotes(joined(verb_names(one))) + " ;;\n";
    }
    if (takes_ids(one)) ids += "    " + in_quotes(path) + ") words=\"" + kIds + "\" ;;\n";
    std::vector<std::string> names;
    for (const CLI::Option* option : options_of(one)) {
      for (const std::string& name : names_of_option(*option)) {
        names.push_back(name);
        if (is_flag(*option)) continue;
        const auto choices = choices_of(*option);
        const std::string answer = choices.empty() ? "return"
                                                   : fmt::format("COMPREPLY=($(compgen -W {} -- \"$word\")); return",
                                                                 in_quotes(joined(choices)));
        values += fmt::format("    {}) {} ;;\n", in_quotes(fmt::format("{}:{}", path, name)), answer);
      }
    }
    options += "    " + in_quotes(path) + ") options=" + in_quotes(joined(names)) + " ;;\n";
  });
  return "# Completion of " + program + " for bash. Generated from the command's own definitions.\n_" + program +
         "() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} path='' options='' words='' i\n"
         "  COMPREPLY=()\n"
         "  for ((i = 1; i < COMP_CWORD; ++i)); do\n"
         "    case \"$path:${COMP_WORDS[i]}\" in\n"
         "      *:--) return ;;  # what follows is the program's own\n" +
         paths +
         "    esac\n"
         "  done\n"
         "  case \"$path:$before\" in\n" +
         values +
         "  esac\n"
         "  case \"$path\" in\n" +
         options +
         "  esac\n"
         "  case \"$path\" in\n" +
         verbs + ids +
         "  esac\n"
         "  [[ $word == -* ]] && words=$options\n"
         "  [[ -n $words ]] && COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
         "}\n"
         "complete -o default -F _" +
         program + " " + program + "\n";
}

std::string zsh_completion(const CLI::App& command) {
  const std::string& program = command.get_name();
  std::string paths, branches;
  walk(command, "", [&](const std::string& path, const CLI::App& one) {
    if (!path.empty()) {
      const std::size_t cut = path.rfind(' ');
      const std::string parent = cut == std::string::npos ? "" : path.substr(0, cut);
      paths += "      " + in_quotes(parent + ":" + one.get_name()) + ") path_=" + in_quotes(path) + "; deep=$i ;;\n";
    }
    branches += "    " + in_quotes(path) + ")\n" + zsh_branch(one) + "      ;;\n";
  });
  return "#compdef " + program + "\n# Completion of " + program +
         " for zsh. Generated from the command's own definitions.\n_" + program +
         "() {\n"
         "  local path_='' deep=1 i\n"
         "  for ((i = 2; i < CURRENT; ++i)); do\n"
         "    case \"$path_:${words[i]}\" in\n"
         "      *:--) _files; return ;;\n" +
         paths +
         "    esac\n"
         "  done\n"
         "  shift $((deep - 1)) words\n"
         "  ((CURRENT -= deep - 1))\n"
         "  case \"$path_\" in\n" +
         branches +
         "  esac\n"
         "}\n"
         "_" +
         program + " \"$@\"\n";
}

}  // namespace coffer::cli
