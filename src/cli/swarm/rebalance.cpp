// service rebalance: tasks are moved from nodes that have more of them to nodes that have fewer.
// Ours: Docker has no such command.
#include "cli/swarm/commands.h"
#include "cli/swarm/converge.h"
#include "cli/swarm/documents.h"
#include "cli/swarm/names.h"
#include "cli/table.h"

#include <fmt/format.h>

namespace shoal::cli::swarm {
namespace {

using client::part;

constexpr Flag rebalance_flags[] = {
    {"detach", 'd', Kind::Bool, "Do not wait until the service is as it should be"},
    {"dry-run", 0, Kind::Bool, "Only show which tasks would move"},
    {"quiet", 'q', Kind::Bool, "Do not show how it gets on"},
};

std::string moves_table(const Json& moves, Names& names) {
    std::string text = "TASK\tFROM\tTO\n";
    for (const Json& move : moves) {
        text += fmt::format("{}\t{}\t{}\n", short_id(text_of(move, "Task")),
                            names.node(text_of(move, "From")), names.node(text_of(move, "To")));
    }
    return align(text);
}

Result<int> rebalance(App& app, const Parsed& parsed) {
    const std::string& name = parsed.words[0];
    const bool dry = parsed.on("dry-run");
    net::Query query;
    if (dry) { query.emplace_back("dry-run", "1"); }
    TRY_LET(client, app.client());
    TRY_LET(answer,
            client->json(client::post("/shoal/services/" + part(name) + "/rebalance", query)));
    const Json& moves = list_of(answer, "Moves");
    if (moves.empty()) {
        app.line(fmt::format("{} is balanced", name));
        return 0;
    }
    Names names(*client, Names::Mode::Resolve);
    app.out(moves_table(moves, names));
    if (dry || parsed.on("detach")) { return 0; }
    TRY(wait_for_service(app, *client, name, show_of(parsed)));
    return 0;
}

} // namespace

const Command service_rebalance_command{"[OPTIONS] SERVICE",
                                        "Spread the tasks of a service evenly over the nodes",
                                        rebalance_flags,
                                        rebalance,
                                        {1, 1}};

} // namespace shoal::cli::swarm
