// Services: ls, inspect, rm.
#include "cli/formats.h"
#include "cli/listing.h"
#include "cli/swarm/commands.h"
#include "cli/swarm/documents.h"
#include "cli/swarm/input.h"
#include "cli/swarm/pages.h"
#include "cli/swarm/service_rows.h"

#include <algorithm>

namespace shoal::cli::swarm {
namespace {

using client::part;

// --- ls ---

constexpr Flag ls_flags[] = {
    {"filter", 'f', Kind::List, "Show only what fits a condition (\"mode=global\")", "", "filter",
     check_filter},
    {"format", 0, Kind::Text, format_help},
    {"quiet", 'q', Kind::Bool, "Show only ids"},
};

/// What older daemons do not count is counted here.
Result<void> complete_counts(client::Client& client, Json& services) {
    const bool counted = std::all_of(services.begin(), services.end(), [](const Json& service) {
        return has(service, "ServiceStatus");
    });
    if (counted) { return ok(); }
    Filters filters;
    for (const Json& service : services) { filters.add("service", id_of(service)); }
    TRY_LET(tasks, client.json(client::get("/tasks", {{"filters", filters.to_json()}})));
    TRY_LET(nodes, client.json(client::get("/nodes")));
    count_tasks(services, tasks, active_nodes(nodes));
    return ok();
}

Result<int> ls(App& app, const Parsed& parsed) {
    net::Query query;
    add_filters(query, parsed);
    if (!parsed.on("quiet")) { query.emplace_back("status", "true"); }
    TRY_LET(client, app.client());
    TRY_LET(services, client->json(client::get("/services", query)));
    if (!parsed.on("quiet")) { TRY(complete_counts(*client, services)); }
    Listing listing;
    listing.format = choose_format(
        app, parsed,
        {"servicesFormat",
         "table {{.ID}}\t{{.Name}}\t{{.Mode}}\t{{.Replicas}}\t{{.Image}}\t{{.Ports}}", "{{.ID}}",
         "id: {{.ID}}\nname: {{.Name}}\nmode: {{.Mode}}\nreplicas: {{.Replicas}}\nimage: "
         "{{.Image}}\nports: {{.Ports}}\n",
         "id: {{.ID}}"});
    listing.headers = {{"ID", "ID"},       {"Name", "NAME"},
                       {"Mode", "MODE"},   {"Replicas", "REPLICAS"},
                       {"Image", "IMAGE"}, {"Ports", "PORTS"}};
    listing.type_name = "*service.serviceContext";
    for (const Json& service : services) { listing.rows.push_back(service_row(service)); }
    std::stable_sort(listing.rows.begin(), listing.rows.end(), [](const Json& a, const Json& b) {
        return natural_less(text_of(a, "Name"), text_of(b, "Name"));
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

Result<Json> find_service(client::Client& client, const std::string& name) {
    auto found = client.json(client::get("/services/" + part(name), {{"insertDefaults", "true"}}));
    if (!found && found.error().code == Errc::NotFound) {
        return Error{Errc::NotFound, "Error: no such service: " + name};
    }
    return found;
}

Result<std::map<std::string, std::string>> network_names(client::Client& client,
                                                         const Json& service) {
    std::map<std::string, std::string> names;
    for (const Json& network : list_of(inside(service, {"Spec", "TaskTemplate"}), "Networks")) {
        auto found = client.json(
            client::get("/networks/" + part(text_of(network, "Target")), {{"scope", "swarm"}}));
        if (found) { names[text_of(*found, "Id")] = text_of(*found, "Name"); }
    }
    return names;
}

Result<int> inspect(App& app, const Parsed& parsed) {
    TRY_LET(client, app.client());
    client::Client* api = client;
    const FindObject find = [api](const std::string& name) -> Result<Json> {
        return find_service(*api, name);
    };
    const std::string preset = app.config_text("serviceInspectFormat");
    const bool page = parsed.on("pretty") || parsed.text("format", preset) == "pretty";
    if (!page) { return inspect_or_page(app, parsed, preset, find, nullptr); }
    for (const auto& name : parsed.words) {
        TRY_LET(service, find(name));
        TRY_LET(networks, network_names(*client, service));
        app.line(service_page(service, networks));
    }
    return 0;
}

// --- rm ---

Result<int> rm(App& app, const Parsed& parsed) {
    return remove_each(app, parsed.words, "/services", {});
}

} // namespace

const Command service_ls_command{"[OPTIONS]", "List services", ls_flags,
                                 ls,          {0, 0},          "service ls, service list"};
const Command service_inspect_command{"[OPTIONS] SERVICE [SERVICE...]",
                                      "Show everything about one or more services",
                                      inspect_flags,
                                      inspect,
                                      {1}};
const Command service_rm_command{
    "SERVICE [SERVICE...]",      "Remove one or more services", {}, rm, {1},
    "service rm, service remove"};

} // namespace shoal::cli::swarm
