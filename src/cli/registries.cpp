// Registries from the command line: log in and out, push, search; and `shoal registry`, which is
// the daemon's own other face.
#include "cli/commands.h"
#include "cli/credentials.h"
#include "cli/formats.h"
#include "cli/listing.h"
#include "cli/pull.h"
#include "cli/support.h"
#include "cli/terminal.h"

#include "base/text.h"
#include "oci/reference.h"

#include <fmt/format.h>

#include <unistd.h>

namespace shoal::cli {
namespace {

std::string config_file(App& app) { return app.globals.config_dir + "/config.json"; }

// --- log in ---

constexpr Flag login_flags[] = {
    {"password", 'p', Kind::Text, "Password, or token for it"},
    {"password-stdin", 0, Kind::Bool, "Read the password from standard input"},
    {"username", 'u', Kind::Text, "Name of the user"},
};

Result<std::string> read_stdin_password() {
    std::string text;
    char buffer[1024];
    while (true) {
        const ssize_t got = ::read(STDIN_FILENO, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) { continue; }
        if (got < 0) { return os_error("read standard input", errno); }
        if (got == 0) { break; }
        text.append(buffer, static_cast<std::size_t>(got));
        if (text.size() > 1 << 20) { return invalid("the password is too long"); }
    }
    if (text.ends_with('\n')) { text.pop_back(); }
    if (text.ends_with('\r')) { text.pop_back(); }
    return text;
}

Result<std::string> ask_line(App& app, const std::string& prompt) {
    app.out(prompt);
    app.flush();
    std::string line;
    char c = 0;
    while (::read(STDIN_FILENO, &c, 1) == 1 && c != '\n') { line += c; }
    return std::string(trim(line));
}

/// What flags, the terminal and what is known already say.
Result<registry::AuthConfig> credentials_for_login(App& app, const Parsed& parsed,
                                                   const Credentials& known,
                                                   const std::string& server) {
    registry::AuthConfig auth;
    auth.username = parsed.text("username");
    auth.password = parsed.text("password");
    if (parsed.given("password")) {
        app.error_line("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
        if (parsed.on("password-stdin")) {
            return invalid(
                "conflicting options: cannot specify both --password and --password-stdin");
        }
    }
    if (parsed.on("password-stdin")) {
        if (auth.username.empty()) {
            return invalid("Must provide --username with --password-stdin");
        }
        TRY_LET(password, read_stdin_password());
        auth.password = password;
    }
    if (!auth.username.empty() && !auth.password.empty()) { return auth; }
    auto before = known.get(server);
    if (before && auth.username.empty() && auth.password.empty() && !before->empty()) {
        return *before;
    }
    if (!is_terminal(STDIN_FILENO)) {
        return invalid("Error: Cannot perform an interactive login from a non TTY device");
    }
    if (auth.username.empty()) {
        TRY_LET(name, ask_line(app, "Username: "));
        auth.username = name;
    }
    if (auth.username.empty()) { return invalid("Error: Non-null Username Required"); }
    if (auth.password.empty()) {
        app.flush();
        TRY_LET(password, read_secret(STDIN_FILENO, "Password: "));
        app.line("");
        auth.password = password;
    }
    if (auth.password.empty()) { return invalid("Error: Password Required"); }
    return auth;
}

Result<int> login(App& app, const Parsed& parsed) {
    const std::string server = server_of_word(parsed.words.empty() ? "" : parsed.words[0]);
    Credentials credentials(config_file(app), app.config());
    TRY_LET(auth, credentials_for_login(app, parsed, credentials, server));
    auth.server_address = server;
    TRY_LET(client, app.client());
    Json body{{"username", auth.username}, {"password", auth.password}, {"serveraddress", server}};
    if (!auth.identity_token.empty()) { body["identitytoken"] = auth.identity_token; }
    TRY_LET(answer, client->json(client::post("/auth", {}, body)));
    if (const std::string token = text_of(answer, "IdentityToken"); !token.empty()) {
        auth.identity_token = token;
        auth.password.clear();
    }
    TRY(credentials.store(server, auth).with("Error saving credentials"));
    if (credentials.helper_of(server).empty()) {
        app.error_line("\nWARNING! Your credentials are stored unencrypted in '" +
                       config_file(app) +
                       "'.\nConfigure a credential helper to remove this warning. See\n"
                       "https://docs.docker.com/go/credential-store/\n");
    }
    const std::string status = text_of(answer, "Status");
    app.line(status.empty() ? "Login Succeeded" : status);
    return 0;
}

Result<int> logout(App& app, const Parsed& parsed) {
    const std::string word = parsed.words.empty() ? "" : parsed.words[0];
    const std::string server = server_of_word(word);
    Credentials credentials(config_file(app), app.config());
    TRY_LET(known, credentials.erase(server));
    if (known) {
        app.line("Removing login credentials for " + server);
    } else {
        app.line("Not logged in to " + server);
    }
    return 0;
}

// --- push ---

constexpr Flag push_flags[] = {
    {"all-tags", 'a', Kind::Bool, "Push every tag of the repository"},
    {"disable-content-trust", 0, Kind::Bool, "Do not sign", "true"},
    {"platform", 0, Kind::Text, "Push the image for this platform (os[/arch[/variant]])"},
    {"quiet", 'q', Kind::Bool, "Print only the name of the image"},
};

Result<int> push(App& app, const Parsed& parsed) {
    if (!parsed.on("disable-content-trust", true)) {
        return unsupported("content trust is not supported");
    }
    TRY_LET(reference, oci::Reference::parse(parsed.words[0]));
    const bool all = parsed.on("all-tags");
    if (all && (reference.has_tag() || reference.has_digest())) {
        return invalid("tag can't be used with --all-tags/-a");
    }
    if (!all && !reference.has_tag() && !reference.has_digest()) {
        reference = reference.with_default_tag();
        if (!parsed.on("quiet")) { app.line("Using default tag: " + reference.tag()); }
    }
    if (reference.has_digest()) { return invalid("cannot push a digest reference"); }
    if (parsed.given("platform")) {
        return unsupported("--platform: an image here is of one platform, which is pushed");
    }
    const bool quiet = parsed.on("quiet");
    TRY(push_image(app, reference.familiar(), quiet ? Progress::Quiet : Progress::Stdout));
    if (quiet) { app.line(reference.text()); }
    return 0;
}

// --- search ---

constexpr Flag search_flags[] = {
    {"filter", 'f', Kind::List, "Show only results that the condition allows", "", "filter",
     check_filter},
    {"format", 0, Kind::Text, "Print with a Go template"},
    {"limit", 0, Kind::Int, "How many results at most"},
    {"no-trunc", 0, Kind::Bool, "Do not cut descriptions"},
};

const std::vector<std::pair<std::string_view, std::string_view>> search_headers = {
    {"Name", "NAME"},           {"Description", "DESCRIPTION"}, {"StarCount", "STARS"},
    {"IsOfficial", "OFFICIAL"}, {"IsAutomated", "AUTOMATED"},
};
constexpr std::size_t description_max = 45;

std::string one_line(std::string text, bool cut) {
    for (char& c : text) {
        if (c == '\n' || c == '\r') { c = ' '; }
    }
    if (cut && text.size() > description_max) { text = text.substr(0, description_max - 1) + "…"; }
    return text;
}

Result<int> search(App& app, const Parsed& parsed) {
    net::Query query{{"term", parsed.words[0]}};
    if (const auto limit = parsed.number("limit"); limit && *limit != 0) {
        query.emplace_back("limit", std::to_string(*limit));
    }
    add_filters(query, parsed);
    client::Request request = client::get("/images/search", query);
    TRY_LET(auth, app.registry_auth(parsed.words[0]));
    request.headers.set("X-Registry-Auth", auth);
    TRY_LET(client, app.client());
    TRY_LET(found, client->json(std::move(request)));
    Listing listing;
    listing.format =
        parsed.text("format", "table {{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}");
    if (listing.format == "table" || listing.format.empty()) {
        listing.format = "table {{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}";
    }
    listing.headers = search_headers;
    listing.type_name = "*search.searchContext";
    for (const auto& one : found) {
        listing.rows.push_back(
            {{"Name", text_of(one, "name")},
             {"Description", one_line(text_of(one, "description"), !parsed.on("no-trunc"))},
             {"StarCount", std::to_string(number_of(one, "star_count"))},
             {"IsOfficial", flag_of(one, "is_official") ? "[OK]" : ""},
             {"IsAutomated", flag_of(one, "is_automated") ? "[OK]" : ""}});
    }
    TRY_LET(text, render(listing));
    app.out(text);
    return 0;
}

// --- shoal registry ---

Result<int> registry_face(App& app, const Parsed& parsed) {
    const std::string program = daemon_program();
    std::vector<std::string> words{program, "registry"};
    words.insert(words.end(), parsed.words.begin(), parsed.words.end());
    std::vector<char*> argv;
    for (auto& word : words) { argv.push_back(word.data()); }
    argv.push_back(nullptr);
    app.flush();
    ::execv(program.c_str(), argv.data());
    return os_error("run " + program, errno);
}

} // namespace

Result<void> push_image(App& app, const std::string& name, Progress progress) {
    TRY_LET(reference, oci::Reference::parse(name));
    net::Query query;
    if (reference.has_tag()) { query.emplace_back("tag", reference.tag()); }
    client::Request request =
        client::post("/images/" + client::part(reference.familiar_name()) + "/push", query);
    TRY_LET(auth, app.registry_auth(reference.familiar_name()));
    request.headers.set("X-Registry-Auth", auth);
    return call_with_progress(app, std::move(request), progress);
}

const Command login_command{"[OPTIONS] [SERVER]",
                            "Log in at a registry",
                            login_flags,
                            login,
                            {0, 1},
                            "",
                            "Without a server it is Docker's own registry."};
const Command logout_command{"[SERVER]",
                             "Log out of a registry",
                             {},
                             logout,
                             {0, 1},
                             "",
                             "Without a server it is Docker's own registry."};
const Command push_command{
    "[OPTIONS] NAME[:TAG]", "Send an image to a registry", push_flags, push, {1, 1},
    "image push, push"};
const Command search_command{
    "[OPTIONS] TERM", "Look for images in a registry", search_flags, search, {1, 1}};
const Command registry_command{.usage = "COMMAND",
                               .summary = "Run and look after a private registry",
                               .action = registry_face,
                               .unparsed = true};

} // namespace shoal::cli
