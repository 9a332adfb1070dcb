#include "node/command_line.h"

#include <fmt/format.h>

namespace coffer::node {

std::unique_ptr<CLI::App> make_command(Options& options) {
  auto app = std::make_unique<CLI::App>(
      "Owns the platform's keys and the cells of a machine, and shares its protected memory out.", "cofferd");
  app->set_version_flag("--version", "cofferd " COFFER_VERSION);
  app->add_option("--config", options.config, fmt::format("Settings (default: {} where it is there)", kDefaultConfig))
      ->type_name("FILE");
  app->add_option("--socket", options.socket,
                  "Where to listen (default: /run/coffer/cofferd.sock); its folder is made where it is missing")
      ->type_name("PATH");
  app->add_option("--state", options.state, "Folder of the platform's keys (default: /var/lib/coffer)")
      ->type_name("FOLDER");
  app->add_option("--epc", options.epc,
                  "Protected memory for all users together, e.g. 8G (default: the machine's memory)")
      ->type_name("SIZE");
  app->add_option("--epc-per-user", options.epc_per_user,
                  "Protected memory for one user, e.g. 2G (default: half of the machine's memory)")
      ->type_name("SIZE");
  app->add_option("--warm", options.warm,
                  "Protected memory that is kept warm for fast launches (default: 256M; 0: none)")
      ->type_name("SIZE");
  app->add_option("--user", options.user, "Become this user once the socket is there (as root)")->type_name("USER");
  app->footer(
      "Examples:\n"
      "  systemctl enable --now cofferd                          where it was installed and systemd runs\n"
      "  cofferd --user coffer --epc 8G --epc-per-user 2G        as root, without systemd\n"
      "  cofferd --socket ./cofferd.sock --state ./platform      to try it out as any user\n\n"
      "Programs find it at its usual place, or through COFFER_DAEMON=SOCKET; COFFER_DAEMON=none does without.\n"
      "SIGTERM and SIGINT end it and its cells. The settings' keys are in docs/daemon.md.\n"
      "Exit status: 0 ended by a signal, 2 usage, input or system error.");
  return app;
}

}  // namespace coffer::node
