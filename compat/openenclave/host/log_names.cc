#include <openenclave/log.h>

// Shared by both sides: host and enclave libraries compile it.
extern "C" const char* const oe_log_level_strings[OE_LOG_LEVEL_MAX] = {"NONE", "FATAL", "ERROR",
                                                                       "WARN", "INFO",  "VERBOSE"};
