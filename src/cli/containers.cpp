// Looking at containers and taking something out of them: ps, top, diff, port, export, commit.
#include "cli/commands.h"
#include "cli/container_rows.h"
#include "cli/formats.h"
#include "cli/output_file.h"
#include "cli/session.h"
#include "cli/support.h"
#include "cli/upload.h"

#include "base/text.h"
#include "oci/reference.h"

#include <fmt/format.h>

#include <algorithm>

#include <unistd.h>

namespace shoal::cli {
namespace {

using client::part;

// --- ps ---

constexpr Flag ps_flags[] = {
    {"all", 'a', Kind::Bool, "Show all containers, not only running ones"},
    {"filter", 'f', Kind::List, "Show only containers of which this is true", "", "filter",
     check_filter},
    {"format", 0, Kind::Text, format_help},
    {"last", 'n', Kind::Int, "Show the last n created containers, whatever their state", "-1"},
    {"latest", 'l', Kind::Bool, "Show the container created last, whatever its state"},
    {"no-trunc", 0, Kind::Bool, "Do not shorten the output"},
    {"quiet", 'q', Kind::Bool, "Show IDs only"},
    {"size", 's', Kind::Bool, "Show the sizes of the files"},
};

constexpr std::string_view ps_table =
    "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";
constexpr std::string_view ps_sized_table =
    "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}\t{{.Size}}";
constexpr std::string_view ps_raw =
    "container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: {{.CreatedAt}}\n"
    "state: {{- pad .State 1 0}}\nstatus: {{- pad .Status 1 0}}\nnames: {{.Names}}\n"
    "labels: {{- pad .Labels 1 0}}\nports: {{- pad .Ports 1 0}}\n";
constexpr std::string_view ps_sized_raw =
    "container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: {{.CreatedAt}}\n"
    "state: {{- pad .State 1 0}}\nstatus: {{- pad .Status 1 0}}\nnames: {{.Names}}\n"
    "labels: {{- pad .Labels 1 0}}\nports: {{- pad .Ports 1 0}}\n"
    "size: {{.Size}}\n";

/// Sizes cost the daemon work, so they are asked for only where a template shows them.
bool shows_size(std::string_view format) {
    return format.find(".Size") != std::string_view::npos ||
           format.find("json .}}") != std::string_view::npos ||
           format.find("{{.}}") != std::string_view::npos;
}

/// Docker tries the template on an empty container first, and words what is wrong with it in its
/// own way.
Result<void> check_ps_template(const std::string& format) {
    Listing probe;
    probe.format = format;
    probe.headers = container_headers;
    probe.type_name = container_row_type;
    probe.rows.push_back(container_row(Json::object(), now(), true));
    const auto rendered = render(probe);
    if (rendered) { return ok(); }
    const std::string& message = rendered.error().message;
    const bool executing = message.find("executing \"\"") != std::string::npos;
    return invalid(
        replace_all(message, "template parsing error",
                    executing ? "failed to execute template" : "failed to parse template"));
}

Result<int> ps(App& app, const Parsed& parsed) {
    const bool sized = parsed.on("size");
    Formats formats{"psFormat", sized ? ps_sized_table : ps_table, "{{.ID}}",
                    sized ? ps_sized_raw : ps_raw, "container_id: {{.ID}}"};
    Listing listing;
    listing.format = choose_format(app, parsed, formats);
    const std::string given = parsed.text("format", "table");
    if (parsed.on("quiet") && given != "table" && given != "raw") {
        app.error_line(
            "WARNING: Ignoring custom format, because both --format and --quiet are set.");
        listing.format = formats.quiet;
    }
    TRY(check_ps_template(listing.format));
    net::Query query;
    auto last = parsed.number("last").value_or(-1);
    if (parsed.on("latest") && last == -1) { last = 1; }
    if (parsed.on("all")) { query.emplace_back("all", "1"); }
    if (last > 0) { query.emplace_back("limit", std::to_string(last)); }
    if (sized || shows_size(listing.format)) { query.emplace_back("size", "1"); }
    add_filters(query, parsed);
    TRY_LET(client, app.client());
    TRY_LET(containers, client->json(client::get("/containers/json", query)));
    listing.headers = container_headers;
    listing.type_name = container_row_type;
    for (const Json& container : containers) {
        listing.rows.push_back(container_row(container, now(), !parsed.on("no-trunc")));
    }
    TRY_LET(text, render(listing));
    app.out(text);
    return 0;
}

// --- top ---

Result<int> top(App& app, const Parsed& parsed) {
    net::Query query;
    const std::vector<std::string> arguments(parsed.words.begin() + 1, parsed.words.end());
    if (!arguments.empty()) { query.emplace_back("ps_args", join(arguments, " ")); }
    TRY_LET(client, app.client());
    TRY_LET(processes,
            client->json(client::get("/containers/" + part(parsed.words[0]) + "/top", query)));
    const auto line_of = [](const Json& cells) {
        std::vector<std::string> texts;
        for (const Json& cell : cells) {
            texts.push_back(cell.is_string() ? cell.get<std::string>() : "");
        }
        return join(texts, "\t") + "\n";
    };
    std::string text = line_of(list_of(processes, "Titles"));
    for (const Json& process : list_of(processes, "Processes")) { text += line_of(process); }
    app.out(align(text, {20, 3}));
    return 0;
}

// --- diff ---

constexpr Flag diff_flags[] = {{"format", 0, Kind::Text, format_help, "", "", nullptr, true}};

Result<int> diff(App& app, const Parsed& parsed) {
    if (parsed.words[0].empty()) { return invalid("container name cannot be empty"); }
    TRY_LET(client, app.client());
    TRY_LET(changes,
            client->json(client::get("/containers/" + part(parsed.words[0]) + "/changes")));
    Listing listing;
    listing.format = app.format_of(parsed, "", "{{.Type}} {{.Path}}");
    listing.headers = {{"Type", "CHANGE TYPE"}, {"Path", "PATH"}};
    listing.type_name = "*container.diffContext";
    if (changes.is_array()) {
        constexpr const char* letters[] = {"C", "A", "D"};
        for (const Json& change : changes) {
            const auto kind = static_cast<std::size_t>(number_of(change, "Kind"));
            listing.rows.push_back(Json{{"Type", kind < std::size(letters) ? letters[kind] : ""},
                                        {"Path", text_of(change, "Path")}});
        }
    }
    TRY_LET(text, render(listing));
    app.out(text);
    return 0;
}

// --- port ---

std::string host_port(const Json& binding) {
    const std::string ip = text_of(binding, "HostIp");
    return (ip.find(':') == std::string::npos ? ip : "[" + ip + "]") + ":" +
           text_of(binding, "HostPort");
}

Result<std::string> port_key(const std::string& wanted) {
    const auto [number, protocol] = cut(wanted, '/');
    if (!parse_number<std::uint16_t>(number)) {
        const bool digits =
            !number.empty() && number.find_first_not_of("0123456789") == std::string::npos;
        return invalid(fmt::format("Error: invalid port ({}): strconv.ParseUint: parsing {}: {}",
                                   number, go_quote(number),
                                   digits ? "value out of range" : "invalid syntax"));
    }
    return number + "/" + (wanted.find('/') == std::string::npos ? "tcp" : protocol);
}

Result<int> port(App& app, const Parsed& parsed) {
    TRY_LET(client, app.client());
    TRY_LET(container, client->json(client::get("/containers/" + part(parsed.words[0]) + "/json")));
    const Json ports = container["NetworkSettings"].value("Ports", Json::object());
    std::vector<std::string> lines;
    const auto add = [&](const Json& bindings, const std::string& front) {
        for (const Json& binding : bindings) { lines.push_back(front + host_port(binding)); }
    };
    if (parsed.words.size() > 1) {
        TRY_LET(key, port_key(parsed.words[1]));
        const auto at = ports.find(key);
        if (at == ports.end() || at->empty()) { // null, too
            return invalid(fmt::format("Error: No public port '{}' published for {}",
                                       parsed.words[1], parsed.words[0]));
        }
        add(*at, "");
    } else {
        for (const auto& [inside, bindings] : ports.items()) { add(bindings, inside + " -> "); }
    }
    std::sort(lines.begin(), lines.end(), natural_less);
    for (const auto& line : lines) { app.line(line); }
    return 0;
}

// --- export ---

constexpr Flag export_flags[] = {
    {"output", 'o', Kind::Text, "Write to this file instead of STDOUT"}};

Result<int> export_files(App& app, const Parsed& parsed) {
    const std::string path = parsed.text("output");
    if (path.empty() && is_terminal(STDOUT_FILENO)) {
        return invalid("cowardly refusing to save to a terminal. Use the -o flag or redirect");
    }
    TRY_LET(client, app.client());
    client::Request request = client::get("/containers/" + part(parsed.words[0]) + "/export");
    if (path.empty()) {
        TRY(download(*client, request,
                     [](std::string_view bytes) { return write_out(STDOUT_FILENO, bytes); }));
        return 0;
    }
    auto file = OutputFile::create(path);
    if (!file) { return std::move(file).error().with("failed to export container"); }
    TRY(download(*client, request, [&](std::string_view bytes) { return file->write(bytes); }));
    TRY(file->finish());
    return 0;
}

// --- commit ---

constexpr Flag commit_flags[] = {
    {"author", 'a', Kind::Text, "Author of the image (\"Jane Doe <jane@example.org>\")"},
    {"change", 'c', Kind::List, "Dockerfile instruction to apply to the image"},
    {"message", 'm', Kind::Text, "Message of the commit"},
    {"pause", 'p', Kind::Bool, "Pause the container meanwhile", "true"},
};

Result<int> commit(App& app, const Parsed& parsed) {
    net::Query query = {{"container", parsed.words[0]}};
    if (parsed.words.size() > 1 && !parsed.words[1].empty()) {
        TRY_LET(reference, oci::Reference::parse(parsed.words[1]));
        if (reference.has_digest()) {
            return invalid("refusing to create a tag with a digest reference");
        }
        query.emplace_back("repo", reference.familiar_name());
        query.emplace_back("tag", reference.with_default_tag().tag());
    }
    query.emplace_back("comment", parsed.text("message"));
    query.emplace_back("author", parsed.text("author"));
    for (const auto& change : parsed.all("change")) { query.emplace_back("changes", change); }
    if (!parsed.on("pause", true)) { query.emplace_back("pause", "0"); }
    TRY_LET(client, app.client());
    TRY_LET(made, client->json(client::post("/commit", query, Json(nullptr))));
    app.line(text_of(made, "Id"));
    return 0;
}

} // namespace

const Command ps_command{"[OPTIONS]", "List containers",
                         ps_flags,    ps,
                         {0, 0},      "container ls, container list, container ps, ps"};
const Command top_command{"CONTAINER [ps OPTIONS]",
                          "Display the running processes of a container",
                          {},
                          top,
                          {1},
                          "container top, top",
                          "",
                          true};
const Command diff_command{"CONTAINER", "Show what was changed in a container's file system",
                           diff_flags,  diff,
                           {1, 1},      "container diff, diff"};
const Command port_command{"CONTAINER [PRIVATE_PORT[/PROTO]]",
                           "List the published ports of a container, or where one is published",
                           {},
                           port,
                           {1, 2},
                           "container port, port"};
const Command export_command{"[OPTIONS] CONTAINER",
                             "Export a container's file system as a tar archive",
                             export_flags,
                             export_files,
                             {1, 1},
                             "container export, export"};
const Command commit_command{"[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
                             "Create a new image from a container's changes",
                             commit_flags,
                             commit,
                             {1, 2},
                             "container commit, commit"};

} // namespace shoal::cli
