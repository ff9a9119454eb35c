// Secrets and configs: create, inspect, ls, rm. They differ in their names, in what can be seen of
// them, and in drivers.
#include "cli/formats.h"
#include "cli/inspect.h"
#include "cli/listing.h"
#include "cli/run_options.h"
#include "cli/swarm/commands.h"
#include "cli/swarm/documents.h"
#include "cli/swarm/input.h"
#include "cli/swarm/pages.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>

namespace shoal::cli::swarm {
namespace {

using client::part;

struct ObjectKind {
    std::string_view word, folder, config_member, table, type_name;
    std::size_t bytes_max; ///< of its content
    std::string (*page)(const Json& object);
};

constexpr ObjectKind secrets{
    "secret",
    "/secrets",
    "secretFormat",
    "table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.CreatedAt}}\t{{.UpdatedAt}}",
    "*secret.secretContext",
    500 * 1024,
    secret_page};
constexpr ObjectKind configs{"config",
                             "/configs",
                             "configFormat",
                             "table {{.ID}}\t{{.Name}}\t{{.CreatedAt}}\t{{.UpdatedAt}}",
                             "*config.configContext",
                             1000 * 1024,
                             config_page};

std::string path_of(const ObjectKind& kind, std::string_view name) {
    return std::string(kind.folder) + "/" + part(name);
}

// --- create ---

constexpr Flag secret_create_flags[] = {
    {"driver", 'd', Kind::Text, "Driver that provides the secret"},
    {"label", 'l', Kind::List, "Label of the secret", "", "", check_label},
    {"template-driver", 0, Kind::Text, "Driver that fills in the content as a template", "", "",
     nullptr, false, 137},
};
constexpr Flag config_create_flags[] = {
    {"label", 'l', Kind::List, "Label of the config", "", "", check_label},
    {"template-driver", 0, Kind::Text, "Driver that fills in the content as a template", "", "",
     nullptr, false, 137},
};

Result<std::string> read_content(const ObjectKind& kind, const std::string& file) {
    if (file.empty()) { return invalid(fmt::format("{} file is required", kind.word)); }
    const std::string source = file == "-" ? "STDIN" : file;
    // Twice as much as the daemon takes: it is the one to refuse.
    auto content = read_input(file, 2 * kind.bytes_max);
    if (!content) { return std::move(content).error().with("error reading from " + source); }
    if (content->empty()) { return invalid("error reading from " + source + ": data is empty"); }
    return content;
}

Result<Json> new_object(const ObjectKind& kind, const Parsed& parsed) {
    const std::string file = parsed.words.size() > 1 ? parsed.words[1] : "";
    const std::string driver = parsed.text("driver");
    Json body{{"Name", parsed.words[0]}, {"Labels", label_map(parsed.all("label"))}};
    if (!driver.empty()) {
        if (!file.empty()) { return invalid("When using secret driver secret data must be empty"); }
        body["Driver"] = {{"Name", driver}};
    } else {
        auto content = read_content(kind, file);
        if (!content && kind.word == "config") {
            return std::move(content).error().with("Error reading content from " + go_quote(file));
        }
        TRY(content);
        body["Data"] = base64(*content);
    }
    if (const auto name = parsed.text("template-driver"); !name.empty()) {
        body["Templating"] = {{"Name", name}};
    }
    return body;
}

Result<int> create(App& app, const Parsed& parsed, const ObjectKind& kind) {
    TRY_LET(body, new_object(kind, parsed));
    TRY_LET(client, app.client());
    TRY_LET(made, client->json(client::post(std::string(kind.folder) + "/create", {}, body)));
    app.line(id_of(made));
    return 0;
}
Result<int> create_secret(App& app, const Parsed& parsed) { return create(app, parsed, secrets); }
Result<int> create_config(App& app, const Parsed& parsed) { return create(app, parsed, configs); }

// --- inspect ---

constexpr Flag inspect_flags[] = {
    {"format", 'f', Kind::Text, format_one_help},
    {"pretty", 0, Kind::Bool, "Print a page for people"},
};

Result<int> inspect(App& app, const Parsed& parsed, const ObjectKind& kind) {
    TRY_LET(client, app.client());
    client::Client* api = client;
    const FindObject find = [api, &kind](const std::string& name) {
        return api->json(client::get(path_of(kind, name)));
    };
    return inspect_or_page(app, parsed, "", find, kind.page);
}
Result<int> inspect_secret(App& app, const Parsed& parsed) { return inspect(app, parsed, secrets); }
Result<int> inspect_config(App& app, const Parsed& parsed) { return inspect(app, parsed, configs); }

// --- ls ---

constexpr Flag ls_flags[] = {
    {"filter", 'f', Kind::List, "Show only what fits a condition (\"label=x\")", "", "filter",
     check_filter},
    {"format", 0, Kind::Text, format_help},
    {"quiet", 'q', Kind::Bool, "Show only ids"},
};

Json object_row(const ObjectKind& kind, const Json& object) {
    const Json& spec = table_of(object, "Spec");
    const Json labels = labels_of(spec);
    Json row{{"ID", id_of(object)},
             {"Name", text_of(spec, "Name")},
             {"CreatedAt", ago_of(object, "CreatedAt")},
             {"UpdatedAt", ago_of(object, "UpdatedAt")},
             {"Labels", labels_text(labels)}};
    if (kind.word == "secret") { row["Driver"] = text_of(table_of(spec, "Driver"), "Name"); }
    row[std::string(labels_member)] = labels;
    return row;
}

Result<int> ls(App& app, const Parsed& parsed, const ObjectKind& kind) {
    net::Query query;
    add_filters(query, parsed);
    TRY_LET(client, app.client());
    TRY_LET(found, client->json(client::get(std::string(kind.folder), query)));
    Listing listing;
    listing.format = choose_format(app, parsed, {kind.config_member, kind.table, "{{.ID}}"});
    listing.headers = {{"ID", "ID"},
                       {"Name", "NAME"},
                       {"Driver", "DRIVER"},
                       {"CreatedAt", "CREATED"},
                       {"UpdatedAt", "UPDATED"},
                       {"Labels", "LABELS"}};
    listing.type_name = kind.type_name;
    for (const Json& object : found) { listing.rows.push_back(object_row(kind, object)); }
    std::stable_sort(listing.rows.begin(), listing.rows.end(), [](const Json& a, const Json& b) {
        return natural_less(text_of(a, "Name"), text_of(b, "Name"));
    });
    TRY_LET(text, render(listing));
    app.out(text);
    return 0;
}
Result<int> ls_secrets(App& app, const Parsed& parsed) { return ls(app, parsed, secrets); }
Result<int> ls_configs(App& app, const Parsed& parsed) { return ls(app, parsed, configs); }

// --- rm ---

Result<int> rm_secrets(App& app, const Parsed& parsed) {
    return remove_each(app, parsed.words, secrets.folder, {});
}
Result<int> rm_configs(App& app, const Parsed& parsed) {
    return remove_each(app, parsed.words, configs.folder, {});
}

} // namespace

const Command secret_create_command{"[OPTIONS] SECRET [file|-]",
                                    "Create a secret from a file or standard input",
                                    secret_create_flags,
                                    create_secret,
                                    {1, 2}};
const Command secret_inspect_command{"[OPTIONS] SECRET [SECRET...]",
                                     "Show everything about one or more secrets, but their content",
                                     inspect_flags,
                                     inspect_secret,
                                     {1}};
const Command secret_ls_command{"[OPTIONS]", "List secrets", ls_flags,
                                ls_secrets,  {0, 0},         "secret ls, secret list"};
const Command secret_rm_command{
    "SECRET [SECRET...]",      "Remove one or more secrets", {}, rm_secrets, {1},
    "secret rm, secret remove"};
const Command config_create_command{"[OPTIONS] CONFIG file|-",
                                    "Create a config from a file or standard input",
                                    config_create_flags,
                                    create_config,
                                    {2, 2}};
const Command config_inspect_command{"[OPTIONS] CONFIG [CONFIG...]",
                                     "Show everything about one or more configs",
                                     inspect_flags,
                                     inspect_config,
                                     {1}};
const Command config_ls_command{"[OPTIONS]", "List configs", ls_flags,
                                ls_configs,  {0, 0},         "config ls, config list"};
const Command config_rm_command{
    "CONFIG [CONFIG...]",      "Remove one or more configs", {}, rm_configs, {1},
    "config rm, config remove"};

} // namespace shoal::cli::swarm
