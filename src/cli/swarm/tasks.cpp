// Tasks: `service ps` and `node ps`.
#include "cli/formats.h"
#include "cli/listing.h"
#include "cli/swarm/commands.h"
#include "cli/swarm/documents.h"
#include "cli/swarm/names.h"
#include "cli/swarm/task_rows.h"

#include "base/text.h"

#include <algorithm>

namespace shoal::cli::swarm {
namespace {

using client::part;

constexpr Flag ps_flags[] = {
    {"filter", 'f', Kind::List, "Show only what fits a condition (\"desired-state=running\")", "",
     "filter", check_filter},
    {"format", 0, Kind::Text, "Print with a Go template"},
    {"no-resolve", 0, Kind::Bool, "Show ids instead of names"},
    {"no-trunc", 0, Kind::Bool, "Show everything in full"},
    {"quiet", 'q', Kind::Bool, "Show only ids of tasks"},
};

Listing task_listing(std::string format) {
    Listing listing;
    listing.format = std::move(format);
    listing.headers = {{"ID", "ID"},
                       {"Name", "NAME"},
                       {"Image", "IMAGE"},
                       {"Node", "NODE"},
                       {"DesiredState", "DESIRED STATE"},
                       {"CurrentState", "CURRENT STATE"},
                       {"Error", "ERROR"},
                       {"Ports", "PORTS"}};
    listing.type_name = "*task.taskContext";
    return listing;
}

std::string format_of_tasks(App& app, const Parsed& parsed) {
    return choose_format(
        app, parsed,
        {"tasksFormat",
         "table {{.ID}}\t{{.Name}}\t{{.Image}}\t{{.Node}}\t{{.DesiredState}}\t{{.CurrentState}}\t{{.Error}}\t{{.Ports}}",
         "{{.ID}}",
         "id: {{.ID}}\nname: {{.Name}}\nimage: {{.Image}}\nnode: {{.Node}}\ndesired_state: "
         "{{.DesiredState}}\ncurrent_state: {{.CurrentState}}\nerror: {{.Error}}\nports: {{.Ports}}\n",
         "id: {{.ID}}"});
}

/// `truncate` tells whether ids are cut; those of a whole service are not with -q, for scripts.
Result<void> print_tasks(App& app, client::Client& client, const Parsed& parsed,
                         const std::vector<Json>& tasks, bool truncate) {
    Names names(client, parsed.on("no-resolve") ? Names::Mode::KeepIds : Names::Mode::Resolve);
    Listing listing = task_listing(format_of_tasks(app, parsed));
    std::vector<NamedTask> named;
    for (const Json& task : tasks) {
        named.push_back({&task, task_name(task, names.service(text_of(task, "ServiceID"))),
                         names.node(text_of(task, "NodeID"))});
    }
    listing.rows = task_rows(std::move(named), {truncate, listing.format.starts_with("table")});
    TRY_LET(text, render(listing));
    app.out(text);
    return ok();
}

void append(std::vector<Json>& tasks, Json& found) {
    for (Json& task : found) { tasks.push_back(std::move(task)); }
}

// --- service ps ---

Result<Json> services_with(client::Client& client, std::string_view key,
                           const std::vector<std::string>& values) {
    Filters filters;
    for (const auto& value : values) { filters.add(std::string(key), value); }
    return client.json(client::get("/services", {{"filters", filters.to_json()}}));
}

/// The id of the service that a word means: an id, else a name, else the beginning of one id.
Result<std::string> service_id(const std::string& word, const Json& by_id, const Json& by_name) {
    for (const Json& service : by_id) {
        if (id_of(service) == word) { return word; }
    }
    for (const Json& service : by_name) {
        if (name_of(service) == word) { return id_of(service); }
    }
    std::string found;
    for (const Json& service : by_id) {
        if (!id_of(service).starts_with(word)) { continue; }
        if (!found.empty()) {
            return invalid("multiple services found with provided prefix: " + word);
        }
        found = id_of(service);
    }
    if (!found.empty()) { return found; }
    return Error{Errc::NotFound, "no such service: " + word};
}

Result<Filters> task_filters(client::Client& client, const Parsed& parsed) {
    Filters filters;
    for (const auto& text : parsed.all("filter")) {
        const auto [key, value] = cut(text, '=');
        const std::string name = to_lower(trim(key));
        std::string wanted(trim(value));
        if (name == "node") {
            TRY_LET(id, node_reference(client, wanted));
            wanted = id;
        }
        filters.add(name, wanted);
    }
    return filters;
}

Result<int> service_ps(App& app, const Parsed& parsed) {
    TRY_LET(client, app.client());
    TRY_LET(by_id, services_with(*client, "id", parsed.words));
    TRY_LET(by_name, services_with(*client, "name", parsed.words));
    std::vector<std::string> ids, missing;
    for (const auto& word : parsed.words) {
        auto id = service_id(word, by_id, by_name);
        if (id) {
            ids.push_back(*id);
        } else if (id.error().code == Errc::NotFound) {
            missing.push_back(id.error().message);
        } else {
            return id.error();
        }
    }
    if (ids.empty()) { return invalid(join(missing, "\n")); }
    TRY_LET(filters, task_filters(*client, parsed));
    for (const auto& id : ids) { filters.add("service", id); }
    TRY_LET(found, client->json(client::get("/tasks", {{"filters", filters.to_json()}})));
    std::vector<Json> tasks;
    append(tasks, found);
    TRY(print_tasks(app, *client, parsed, tasks, !parsed.on("no-trunc") && !parsed.on("quiet")));
    if (missing.empty()) { return 0; }
    return invalid(join(missing, "\n"));
}

// --- node ps ---

Result<Json> tasks_of_node(client::Client& client, const Parsed& parsed, const std::string& word) {
    TRY_LET(reference, node_reference(client, word));
    TRY_LET(node, client.json(client::get("/nodes/" + part(reference))));
    Filters filters = filters_of(parsed);
    filters.add("node", id_of(node));
    return client.json(client::get("/tasks", {{"filters", filters.to_json()}}));
}

Result<int> node_ps(App& app, const Parsed& parsed) {
    TRY_LET(client, app.client());
    std::vector<Json> tasks;
    std::vector<std::string> errors;
    const std::vector<std::string> self = {"self"};
    for (const auto& word : parsed.words.empty() ? self : parsed.words) {
        auto found = tasks_of_node(*client, parsed, word);
        if (found) {
            append(tasks, *found);
        } else {
            errors.push_back(found.error().message);
        }
    }
    if (errors.empty() || !tasks.empty()) {
        TRY(print_tasks(app, *client, parsed, tasks, !parsed.on("no-trunc")));
    }
    if (errors.empty()) { return 0; }
    return invalid(join(errors, "\n"));
}

} // namespace

const Command service_ps_command{"[OPTIONS] SERVICE [SERVICE...]",
                                 "List the tasks of one or more services",
                                 ps_flags,
                                 service_ps,
                                 {1}};
const Command node_ps_command{"[OPTIONS] [NODE...]",
                              "List the tasks on one or more nodes, on this one if none is named",
                              ps_flags,
                              node_ps,
                              {0}};

} // namespace shoal::cli::swarm
