// Nodes: update, promote, demote. All of them read a node, change its spec, and write it with the
// version that was read.
#include "cli/run_options.h"
#include "cli/swarm/commands.h"
#include "cli/swarm/documents.h"
#include "cli/swarm/node_spec.h"

#include <functional>

#include <fmt/format.h>

namespace shoal::cli::swarm {
namespace {

using client::part;

/// What becomes of the spec; nothing when it is to stay.
using Change = std::function<Result<std::optional<Json>>(const Json& node)>;

Result<int> update_each(App& app, const std::vector<std::string>& names, const Change& change,
                        std::string_view done) {
    TRY_LET(client, app.client());
    for (const auto& name : names) {
        TRY_LET(node, client->json(client::get("/nodes/" + part(name))));
        TRY_LET(spec, change(node));
        if (!spec) { continue; }
        TRY(client->call(client::post("/nodes/" + part(id_of(node)) + "/update",
                                      {{"version", version_of(node)}}, *spec)));
        app.line(fmt::format(fmt::runtime(done), name));
    }
    return 0;
}

constexpr Flag update_flags[] = {
    {"availability", 0, Kind::Text, "Availability of the node (\"active\", \"pause\", \"drain\")"},
    {"label-add", 0, Kind::List, "Add a label (\"key=value\"), or give it another value", "", "",
     check_label},
    {"label-rm", 0, Kind::List, "Remove a label by its key"},
    {"role", 0, Kind::Text, "Role of the node (\"worker\", \"manager\")"},
};

Result<int> update(App& app, const Parsed& parsed) {
    const Change change = [&parsed](const Json& node) -> Result<std::optional<Json>> {
        TRY_LET(spec, changed_node_spec(table_of(node, "Spec"), parsed));
        return std::optional<Json>(spec);
    };
    return update_each(app, parsed.words, change, "{}");
}

Result<int> give_role(App& app, const Parsed& parsed, std::string_view role,
                      std::string_view done) {
    const Change change = [&app, role](const Json& node) -> Result<std::optional<Json>> {
        Json spec = table_of(node, "Spec");
        if (text_of(spec, "Role") == role) {
            app.line(fmt::format("Node {} is already a {}.", id_of(node), role));
            return std::optional<Json>();
        }
        spec["Role"] = role;
        return std::optional<Json>(std::move(spec));
    };
    return update_each(app, parsed.words, change, done);
}

Result<int> promote(App& app, const Parsed& parsed) {
    return give_role(app, parsed, "manager", "Node {} promoted to a manager in the swarm.");
}
Result<int> demote(App& app, const Parsed& parsed) {
    return give_role(app, parsed, "worker", "Manager {} demoted in the swarm.");
}

} // namespace

Result<Json> changed_node_spec(const Json& old, const Parsed& parsed) {
    Json spec = old;
    if (parsed.given("role")) { put(spec, "Role", parsed.text("role")); }
    if (parsed.given("availability")) { put(spec, "Availability", parsed.text("availability")); }
    Json& labels = ensure_object(spec, "Labels");
    const Json added = label_map(parsed.all("label-add"));
    for (const auto& [key, value] : added.items()) { labels[key] = value; }
    for (const auto& key : parsed.all("label-rm")) {
        if (labels.erase(key) == 0) {
            return invalid(fmt::format("key {} doesn't exist in node's labels", key));
        }
    }
    return spec;
}

const Command node_update_command{"[OPTIONS] NODE",
                                  "Change labels, availability or role of a node",
                                  update_flags,
                                  update,
                                  {1, 1}};
const Command node_promote_command{
    "NODE [NODE...]", "Make one or more nodes managers of the swarm", {}, promote, {1}};
const Command node_demote_command{
    "NODE [NODE...]", "Make one or more managers ordinary nodes", {}, demote, {1}};

} // namespace shoal::cli::swarm
