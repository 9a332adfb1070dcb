// Telling the supervisor that started this process, systemd or one that speaks its protocol, how far it is.
#pragma once

namespace coffer::node {

// "READY=1" to the datagram socket that $NOTIFY_SOCKET names (sd_notify(3)): who ordered the start goes on now. Without
// one nothing happens, and a supervisor that does not listen keeps nobody from serving.
void notify_ready();

}  // namespace coffer::node
