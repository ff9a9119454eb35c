// service update.
#include "cli/swarm/commands.h"
#include "cli/swarm/converge.h"
#include "cli/swarm/documents.h"
#include "cli/swarm/image_pin.h"
#include "cli/swarm/lookups.h"
#include "cli/swarm/service_flags.h"
#include "cli/swarm/service_request.h"
#include "cli/swarm/service_spec.h"

#include <filesystem>

namespace shoal::cli::swarm {
namespace {

using client::part;

/// A rollback has nothing to say but that it is one.
Result<void> check_rollback(const Parsed& parsed) {
    if (!parsed.on("rollback")) { return ok(); }
    for (const auto& [flag, value] : parsed.values) {
        if (flag->name != "rollback" && flag->name != "detach" && flag->name != "quiet") {
            return invalid("other flags may not be combined with --rollback");
        }
    }
    return ok();
}

Result<int> update(App& app, const Parsed& parsed) {
    const std::string& name = parsed.words[0];
    TRY_LET(client, app.client());
    TRY_LET(service, client->json(client::get("/services/" + part(name))));
    TRY(check_rollback(parsed));
    TRY_LET(ids, look_up_names(*client, parsed));
    TRY_LET(spec, updated_spec(table_of(service, "Spec"), parsed, ids, working_directory()));
    warn_of_log_options(app, parsed);
    const std::string image = text_of(inside(spec, {"TaskTemplate", "ContainerSpec"}), "Image");
    TRY_LET(auth, auth_to_send(app, parsed, image));
    const bool ask = parsed.given("image") && !parsed.on("no-resolve-image");
    TRY_LET(warning, resolve_image(*client, spec, ask ? Ask::Registry : Ask::Nobody, auth));
    net::Query query = {{"version", version_of(service)}};
    if (auth.empty()) { query.emplace_back("registryAuthFrom", "spec"); }
    if (parsed.on("rollback")) { query.emplace_back("rollback", "previous"); }
    TRY_LET(answer,
            client->json(with_auth(
                client::post("/services/" + part(id_of(service)) + "/update", query, spec), auth)));
    print_warnings(app, answer);
    if (!warning.empty()) { app.error_line(warning); }
    app.line(name);
    if (parsed.on("detach")) { return 0; }
    TRY(wait_for_service(app, *client, name, show_of(parsed)));
    return 0;
}

} // namespace

std::string working_directory() {
    std::error_code failed;
    return std::filesystem::current_path(failed).string();
}

Result<std::string> auth_to_send(App& app, const Parsed& parsed, const std::string& image) {
    if (!parsed.on("with-registry-auth")) { return std::string(); }
    return app.registry_auth(image);
}

client::Request with_auth(client::Request request, const std::string& auth) {
    if (!auth.empty()) { request.headers.set("X-Registry-Auth", auth); }
    return request;
}

void warn_of_log_options(App& app, const Parsed& parsed) {
    if (parsed.given("log-opt") && parsed.text("log-driver").empty()) {
        app.error_line("WARNING: --log-opt does nothing without --log-driver");
    }
}

const Command service_update_command{.usage = "[OPTIONS] SERVICE",
                                     .summary = "Change a service",
                                     .flags = service_update_flags(),
                                     .action = update,
                                     .arguments = {1, 1}};

} // namespace shoal::cli::swarm
