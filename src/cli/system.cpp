// Commands about the daemon as a whole: version, and the plain pipe to it that other programs go
// through.
#include "cli/commands.h"
#include "cli/formats.h"
#include "cli/listing.h"
#include "cli/session.h"
#include "cli/support.h"
#include "cli/table.h"
#include "cli/version.h"

#include "base/text.h"
#include "base/time.h"
#include "net/pool.h"
#include "net/scope.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include <sys/utsname.h>
#include <unistd.h>

namespace shoal::cli {

std::string go_architecture(std::string_view machine) {
    if (machine == "x86_64") { return "amd64"; }
    if (machine == "aarch64") { return "arm64"; }
    return std::string(machine);
}

namespace {

/// "Thu May  7 21:09:36 2026" for a time in RFC 3339; other texts stay.
std::string plain_date(const std::string& text) {
    const auto at = parse_rfc3339(text);
    if (!at) { return text; }
    const std::time_t seconds = unix_seconds(*at);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    char buffer[64];
    return {buffer, std::strftime(buffer, sizeof buffer, "%a %b %e %H:%M:%S %Y", &parts)};
}

/// Daemons of old name no components: the engine is what they are about.
Json engine_component(const Json& server) {
    Json details = Json::object();
    for (const char* member : {"ApiVersion", "Arch", "BuildTime", "Experimental", "GitCommit",
                               "GoVersion", "KernelVersion", "MinAPIVersion", "Os"}) {
        details[member] = text_of(server, member);
    }
    if (flag_of(server, "Experimental")) { details["Experimental"] = "true"; }
    return {{"Name", "Engine"}, {"Version", text_of(server, "Version")}, {"Details", details}};
}

void add_line(std::string& page, std::string_view indent, std::string_view name,
              const std::string& value) {
    if (!value.empty()) { page += fmt::format("{}{}:\t{}\n", indent, name, value); }
}

Json details_of(const Json& component) {
    const auto at = component.is_object() ? component.find("Details") : component.end();
    return at != component.end() && at->is_object() ? *at : Json::object();
}

std::string engine_lines(const Json& component) {
    const Json details = details_of(component);
    std::string page;
    add_line(page, "  ", "Version", text_of(component, "Version"));
    add_line(page, "  ", "API version",
             fmt::format("{} (minimum version {})", text_of(details, "ApiVersion"),
                         text_of(details, "MinAPIVersion")));
    add_line(page, "  ", "Go version", text_of(details, "GoVersion"));
    add_line(page, "  ", "Git commit", text_of(details, "GitCommit"));
    add_line(page, "  ", "Built", text_of(details, "BuildTime"));
    add_line(page, "  ", "OS/Arch", text_of(details, "Os") + "/" + text_of(details, "Arch"));
    add_line(page, "  ", "Experimental", text_of(details, "Experimental"));
    return page;
}

std::string component_lines(const Json& component) {
    std::string page = fmt::format("  Version:\t{}\n", text_of(component, "Version"));
    std::vector<std::pair<std::string, std::string>> lines;
    const Json details = details_of(component);
    for (const auto& [key, value] : details.items()) {
        lines.emplace_back(key, value.is_string() ? value.get<std::string>() : value.dump());
    }
    std::sort(lines.begin(), lines.end());
    for (const auto& [key, value] : lines) { page += fmt::format("  {}:\t{}\n", key, value); }
    return page;
}

} // namespace

Json version_document(const ClientFacts& facts, const Json& server) {
    Json document;
    document["Client"] = {{"Version", facts.version},
                          {"ApiVersion", facts.api_version},
                          {"DefaultAPIVersion", facts.newest_api_version},
                          {"GitCommit", ""},
                          {"GoVersion", ""},
                          {"Os", "linux"},
                          {"Arch", facts.architecture},
                          {"BuildTime", ""},
                          {"Context", facts.context}};
    document["Server"] = server;
    Json& shown = document["Server"];
    if (!shown.is_object()) { return document; }
    if (list_of(shown, "Components").empty()) {
        shown["Components"] = Json::array({engine_component(server)});
    }
    for (Json& component : shown["Components"]) {
        if (component.is_object() && component.contains("Details") &&
            component["Details"].is_object() && component["Details"].contains("BuildTime")) {
            component["Details"]["BuildTime"] =
                plain_date(text_of(component["Details"], "BuildTime"));
        }
    }
    return document;
}

std::string version_page(const Json& document) {
    const Json& client = document["Client"];
    const std::string version = text_of(client, "ApiVersion");
    const std::string newest = text_of(client, "DefaultAPIVersion");
    std::string page = "Client:\n";
    add_line(page, " ", "Version", text_of(client, "Version"));
    add_line(page, " ", "API version",
             version == newest ? version : fmt::format("{} (downgraded from {})", version, newest));
    add_line(page, " ", "OS/Arch", text_of(client, "Os") + "/" + text_of(client, "Arch"));
    add_line(page, " ", "Context", text_of(client, "Context"));
    const Json& server = document["Server"];
    if (server.is_object()) {
        const std::string platform =
            server.contains("Platform") ? text_of(server["Platform"], "Name") : "";
        page += fmt::format("\nServer:{}{}\n", platform.empty() ? "" : " ", platform);
        for (const Json& component : list_of(server, "Components")) {
            const std::string name = text_of(component, "Name");
            page += fmt::format(" {}:\n{}", name,
                                name == "Engine" ? engine_lines(component)
                                                 : component_lines(component));
        }
    }
    return align(page, {20, 1});
}

namespace {

// --- version ---

constexpr Flag version_flags[] = {{"format", 'f', Kind::Text, format_one_help}};

/// Go's names of fields whose names in JSON are others.
std::optional<Result<Json>> version_field(const Json& receiver, std::string_view name,
                                          std::span<const Json>) {
    if (name == "APIVersion" && receiver.is_object() && receiver.contains("ApiVersion")) {
        return Result<Json>(receiver["ApiVersion"]);
    }
    if (!receiver.is_object() || receiver.contains(std::string(name))) { return std::nullopt; }
    if (name == "Platform") { return Result<Json>(Json(nullptr)); }
    if (name == "Experimental" && receiver.contains("MinAPIVersion")) {
        return Result<Json>(Json(false));
    }
    return std::nullopt;
}

/// Docker's template has a name.
std::string named(std::string_view message) {
    return replace_all(replace_all(message, "template: :", "template: version:"), "executing \"\"",
                       "executing \"version\"");
}

struct Seen {
    Json document;
    std::optional<Error> error; ///< of the daemon
};
Result<Seen> look(App& app) {
    TRY_LET(client, app.client());
    utsname machine{};
    uname(&machine);
    Seen seen;
    auto answer = client->json(client::get("/version"));
    if (!answer) { seen.error = answer.error(); }
    const int version = client->version_now() == 0 ? client::newest_version : client->version_now();
    const ClientFacts facts{SHOAL_VERSION, client::version_text(version),
                            client::version_text(client::newest_version), app.context_name(),
                            go_architecture(machine.machine)};
    seen.document = version_document(facts, answer ? *answer : Json(nullptr));
    return seen;
}

constexpr int bad_template = 64;

Result<int> version(App& app, const Parsed& parsed) {
    const std::string format = parsed.text("format");
    std::optional<Template> prepared;
    if (!format.empty() && format != "json") {
        auto made = Template::parse(format);
        if (!made) {
            app.error_line("template parsing error: " + named(made.error().message));
            return bad_template;
        }
        prepared.emplace(std::move(*made));
    }
    TRY_LET(seen, look(app));
    std::optional<Error> failed = seen.error;
    if (prepared) {
        TemplateOptions options;
        options.type_name = "system.versionInfo";
        options.typed = true;
        options.method = version_field;
        auto text = prepared->execute(seen.document, options);
        app.line(text ? *text : "");
        if (!text && !failed) { failed = Error{text.error().code, named(text.error().message)}; }
    } else {
        app.out(format == "json" ? go_json(seen.document) + "\n" : version_page(seen.document));
    }
    if (failed) { return *std::move(failed); }
    return 0;
}

// --- dial-stdio ---

struct Pipe {
    explicit Pipe(net::Loop& loop) : reader(loop, 1, net::Pool::AtEnd::Leave), scope(loop) {}
    net::StreamPtr stream;
    net::Pool reader;
    net::TaskScope scope;
};

net::Task<void> send_input(Pipe* self) {
    const net::Until until(self->scope.cancel());
    while (true) {
        auto job = [] {
            std::string piece(32 * 1024, '\0');
            ssize_t got = 0;
            do {
                got = ::read(STDIN_FILENO, piece.data(), piece.size());
            } while (got < 0 && errno == EINTR);
            piece.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
            return piece;
        };
        auto piece = co_await self->reader.run_until(std::move(job), until);
        if (!piece) { co_return; }
        if (piece->empty()) { break; }
        auto sent = co_await self->stream->write_all(*piece, until);
        if (!sent) { co_return; }
    }
    (void)co_await self->stream->shutdown_write(until);
}

net::Task<Result<int>> pipe_through(client::Client* client, Pipe* self) {
    net::Until never;
    CO_TRY_LET(stream, co_await client->connect_async(never));
    self->stream = std::move(stream);
    self->scope.spawn(send_input(self));
    std::vector<char> buffer(32 * 1024);
    Result<void> written = ok();
    while (written) {
        auto got = co_await self->stream->read_some(buffer, never);
        if (!got || *got == 0) { break; }
        written = write_out(STDOUT_FILENO, {buffer.data(), *got});
    }
    co_await self->scope.close();
    if (!written) { co_return std::move(written).error(); }
    co_return 0;
}

Result<int> dial_stdio(App& app, const Parsed&) {
    TRY_LET(client, app.client());
    Pipe pipe(client->loop());
    return net::run_task(client->loop(), pipe_through(client, &pipe));
}

} // namespace

const Command version_command{
    "[OPTIONS]", "Show the versions of client and daemon", version_flags, version, {0, 0}};
const Command dial_stdio_command{
    "", "Connect standard input and output with the daemon's socket", {}, dial_stdio, {0, 0}};

} // namespace shoal::cli
