// The first process of a container that asked for an init: passes signals on, reaps orphans, ends
// as its child ends.
#pragma once

namespace shoal::shim {

/// docker-init [--] PROGRAM [ARG ...]
int init_main(int argc, char** argv);

} // namespace shoal::shim
