#include "cli/swarm/converge.h"

#include "cli/swarm/convergence.h"
#include "cli/swarm/documents.h"
#include "cli/swarm/service_rows.h"

#include <fmt/format.h>

namespace shoal::cli::swarm {

Result<void> wait_for_service(App& app, client::Client& client, const std::string& service,
                              Watch::Show show) {
    Watch watch(app, show);
    Convergence convergence(service);
    const auto show_look = [&](const Look& look) {
        for (const Json& message : look.messages) { watch.show(message); }
        return look.over;
    };
    while (true) {
        TRY_LET(document, client.json(client::get("/services/" + client::part(service))));
        TRY_LET(first, convergence.begin(document, now()));
        if (show_look(first)) { return ok(); }
        Filters filters;
        filters.add("service", id_of(document));
        filters.add("_up-to-date", "true");
        TRY_LET(tasks, client.json(client::get("/tasks", {{"filters", filters.to_json()}})));
        TRY_LET(nodes, client.json(client::get("/nodes")));
        const auto active = active_nodes(nodes);
        TRY_LET(second, convergence.look(document, tasks, active, now()));
        if (show_look(second)) { return ok(); }
        if (watch.pause() == Watch::Pause::Over) { continue; }
        if (!convergence.converged()) {
            watch.show(plain_message("", "Operation continuing in background."));
            watch.show(plain_message("", fmt::format("Use `{} service ps {}` to check progress.",
                                                     app.globals.program, service)));
        }
        return ok();
    }
}

void print_warnings(App& app, const Json& answer) {
    for (const auto& warning : texts_of(answer, "Warnings")) { app.error_line(warning); }
}

} // namespace shoal::cli::swarm
