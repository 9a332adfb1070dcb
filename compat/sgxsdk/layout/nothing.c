/* For libraries of the SDK that need nothing here: an archive has to hold something. */
static const char coffer_sgxsdk_nothing __attribute__((unused)) = 0;
