// Contexts: create, ls, use, show, inspect, rm, update. The store is Docker's own (see contexts.h).
#include "cli/commands.h"
#include "cli/contexts.h"
#include "cli/csv.h"
#include "cli/formats.h"
#include "cli/listing.h"
#include "cli/support.h"
#include "cli/table.h"

#include "base/text.h"
#include "net/tls.h"
#include "os/file.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include <sys/stat.h>

namespace shoal::cli {
namespace {

constexpr std::string_view default_name = "default";
constexpr std::string_view default_description = "Current DOCKER_HOST based configuration";
constexpr std::size_t error_width = 45;
constexpr int bad_template = 64;

Contexts store_of(const App& app) { return Contexts(app.globals.config_dir); }

// --- the endpoint of a context ---

/// What --docker may say.
constexpr std::string_view endpoint_keys[] = {"from", "host", "ca",
                                              "cert", "key",  "skip-tls-verify"};

Result<void> check_endpoint(std::string_view value) {
    TRY_LET(parts, parse_csv(value));
    if (parts.empty()) { parts.emplace_back(); }
    for (const auto& part : parts) {
        if (part.find('=') == std::string::npos) {
            return invalid(part + " must be formatted as key=value");
        }
    }
    return ok();
}

using Settings = std::map<std::string, std::string>;
Result<Settings> endpoint_settings(const Parsed& parsed) {
    Settings settings;
    for (const auto& text : parsed.all("docker")) {
        TRY_LET(parts, parse_csv(text));
        for (const auto& part : parts) {
            const auto [key, value] = cut(part, '=');
            settings[key] = value;
        }
    }
    std::vector<std::string> unknown;
    for (const auto& [key, value] : settings) {
        if (std::find(std::begin(endpoint_keys), std::end(endpoint_keys), key) ==
            std::end(endpoint_keys)) {
            unknown.push_back("unrecognized config key: " + key);
        }
    }
    if (!unknown.empty()) { return invalid(join(unknown, "\n")); }
    return settings;
}

struct Chosen {
    Context context; ///< only host and skip_tls_verify are meant
    Contexts::Pem pem;
};

Result<std::string> read_pem(const std::string& path) {
    if (path.empty()) { return std::string(); }
    auto text = os::read_file(path);
    if (!text) { return go_error("open " + path, text.error()); }
    return text;
}

Result<Chosen> default_context(const App& app) {
    TRY_LET(endpoint, default_endpoint(app.globals));
    Chosen chosen;
    chosen.context.name = default_name;
    chosen.context.description = default_description;
    chosen.context.host = endpoint.host;
    if (!endpoint.tls) { return chosen; }
    chosen.context.skip_tls_verify = !endpoint.verify;
    TRY_LET(ca, read_pem(endpoint.ca_file));
    TRY_LET(cert, read_pem(endpoint.cert_file));
    TRY_LET(key, read_pem(endpoint.key_file));
    chosen.pem = {ca, cert, key};
    return chosen;
}

Result<Chosen> load_chosen(const App& app, const std::string& name) {
    if (name == default_name) { return default_context(app); }
    Chosen chosen;
    TRY_LET(context, store_of(app).load(name));
    const auto read = [files = context.tls_files](const char* file) {
        const auto at = files.find(file);
        return at == files.end() ? Result<std::string>(std::string()) : read_pem(at->second);
    };
    TRY_LET(ca, read("ca.pem"));
    TRY_LET(cert, read("cert.pem"));
    TRY_LET(key, read("key.pem"));
    chosen.context = context;
    chosen.pem = {ca, cert, key};
    return chosen;
}

Result<Chosen> endpoint_of(const App& app, const Parsed& parsed) {
    TRY_LET(settings, endpoint_settings(parsed));
    const auto value = [&](const char* key) {
        const auto at = settings.find(key);
        return at == settings.end() ? std::string() : at->second;
    };
    if (settings.contains("from")) { return load_chosen(app, value("from")); }
    Chosen chosen;
    chosen.context.host = value("host");
    if (const auto skip = value("skip-tls-verify"); !skip.empty()) {
        const auto on = parse_bool(skip);
        if (!on) {
            return invalid(
                fmt::format("skip-tls-verify: parsing {}: invalid syntax", go_quote(skip)));
        }
        chosen.context.skip_tls_verify = *on;
    }
    TRY_LET(ca, read_pem(value("ca")));
    TRY_LET(cert, read_pem(value("cert")));
    TRY_LET(key, read_pem(value("key")));
    chosen.pem = {ca, cert, key};
    if (!ca.empty() || (!cert.empty() && !key.empty())) {
        net::TlsFiles files;
        files.ca_file = value("ca");
        if (!key.empty()) {
            files.cert_file = value("cert");
            files.key_file = value("key");
        }
        auto usable = net::TlsClient::create(files);
        if (!usable) { return std::move(usable).error().with("invalid docker endpoint options"); }
    }
    return chosen;
}

constexpr std::string_view endpoint_help =
    "What --docker takes, separated by commas:\n"
    "  from=NAME             the endpoint of another context\n"
    "  host=ADDRESS          where the daemon is\n"
    "  ca=FILE               trust only certificates of this CA\n"
    "  cert=FILE, key=FILE   our certificate and its key\n"
    "  skip-tls-verify=BOOL  do not check the daemon's certificate";

constexpr Flag description_flag{"description", 0, Kind::Text, "Description of the context"};
constexpr Flag endpoint_flag{
    "docker", 0, Kind::List, "The daemon's endpoint", "", "stringToString", check_endpoint};

// --- create ---

constexpr Flag create_flags_of_context[] = {
    description_flag, endpoint_flag, {"from", 0, Kind::Text, "Context to copy"}};

Result<void> store(const Contexts& contexts, const Chosen& chosen) {
    TRY(contexts.save_tls(chosen.context.name, chosen.pem));
    return contexts.save(chosen.context);
}

Result<int> create(App& app, const Parsed& parsed) {
    const std::string& name = parsed.words[0];
    const Contexts contexts = store_of(app);
    TRY(Contexts::check_name(name));
    if (contexts.exists(name)) {
        return conflict(fmt::format("context \"{}\" already exists", name));
    }
    if (parsed.given("from") && parsed.given("docker")) {
        return invalid("cannot use --docker flag when --from is set");
    }
    Chosen chosen;
    if (parsed.given("docker")) {
        TRY_LET(made, endpoint_of(app, parsed).with("unable to create docker endpoint config"));
        // Of the other context only the endpoint is taken.
        chosen.context.host = made.context.host;
        chosen.context.skip_tls_verify = made.context.skip_tls_verify;
        chosen.pem = made.pem;
    } else {
        const std::string from = parsed.text("from");
        TRY_LET(copied, load_chosen(app, from.empty() ? app.context_name() : from));
        chosen = copied;
    }
    chosen.context.name = name;
    if (parsed.given("description")) { chosen.context.description = parsed.text("description"); }
    TRY(store(contexts, chosen));
    app.line(name);
    app.error_line(fmt::format("Successfully created context \"{}\"", name));
    return 0;
}

// --- update ---

constexpr Flag update_flags[] = {description_flag, endpoint_flag};

Result<int> update(App& app, const Parsed& parsed) {
    const std::string& name = parsed.words[0];
    TRY(Contexts::check_name(name));
    const Contexts contexts = store_of(app);
    TRY_LET(context, contexts.load(name));
    if (parsed.given("description")) { context.description = parsed.text("description"); }
    if (parsed.given("docker")) {
        TRY_LET(made, endpoint_of(app, parsed).with("unable to create docker endpoint config"));
        context.host = made.context.host;
        context.skip_tls_verify = made.context.skip_tls_verify;
        TRY(contexts.save_tls(name, made.pem));
    }
    TRY(contexts.save(context));
    app.line(name);
    app.error_line(fmt::format("Successfully updated context \"{}\"", name));
    return 0;
}

// --- which one is used ---

/// Writes "currentContext" of config.json, or takes it out. A file that cannot be read is not
/// written over.
Result<void> save_current(const App& app, const std::string& name) {
    std::error_code failed;
    std::string path = app.globals.config_dir + "/config.json";
    const auto target = std::filesystem::canonical(path, failed); // the file may be a link
    if (!failed) { path = target.string(); }
    Json config = Json::object();
    os::WriteFile how{0600};
    if (os::exists(path)) {
        TRY_LET(text, os::read_file(path));
        TRY_LET(found, parse_json(text).with("config file " + path));
        if (!found.is_object()) { return invalid("config file " + path + ": expected an object"); }
        config = found;
        struct stat seen {};
        if (::stat(path.c_str(), &seen) == 0) { how.mode = seen.st_mode & 0777; }
    }
    config.erase("currentContext");
    if (name != default_name) { config["currentContext"] = name; }
    TRY(os::ensure_directory(app.globals.config_dir, 0700));
    return os::write_file_atomic(path, config.dump(1, '\t'), how);
}

std::string host_variable() {
    for (const char* name : {"SHOAL_HOST", "DOCKER_HOST"}) {
        if (!env(name).empty()) { return name; }
    }
    return "";
}

Result<int> use(App& app, const Parsed& parsed) {
    const std::string& name = parsed.words[0];
    if (name != default_name) {
        TRY(Contexts::check_name(name));
        TRY(store_of(app).load(name));
    }
    if (app.config_text("currentContext") != (name == default_name ? "" : name)) {
        TRY(save_current(app, name));
    }
    app.line(name);
    app.error_line(fmt::format("Current context is now \"{}\"", name));
    if (const auto variable = host_variable(); !variable.empty() && name != default_name) {
        app.error_line(fmt::format(
            "Warning: {0} environment variable overrides the active context. To use \"{1}\", either set the global "
            "--context flag, or unset {0} environment variable.",
            variable, name));
    }
    return 0;
}

Result<int> show(App& app, const Parsed&) {
    app.line(app.context_name());
    return 0;
}

// --- ls ---

constexpr Flag ls_flags[] = {
    {"format", 0, Kind::Text, format_help},
    {"quiet", 'q', Kind::Bool, "Show only names"},
};

Json context_row(const std::string& name, const std::string& current) {
    return {{"Name", name},
            {"Current", name == current},
            {"Description", ""},
            {"DockerEndpoint", ""},
            {"Error", ""}};
}

std::vector<Json> context_rows(const App& app, const std::string& current) {
    std::vector<Json> rows;
    const auto add = [&](const Context& context) {
        rows.push_back(context_row(context.name, current));
        rows.back()["Description"] = context.description;
        rows.back()["DockerEndpoint"] = context.host;
    };
    if (auto chosen = default_context(app)) {
        add(chosen->context);
    } else {
        rows.push_back(context_row(std::string(default_name), current));
        rows.back()["Error"] = ellipsis(chosen.error().message, error_width);
    }
    for (const Context& context : store_of(app).list()) { add(context); }
    const bool known = std::any_of(rows.begin(), rows.end(),
                                   [&](const Json& row) { return row["Name"] == current; });
    if (!known) {
        auto failed = store_of(app).load(current);
        rows.push_back(context_row(current, current));
        if (!failed) { rows.back()["Error"] = ellipsis(failed.error().message, error_width); }
    }
    std::stable_sort(rows.begin(), rows.end(), [](const Json& a, const Json& b) {
        return natural_less(text_of(a, "Name"), text_of(b, "Name"));
    });
    return rows;
}

Result<int> ls(App& app, const Parsed& parsed) {
    Listing listing;
    listing.format = choose_format(
        app, parsed,
        {"",
         "table {{.Name}}{{if .Current}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}",
         "{{.Name}}"});
    listing.headers = {{"Name", "NAME"},
                       {"Current", ""},
                       {"Description", "DESCRIPTION"},
                       {"DockerEndpoint", "DOCKER ENDPOINT"},
                       {"Error", "ERROR"}};
    listing.type_name = "*formatter.clientContextContext";
    listing.rows = context_rows(app, app.context_name());
    TRY_LET(text, render(listing));
    app.out(text);
    if (const auto variable = host_variable();
        !variable.empty() && app.globals.hosts.empty() && app.globals.context.empty()) {
        app.error_line(fmt::format(
            "Warning: {0} environment variable overrides the active context. To use a context, either set the global "
            "--context flag, or unset {0} environment variable.",
            variable));
    }
    return 0;
}

// --- inspect ---

constexpr Flag inspect_flags[] = {{"format", 'f', Kind::Text, format_one_help}};

Result<Json> inspect_document(const App& app, const std::string& name) {
    constexpr const char* in_memory = "<IN MEMORY>";
    TRY_LET(chosen, load_chosen(app, name));
    const bool stored = name != default_name;
    const Contexts contexts = store_of(app);
    Json endpoints = chosen.context.document.value("Endpoints", Json::object());
    if (!endpoints.is_object()) { endpoints = Json::object(); }
    endpoints["docker"] = Json::object();
    if (!chosen.context.host.empty()) { endpoints["docker"]["Host"] = chosen.context.host; }
    endpoints["docker"]["SkipTLSVerify"] = chosen.context.skip_tls_verify;
    Json tls = Json::object();
    const std::pair<const char*, const std::string*> files[] = {
        {"ca.pem", &chosen.pem.ca}, {"cert.pem", &chosen.pem.cert}, {"key.pem", &chosen.pem.key}};
    for (const auto& [file, content] : files) {
        if (!content->empty()) { tls["docker"].push_back(file); }
    }
    return Json{{"Name", name},
                {"Metadata", stored ? chosen.context.document.value("Metadata", Json::object())
                                    : Json::object()},
                {"Endpoints", endpoints},
                {"TLSMaterial", tls},
                {"Storage",
                 {{"MetadataPath", stored ? contexts.meta_dir(name) : in_memory},
                  {"TLSPath", stored ? contexts.tls_dir(name) : in_memory}}}};
}

Result<std::string> inspect_text(const Json& documents, const std::string& format) {
    if (format.empty()) { return escape_html(pretty_json(documents)) + "\n"; }
    if (format == "json") { return escape_html(dump_json(documents)) + "\n"; }
    TemplateOptions options;
    options.type_name = "context.contextWithTLSListing";
    options.kind = [](std::string_view name) {
        return name == "Endpoints" || name == "TLSMaterial" ? GoKind::Map : GoKind::Unknown;
    };
    std::string text;
    for (const Json& document : documents) {
        TRY_LET(line, render_one(format, document, options));
        text += line;
    }
    return text.empty() ? "\n" : text;
}

Result<int> inspect(App& app, const Parsed& parsed) {
    const std::string format = parsed.text("format");
    if (auto checked = Template::parse(format); !checked) {
        app.error_line("template parsing error: " + checked.error().message);
        return bad_template;
    }
    std::vector<std::string> names = parsed.words;
    if (names.empty()) { names.push_back(app.context_name()); }
    Json documents = Json::array();
    std::string errors;
    for (const auto& name : names) {
        auto document = inspect_document(app, name);
        if (!document) {
            errors += document.error().message + "\n";
            continue;
        }
        documents.push_back(std::move(*document));
    }
    TRY_LET(text, inspect_text(documents, format));
    app.out(text);
    app.err(errors);
    return errors.empty() ? 0 : App::failed;
}

// --- rm ---

constexpr Flag rm_flags[] = {{"force", 'f', Kind::Bool, "Remove also a context that is in use"}};

Result<void> remove_one(App& app, const std::string& name, bool force) {
    if (name == default_name) { return invalid("context \"default\" cannot be removed"); }
    const Contexts contexts = store_of(app);
    if (contexts.exists(name) && name == app.context_name()) {
        if (!force) {
            return conflict(
                fmt::format("context \"{}\" is in use, set -f flag to force remove", name));
        }
        if (app.config_text("currentContext") == name) {
            TRY(save_current(app, std::string(default_name)));
        }
    }
    auto removed = contexts.remove(name);
    if (!removed && force && removed.error().code == Errc::NotFound) { return ok(); }
    return removed;
}

Result<int> rm(App& app, const Parsed& parsed) {
    std::string errors;
    for (const auto& name : parsed.words) {
        if (auto removed = remove_one(app, name, parsed.on("force")); !removed) {
            errors += removed.error().message + "\n";
            continue;
        }
        app.line(name);
    }
    app.err(errors);
    return errors.empty() ? 0 : App::failed;
}

} // namespace

const Command context_create_command{.usage = "[OPTIONS] CONTEXT",
                                     .summary = "Create a context",
                                     .flags = create_flags_of_context,
                                     .action = create,
                                     .arguments = {1, 1},
                                     .details = endpoint_help};
const Command context_update_command{.usage = "[OPTIONS] CONTEXT",
                                     .summary = "Change a context",
                                     .flags = update_flags,
                                     .action = update,
                                     .arguments = {1, 1},
                                     .details = endpoint_help};
const Command context_ls_command{"[OPTIONS]", "List contexts", ls_flags,
                                 ls,          {0, 0},          "context ls, context list"};
const Command context_use_command{"CONTEXT", "Set the current context", {}, use, {1, 1}};
const Command context_show_command{"", "Print the name of the current context", {}, show, {0, 0}};
const Command context_inspect_command{"[OPTIONS] [CONTEXT] [CONTEXT...]",
                                      "Show one or more contexts in full",
                                      inspect_flags,
                                      inspect,
                                      {0}};
const Command context_rm_command{
    "[OPTIONS] CONTEXT [CONTEXT...]", "Remove one or more contexts", rm_flags, rm, {1},
    "context rm, context remove"};

} // namespace shoal::cli
