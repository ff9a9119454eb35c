// `shoald registry gc`, `du` and `verify`: collection, usage and verification on a terminal, beside
// a running server or without one.
#pragma once

#include "registry/server/gc.h"

namespace shoal::registry {

enum class Output { Text, Json };
/// Print what they found and give the exit code; verify gives 1 when something is wrong.
int run_gc_command(Store& store, const GcOptions& options, Output output);
int run_du_command(Store& store, Output output);
int run_verify_command(Store& store, Output output);

} // namespace shoal::registry
