// The result type of the whole code base; the public headers use it too, so it stands with them.
#pragma once

#include <coffer/result.h>
