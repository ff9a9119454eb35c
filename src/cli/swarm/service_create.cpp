// service create.
#include "cli/swarm/commands.h"
#include "cli/swarm/converge.h"
#include "cli/swarm/documents.h"
#include "cli/swarm/image_pin.h"
#include "cli/swarm/lookups.h"
#include "cli/swarm/service_flags.h"
#include "cli/swarm/service_request.h"
#include "cli/swarm/service_spec.h"

namespace shoal::cli::swarm {
namespace {

Result<int> create(App& app, const Parsed& parsed) {
    TRY_LET(client, app.client());
    TRY_LET(ids, look_up_names(*client, parsed));
    TRY_LET(spec, created_spec(parsed, ids, working_directory()));
    warn_of_log_options(app, parsed);
    TRY_LET(auth, auth_to_send(app, parsed, parsed.words[0]));
    const Ask ask = parsed.on("no-resolve-image") ? Ask::Nobody : Ask::Registry;
    TRY_LET(warning, resolve_image(*client, spec, ask, auth));
    TRY_LET(answer, client->json(with_auth(client::post("/services/create", {}, spec), auth)));
    print_warnings(app, answer);
    if (!warning.empty()) { app.error_line(warning); }
    const std::string id = id_of(answer);
    app.line(id);
    if (parsed.on("detach")) { return 0; }
    TRY(wait_for_service(app, *client, id, show_of(parsed)));
    return 0;
}

} // namespace

const Command service_create_command{.usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
                                     .summary = "Create a service",
                                     .flags = service_create_flags(),
                                     .action = create,
                                     .arguments = {1},
                                     .flags_first = true};

} // namespace shoal::cli::swarm
