// Nodes: ls, inspect, rm.
#include "cli/formats.h"
#include "cli/listing.h"
#include "cli/swarm/commands.h"
#include "cli/swarm/documents.h"
#include "cli/swarm/input.h"
#include "cli/swarm/names.h"
#include "cli/swarm/pages.h"

#include <algorithm>

namespace shoal::cli::swarm {
namespace {

using client::part;

// --- ls ---

constexpr Flag ls_flags[] = {
    {"filter", 'f', Kind::List, "Show only what fits a condition (\"role=manager\")", "", "filter",
     check_filter},
    {"format", 0, Kind::Text, format_help},
    {"quiet", 'q', Kind::Bool, "Show only ids"},
};

std::string manager_status(const Json& node) {
    const Json& manager = table_of(node, "ManagerStatus");
    return flag_of(manager, "Leader") ? "Leader" : capitalized(text_of(manager, "Reachability"));
}

/// Whether the node's certificate is of the root that the swarm wants.
std::string tls_status(const Json& node, const Json& swarm) {
    const Json& mine = inside(node, {"Description", "TLSInfo"});
    const Json& wanted = inside(swarm, {"Cluster", "TLSInfo"});
    bool known = false, equal = true;
    for (const char* member : {"TrustRoot", "CertIssuerSubject", "CertIssuerPublicKey"}) {
        const std::string a = text_of(mine, member), b = text_of(wanted, member);
        known = known || (!a.empty() && !b.empty());
        equal = equal && a == b;
    }
    return !known ? "Unknown" : equal ? "Ready" : "Needs Rotation";
}

Json node_row(const Json& node, const Json& swarm) {
    const Json& description = table_of(node, "Description");
    const std::string id = id_of(node);
    return {{"ID", id},
            {"Self", id == text_of(swarm, "NodeID")},
            {"Hostname", text_of(description, "Hostname")},
            {"Status", capitalized(text_of(table_of(node, "Status"), "State"))},
            {"Availability", capitalized(text_of(table_of(node, "Spec"), "Availability"))},
            {"ManagerStatus", manager_status(node)},
            {"EngineVersion", text_of(table_of(description, "Engine"), "EngineVersion")},
            {"TLSStatus", tls_status(node, swarm)}};
}

Listing node_listing(std::string format) {
    Listing listing;
    listing.format = std::move(format);
    listing.headers = {{"ID", "ID"},
                       {"Self", ""},
                       {"Hostname", "HOSTNAME"},
                       {"Status", "STATUS"},
                       {"Availability", "AVAILABILITY"},
                       {"ManagerStatus", "MANAGER STATUS"},
                       {"EngineVersion", "ENGINE VERSION"},
                       {"TLSStatus", "TLS STATUS"}};
    listing.type_name = "*node.nodeContext";
    return listing;
}

Result<int> ls(App& app, const Parsed& parsed) {
    net::Query query;
    add_filters(query, parsed);
    TRY_LET(client, app.client());
    TRY_LET(nodes, client->json(client::get("/nodes", query)));
    Json info;
    if (!nodes.empty() && !parsed.on("quiet")) {
        TRY_LET(answer, client->json(client::get("/info")));
        info = std::move(answer);
    }
    Listing listing = node_listing(choose_format(
        app, parsed,
        {"nodesFormat",
         "table {{.ID}} {{if .Self}}*{{else}} {{ end "
         "}}\t{{.Hostname}}\t{{.Status}}\t{{.Availability}}\t{{.ManagerStatus}}\t{{.EngineVersion}}",
         "{{.ID}}",
         "node_id: {{.ID}}\nhostname: {{.Hostname}}\nstatus: {{.Status}}\navailability: "
         "{{.Availability}}\nmanager_status: {{.ManagerStatus}}\n",
         "node_id: {{.ID}}"}));
    for (const Json& node : nodes) {
        listing.rows.push_back(node_row(node, table_of(info, "Swarm")));
    }
    std::stable_sort(listing.rows.begin(), listing.rows.end(), [](const Json& a, const Json& b) {
        return natural_less(text_of(a, "Hostname"), text_of(b, "Hostname"));
    });
    TRY_LET(text, render(listing));
    app.out(text);
    return 0;
}

// --- inspect ---

constexpr Flag inspect_flags[] = {
    {"format", 'f', Kind::Text, format_one_help},
    {"pretty", 0, Kind::Bool, "Print a page for people"},
};

Result<int> inspect(App& app, const Parsed& parsed) {
    TRY_LET(client, app.client());
    client::Client* api = client;
    const FindObject find = [api](const std::string& name) -> Result<Json> {
        TRY_LET(id, node_reference(*api, name));
        return api->json(client::get("/nodes/" + part(id)));
    };
    return inspect_or_page(app, parsed, "", find, node_page);
}

// --- rm ---

constexpr Flag rm_flags[] = {{"force", 'f', Kind::Bool, "Remove also a node that is not down"}};

Result<int> rm(App& app, const Parsed& parsed) {
    net::Query query;
    if (parsed.on("force")) { query.emplace_back("force", "1"); }
    return remove_each(app, parsed.words, "/nodes", query);
}

} // namespace

const Command node_ls_command{"[OPTIONS]", "List the nodes of the swarm", ls_flags, ls,
                              {0, 0},      "node ls, node list"};
const Command node_inspect_command{"[OPTIONS] self|NODE [NODE...]",
                                   "Show everything about one or more nodes",
                                   inspect_flags,
                                   inspect,
                                   {1}};
const Command node_rm_command{
    "[OPTIONS] NODE [NODE...]", "Remove one or more nodes from the swarm", rm_flags, rm, {1},
    "node rm, node remove"};

} // namespace shoal::cli::swarm
