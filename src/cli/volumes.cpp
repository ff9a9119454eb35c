// Volumes: create, ls, rm.
#include "cli/commands.h"
#include "cli/formats.h"
#include "cli/run_options.h"
#include "cli/support.h"
#include "cli/volume_rows.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>

namespace shoal::cli {

const std::vector<std::pair<std::string_view, std::string_view>> volume_headers = {
    {"Name", "VOLUME NAME"}, {"Driver", "DRIVER"},
    {"Scope", "SCOPE"},      {"Mountpoint", "MOUNTPOINT"},
    {"Labels", "LABELS"},    {"Links", "LINKS"},
    {"Size", "SIZE"},        {"Availability", "AVAILABILITY"},
    {"Group", "GROUP"},      {"Status", "STATUS"},
};

Json volume_row(const Json& volume) {
    constexpr const char* unknown = "N/A";
    Json row;
    for (const char* member : {"Driver", "Mountpoint", "Name", "Scope"}) {
        row[member] = text_of(volume, member);
    }
    const Json labels = labels_of(volume);
    row["Labels"] = labels_text(labels);
    row[std::string(labels_member)] = labels;
    row["Links"] = unknown;
    row["Size"] = unknown;
    if (const auto usage = volume.find("UsageData"); usage != volume.end() && usage->is_object()) {
        const auto size = number_of(*usage, "Size");
        row["Links"] = std::to_string(number_of(*usage, "RefCount"));
        row["Size"] = size < 0 ? unknown : human_size(static_cast<double>(size));
    }
    // Of cluster volumes, which there are none of here.
    for (const char* member : {"Availability", "Group", "Status"}) { row[member] = unknown; }
    return row;
}

namespace {

using client::part;

// --- create ---

constexpr Flag create_flags_of_volume[] = {
    {"driver", 'd', Kind::Text, "Driver of the volume", "local"},
    {"label", 0, Kind::List, "Label of the volume"},
    {"name", 0, Kind::Text, "Name of the volume", "", "", nullptr, true},
    {"opt", 'o', Kind::Map, "Option for the driver"},
};

Result<int> create(App& app, const Parsed& parsed) {
    std::string name = parsed.text("name");
    if (!parsed.words.empty()) {
        if (!name.empty()) {
            return invalid(
                "conflicting options: cannot specify a volume-name through both --name and as a positional arg");
        }
        name = parsed.words[0];
    }
    Json body;
    body["Name"] = name;
    body["Driver"] = parsed.text("driver", "local");
    body["DriverOpts"] = label_map(parsed.all("opt"));
    body["Labels"] = label_map(parsed.all("label"));
    TRY_LET(client, app.client());
    TRY_LET(made, client->json(client::post("/volumes/create", {}, body)));
    app.line(text_of(made, "Name"));
    return 0;
}

// --- ls ---

constexpr Flag ls_flags[] = {
    {"filter", 'f', Kind::List, "Show only what fits a condition (\"dangling=true\")", "", "filter",
     check_filter},
    {"format", 0, Kind::Text, format_help},
    {"quiet", 'q', Kind::Bool, "Show only names"},
};

Result<int> ls(App& app, const Parsed& parsed) {
    net::Query query;
    add_filters(query, parsed);
    TRY_LET(client, app.client());
    TRY_LET(answer, client->json(client::get("/volumes", query)));
    Listing listing;
    listing.format = choose_format(app, parsed,
                                   {"volumesFormat", "table {{.Driver}}\t{{.Name}}", "{{.Name}}",
                                    "name: {{.Name}}\ndriver: {{.Driver}}\n", "name: {{.Name}}"});
    listing.headers = volume_headers;
    listing.type_name = volume_row_type;
    for (const Json& volume : list_of(answer, "Volumes")) {
        listing.rows.push_back(volume_row(volume));
    }
    std::stable_sort(listing.rows.begin(), listing.rows.end(), [](const Json& a, const Json& b) {
        return natural_less(text_of(a, "Name"), text_of(b, "Name"));
    });
    TRY_LET(text, render(listing));
    app.out(text);
    return 0;
}

// --- rm ---

constexpr Flag rm_flags[] = {
    {"force", 'f', Kind::Bool, "Remove by force; a volume that is not there is no error"}};

Result<int> rm(App& app, const Parsed& parsed) {
    net::Query query;
    if (parsed.on("force")) { query.emplace_back("force", "1"); }
    TRY_LET(client, app.client());
    std::string errors;
    for (const auto& name : parsed.words) {
        if (auto done = client->call(client::remove("/volumes/" + part(name), query)); !done) {
            errors += done.error().message + "\n";
            continue;
        }
        app.line(name);
    }
    app.err(errors);
    return errors.empty() ? 0 : App::failed;
}

} // namespace

const Command volume_create_command{
    "[OPTIONS] [VOLUME]", "Create a volume", create_flags_of_volume, create, {0, 1}};
const Command volume_ls_command{"[OPTIONS]", "List volumes", ls_flags,
                                ls,          {0, 0},         "volume ls, volume list"};
const Command volume_rm_command{"[OPTIONS] VOLUME [VOLUME...]",
                                "Remove one or more volumes that no container uses",
                                rm_flags,
                                rm,
                                {1},
                                "volume rm, volume remove"};

} // namespace shoal::cli
