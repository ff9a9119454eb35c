// Waiting until a service is as it should be, with its progress on the terminal.
#pragma once

#include "cli/swarm/watch.h"

namespace shoal::cli::swarm {

/// Fails when an update or rollback pauses. Ctrl-C ends the waiting, not the work.
Result<void> wait_for_service(App& app, client::Client& client, const std::string& service,
                              Watch::Show show);
inline Watch::Show show_of(const Parsed& parsed) {
    return parsed.on("quiet") ? Watch::Show::Nothing : Watch::Show::Everything;
}
/// The warnings of an answer, on standard error.
void print_warnings(App& app, const Json& answer);

} // namespace shoal::cli::swarm
